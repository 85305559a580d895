"""The comparison for Shopify's door: the same server, protocol and TLS, an endpoint that only does the one INSERT."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.settings import load
from handlers.connections import Door

# The server as Settle runs it, so that no setting of it differs.
from handlers.door_tls import DoorTls
from handlers.listeners import bind

TABLE = "CREATE TABLE IF NOT EXISTS bare_payments (LIKE payments INCLUDING ALL)"
_COLUMNS = (
    "id, shopify_id, gid, merchant_id, group_id, cluster, api_version, amount, currency, status, exception, usdc, "
    "rate, rate_source, rate_at, quote_expires_at, merchant_wallet, destination, mint, memo, reference, cancel_url, "
    "locale, proposed_at, expires_at, created_at, updated_at"
)
_INSERT = f"INSERT INTO bare_payments ({_COLUMNS}) VALUES ({', '.join(f'${n + 1}' for n in range(27))})"


class PlainConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    def get_reset_query(self) -> str:
        return ""


def make_bare_door(pool: Any, row: tuple[Any, ...]) -> Starlette:
    """Inserts `row` with the id and gid of each session in place of its own."""
    rest = row[3:]

    async def insert(request: Request) -> Response:
        session = msgspec.json.decode(await request.body())
        await pool.execute(_INSERT, session["id"][-22:], session["id"], session["gid"], *rest)
        return Response(
            b'{"redirect_url":"http://127.0.0.1/pay/0123456789abcdefghijkl"}', media_type="application/json"
        )

    return Starlette(routes=[Route("/shopify/payment", insert, methods=["POST"])])


async def serve() -> None:
    settings = load()
    pool = await asyncpg.create_pool(
        settings.database_url, min_size=1, max_size=settings.database_pool_size, connection_class=PlainConnection
    )
    await pool.execute(TABLE)
    # Any payment's values will do; the caller has made one.
    row = tuple(await pool.fetchrow(f"SELECT {_COLUMNS} FROM payments LIMIT 1"))
    listeners = list(bind(settings.host, settings.shopify_port))
    await Door(make_bare_door(pool, row), listeners, DoorTls(settings).context, settings.drain_seconds).open()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
