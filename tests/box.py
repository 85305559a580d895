"""The whole system in this process: the outside world, both doors and the worker, on free ports, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.coherence import Violation, check_chain, check_records
from app.sandbox.serving import serving
from app.sandbox.world import Ports, World
from app.settings import Settings, load
from handlers.working import work
from tests.house import House, free_port, open_house
from tests.waiting import wait_until


@dataclass(frozen=True)
class Box:
    """The world and the house in it; `outside` is a client of the world's control calls (design section 7)."""

    world: World
    house: House
    outside: httpx.AsyncClient

    async def checkout(self, amount: str = "12.34", currency: str = "USD", **more: Any) -> dict[str, Any]:
        """Open a checkout; its session is sent over mutual TLS. Adds our id as `payment`, and the link."""
        answer = await self.outside.post("/sandbox/checkouts", json={"amount": amount, "currency": currency, **more})
        assert answer.status_code == 201, answer.text
        checkout: dict[str, Any] = answer.json()
        checkout["payment"] = checkout["redirect_url"].rpartition("/")[2]
        checkout["link"] = f"solana:{self.house.settings.public_url}/transactions/payment/{checkout['payment']}"
        return checkout

    async def wallet(self, usdc: str = "100", **more: Any) -> str:
        answer = await self.outside.post("/sandbox/wallets", json={"usdc": usdc, **more})
        assert answer.status_code == 201, answer.text
        address: str = answer.json()["address"]
        return address

    async def pay(self, wallet: str, link: str) -> httpx.Response:
        return await self.outside.post(f"/sandbox/wallets/{wallet}/pay", json={"link": link})

    async def fetch(self, wallet: str, link: str) -> str:
        """The transaction that the application gives the wallet; not signed, not sent."""
        answer = await self.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": link})
        assert answer.status_code == 200, answer.text
        transaction: str = answer.json()["transaction"]
        return transaction

    async def send(self, wallet: str, transaction: str) -> httpx.Response:
        """The wallet signs and sends a transaction, and waits until it is confirmed."""
        return await self.outside.post(f"/sandbox/wallets/{wallet}/send", json={"transaction": transaction})

    async def fault(self, target: str, fault: str, **more: Any) -> None:
        answer = await self.outside.post("/sandbox/faults", json={"target": target, "fault": fault, **more})
        assert answer.status_code < 300, answer.text

    async def mend(self) -> None:
        await self.outside.delete("/sandbox/faults")

    async def advance(self, seconds: int) -> None:
        answer = await self.outside.post("/sandbox/clock", json={"advance_seconds": seconds})
        assert answer.status_code == 200, answer.text

    async def at_shopify(self, checkout: dict[str, Any]) -> dict[str, Any]:
        """What Shopify knows of a checkout."""
        known: dict[str, Any] = (await self.outside.get(f"/sandbox/checkouts/{checkout['id']}")).json()
        return known

    async def paid(self, amount: str = "12.34", currency: str = "USD", **more: Any) -> dict[str, Any]:
        """A checkout that a new wallet, added as `wallet`, has paid and Shopify knows of."""
        checkout = await self.checkout(amount, currency, **more)
        checkout["wallet"] = await self.wallet("1000", cluster="test" if more.get("test") else "live")
        answer = await self.pay(checkout["wallet"], checkout["link"])
        assert answer.status_code == 200, answer.text
        await self.until_status(checkout, "completed")
        return checkout

    async def refund(self, checkout: dict[str, Any], amount: str = "5.00", **more: Any) -> dict[str, Any]:
        """The store sends a refund session. Adds our row as `row`, and the link."""
        answer = await self.outside.post(
            f"/sandbox/checkouts/{checkout['id']}/refunds", json={"amount": amount, **more}
        )
        assert answer.status_code == 201, answer.text
        refund: dict[str, Any] = answer.json()
        refund["row"] = await self.refund_row(refund)
        refund["link"] = f"solana:{self.house.settings.public_url}/transactions/refund/{refund['row']['id']}"
        return refund

    async def refund_row(self, refund: dict[str, Any]) -> Any:
        """Our row of a refund, as it is now."""
        [row] = await self.house.rows("SELECT * FROM refunds WHERE shopify_id = $1", refund["id"])
        return row

    async def refund_at_shopify(self, refund: dict[str, Any]) -> dict[str, Any]:
        """What Shopify knows of a refund."""
        known: dict[str, Any] = (await self.outside.get(f"/sandbox/refunds/{refund['id']}")).json()
        return known

    async def until_refund(self, refund: dict[str, Any], status: str, seconds: float = 20) -> Any:
        """Wait until our refund is in this status; returns its row then."""

        async def reached() -> Any:
            row = await self.refund_row(refund)
            return row if row["status"] == status else None

        return await wait_until(reached, seconds, f"refund {refund['id']} is {status}")

    async def status(self, checkout: dict[str, Any]) -> dict[str, Any]:
        """What the customer's page knows."""
        answer: dict[str, Any] = (await self.house.public.get(f"/pay/{checkout['payment']}/status")).json()
        return answer

    async def until_status(self, checkout: dict[str, Any], status: str, seconds: float = 20) -> dict[str, Any]:
        """Wait until our payment is in this status; returns what its page knows then."""

        async def reached() -> dict[str, Any] | None:
            found = await self.status(checkout)
            return found if found["status"] == status else None

        found = await wait_until(reached, seconds, f"{checkout['payment']} is {status}")
        assert found is not None
        return found

    async def violations(self) -> list[Violation]:
        """What the coherence checker finds, in our records and on the chain."""
        system = self.house.system
        found = [violation async for violation in check_records(system)]
        return found + [violation async for violation in check_chain(system)]


@asynccontextmanager
async def open_box(
    database_url: str, folder: Path, *, slot_ms: int = 50, worker: bool = True, **changes: Any
) -> AsyncIterator[Box]:
    """Start everything on a migrated database; `changes` are settings by name, with WORLD for the world's origin."""
    async with (
        open_world(folder, slot_ms=slot_ms) as (world, outside),
        open_box_in(world, outside, database_url, worker=worker, **changes) as box,
    ):
        yield box


@asynccontextmanager
async def open_world(folder: Path, *, slot_ms: int = 50) -> AsyncIterator[tuple[World, httpx.AsyncClient]]:
    """The outside world alone, with a client of its control calls."""
    world = World(folder, Ports(world=free_port(), app=free_port(), shopify=free_port()), slot_ms=slot_ms)
    listener = socket.create_server(("127.0.0.1", int(world.url.rpartition(":")[2])))
    await world.start()
    try:
        async with (
            serving(world.app, listener),
            httpx.AsyncClient(base_url=world.url, timeout=60, limits=httpx.Limits(max_connections=250)) as outside,
        ):
            yield world, outside
    finally:
        await world.stop()
        listener.close()


def settings_in(world: World, database_url: str, **changes: Any) -> Settings:
    """The settings of a house in this world; see `open_box`."""
    # Each watcher has tests of its own. Elsewhere there is polling alone, so that the others' jobs and calls are not in
    # the way of whoever counts jobs, or the strikes of a fault.
    changes = {
        "job_poll_ms": 100,
        "expiry_poll_ms": 200,
        "watch_webhook": False,
        "watch_websocket": False,
        "watch_sweep": False,
        **changes,
    }
    changed = {name: str(value).replace("WORLD", world.url) for name, value in changes.items()}
    given = {f"SETTLE_{name.upper()}": value for name, value in changed.items()}
    return load(world.environment(database_url) | given)


@asynccontextmanager
async def open_box_in(
    world: World, outside: httpx.AsyncClient, database_url: str, *, worker: bool = True, **changes: Any
) -> AsyncIterator[Box]:
    """A house in a world that may outlive it."""
    async with open_house(settings_in(world, database_url, **changes)) as house:
        stop = asyncio.Event()
        working = asyncio.create_task(work(house.system, stop)) if worker else None
        try:
            yield Box(world, house, outside)
        finally:
            stop.set()
            if working is not None:
                await working


@asynccontextmanager
async def open_browser() -> AsyncIterator[httpx.AsyncClient]:
    """A person's browser: it follows redirects, keeps cookies and wants pages."""
    async with httpx.AsyncClient(follow_redirects=True, headers={"Accept": "text/html"}, timeout=30) as client:
        yield client
