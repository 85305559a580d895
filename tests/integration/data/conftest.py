"""Rows of every table, made by plain SQL: what the database refuses is tested below everything else."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest_asyncio

from app.database import Connection, Database

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADDRESS = "So11111111111111111111111111111111111111112"
MERCHANT_WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"


class Rows:
    """Inserts rows with every column that must be there; each call takes columns that shall differ."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._made = 0

    async def insert(self, table: str, **columns: Any) -> Any:
        names, places = ", ".join(columns), ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        query = f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING id"
        return await self.connection.fetchval(query, *columns.values())

    def number(self) -> int:
        self._made += 1
        return self._made

    async def merchant(self, **columns: Any) -> int:
        row = {
            "shop": f"shop-{self.number()}.myshopify.com", "display_name": "A shop", "status": "active",
            "wallet": MERCHANT_WALLET, "created_at": AT, "updated_at": AT,
        }  # fmt: skip
        return int(await self.insert("merchants", **row | columns))

    async def group(self, **columns: Any) -> int:
        row = {
            "group_key": f"group-{self.number()}", "cluster": "live", "base": ADDRESS, "seed": "s" * 22, "version": 1,
            "address": ADDRESS, "created_at": AT,
        }  # fmt: skip
        if "merchant_id" not in columns:
            row["merchant_id"] = await self.merchant()
        return int(await self.insert("payment_groups", **row | columns))

    async def payment(self, **columns: Any) -> str:
        number = self.number()
        if "group_id" not in columns:
            columns["group_id"] = await self.group()
        merchant = await self.connection.fetchval(
            "SELECT merchant_id FROM payment_groups WHERE id = $1", columns["group_id"]
        )
        row = {
            "id": f"payment{number:015}", "shopify_id": f"shopify-{number}", "gid": f"gid://shopify/PaymentSession/{number}",
            "merchant_id": merchant, "cluster": "live", "api_version": "2026-01", "amount": 10, "currency": "USD",
            "status": "pending", "exception": "none", "merchant_wallet": MERCHANT_WALLET, "destination": ADDRESS,
            "mint": ADDRESS, "memo": "memo", "reference": ADDRESS, "cancel_url": "https://shop.example/cancel",
            "expires_at": AT, "created_at": AT, "updated_at": AT,
        }  # fmt: skip
        return str(await self.insert("payments", **row | columns))

    async def issued(self, **columns: Any) -> str:
        """Returns the signature."""
        if "payment_id" not in columns:
            columns["payment_id"] = await self.payment()
        group = await self.connection.fetchval("SELECT group_id FROM payments WHERE id = $1", columns["payment_id"])
        row = {
            "signature": f"{self.number():088}", "group_id": group, "group_version": 1, "single_use": ADDRESS,
            "seed": "s" * 22, "wallet": MERCHANT_WALLET, "fee_payer": ADDRESS, "usdc": 10_000_000, "blockhash": ADDRESS,
            "blockhash_slot": 1, "last_valid_block_height": 151, "message": b"message", "fate": "live", "final": False,
            "poll_at": AT, "created_at": AT, "updated_at": AT, "fee_lamports": 10_000, "rent_lamports": 890_880,
        } | columns  # fmt: skip
        await self.insert("issued_transactions", **row)
        return str(row["signature"])

    async def refund(self, **columns: Any) -> str:
        """Returns the id."""
        if "payment_id" not in columns:
            columns["payment_id"] = await self.payment()
        merchant = await self.connection.fetchval(
            "SELECT merchant_id FROM payments WHERE id = $1", columns["payment_id"]
        )
        number = self.number()
        row = {
            "id": f"refund{number:016}", "shopify_id": f"refund-{number}", "gid": f"gid://{number}",
            "merchant_id": merchant, "api_version": "2026-10", "amount": 5, "usdc": 5_000_000, "status": "pending",
            "exception": "none", "payee_wallet": ADDRESS, "destination": ADDRESS, "mint": ADDRESS, "memo": "memo",
            "reference": ADDRESS, "created_at": AT, "updated_at": AT,
        } | columns  # fmt: skip
        await self.insert("refunds", **row)
        return str(row["id"])

    async def job(self, **columns: Any) -> int:
        row = {
            "kind": "payment_resolve", "record": "payment", "record_id": f"payment-{self.number()}",
            "status": "waiting", "attempts": 0, "due_at": AT, "created_at": AT, "updated_at": AT,
        }  # fmt: skip
        return int(await self.insert("jobs", **row | columns))

    async def inbox_event(self, **columns: Any) -> int:
        row = {
            "source": "shopify", "event_id": f"event-{self.number()}", "topic": "app/uninstalled",
            "shop": "shop.myshopify.com", "payload": b"{}", "received_at": AT,
        }  # fmt: skip
        return int(await self.insert("inbox_events", **row | columns))

    async def event(self, **columns: Any) -> int:
        row = {"record": "payment", "record_id": "payment-1", "kind": "created", "detail": {}, "at": AT}
        return int(await self.insert("events", **row | columns))

    async def mutation(self, **columns: Any) -> int:
        row = {
            "record": "payment", "record_id": f"payment-{self.number()}", "name": "paymentSessionResolve",
            "variables": {"id": "gid"}, "api_version": "2026-01", "created_at": AT,
        }  # fmt: skip
        return int(await self.insert("shopify_mutations", **row | columns))


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with await Database.connect(database_url, max_size=4) as database:
        yield database


@pytest_asyncio.fixture
async def rows(database: Database) -> AsyncIterator[Rows]:
    async with database.acquire() as connection:
        yield Rows(connection)
