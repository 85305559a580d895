"""A node's websocket: it makes things quicker, is enough alone, and is not believed."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio
from solders.keypair import Keypair
from websockets.asyncio.server import ServerConnection, serve

from app.fee_payers import FeePayers
from app.records import Cluster
from app.watching.notices import Notices
from chain.fee_payer import KeyFileFeePayer
from tests.box import Box, open_box
from tests.waiting import wait_until


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    """Only the websocket tells of anything."""
    async with open_box(database_url, tmp_path, watch_polling=False, watch_websocket=True) as opened:
        await until_open(opened, 1)
        yield opened
        await opened.mend()
        assert await opened.violations() == []


async def until_open(box: Box, value: float) -> None:
    async def says_so() -> bool:
        lines = (await box.house.public.get("/metrics")).text.splitlines()
        return f'settle_websocket_open{{cluster="live"}} {value:.1f}' in lines

    await wait_until(says_so, 20, f"the websocket's gauge is {value}")


async def pay(box: Box, **more: Any) -> dict[str, Any]:
    checkout = await box.checkout(**more)
    wallet = await box.wallet(cluster="test" if more.get("test") else "live")
    answer = await box.pay(wallet, checkout["link"])
    assert answer.status_code == 200, answer.text
    return checkout


async def watchers(box: Box) -> list[str]:
    rows = await box.house.rows("SELECT seen_by FROM issued_transactions WHERE fate IN ('landed', 'failed')")
    return [row["seen_by"] for row in rows]


async def test_a_payment_is_paid_by_the_websocket_alone_on_either_cluster(box: Box) -> None:
    await box.until_status(await pay(box), "completed")
    await box.until_status(await pay(box, test=True), "completed")
    assert await watchers(box) == ["websocket", "websocket"]


async def test_what_landed_while_nobody_listened_is_found_on_connecting_again(box: Box) -> None:
    # A network that is down: what the node says closes the websocket, and so does every try to connect.
    await box.fault("rpc", "drop")
    checkout = await box.checkout()
    wallet = await box.wallet()
    # Handed out before the trouble, sent in it.
    await box.mend()
    fetched = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
    await box.fault("rpc", "drop")
    sent = await box.outside.post(
        f"/sandbox/wallets/{wallet}/send", json={"transaction": fetched.json()["transaction"]}
    )
    assert sent.status_code == 200, sent.text
    await until_open(box, 0)
    assert (await box.status(checkout))["status"] == "pending"
    await box.mend()
    await box.until_status(checkout, "completed")
    assert await watchers(box) == ["websocket"]


async def test_a_websocket_that_has_fallen_silent_hides_nothing_from_polling(database_url: str, tmp_path: Path) -> None:
    async with open_box(database_url, tmp_path, watch_websocket=True) as box:
        await until_open(box, 1)
        await box.fault("rpc", "silent")
        await box.until_status(await pay(box), "completed")
        assert await watchers(box) == ["polling"]


async def test_a_websocket_that_lies_makes_nobody_paid(database_url: str, tmp_path: Path) -> None:
    """It names what was handed out and never sent, and what nobody ever handed out."""
    sockets: list[ServerConnection] = []

    async def lie(socket: ServerConnection) -> None:
        async for text in socket:
            request = json.loads(text)
            await socket.send(json.dumps({"jsonrpc": "2.0", "result": 1, "id": request["id"]}))
            sockets.append(socket)

    async with serve(lie, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = {"watch_polling": False, "watch_websocket": True, "rpc_websocket_urls": url}
        async with open_box(database_url, tmp_path, **settings) as box:
            checkout = await box.checkout()
            wallet = await box.wallet()
            fetched = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
            assert fetched.status_code == 200
            [issued] = await box.house.rows("SELECT signature FROM issued_transactions")
            await wait_until(lambda: sockets, 10, "it is listened to")
            for signature in (issued["signature"], "2" * 87, "not a signature", ""):
                value = {"signature": signature, "err": None, "logs": []}
                params = {"result": {"context": {"slot": 5}, "value": value}, "subscription": 1}
                await sockets[0].send(json.dumps({"jsonrpc": "2.0", "method": "logsNotification", "params": params}))

            async def is_looked_at() -> bool:
                [row] = await box.house.rows("SELECT seen_by FROM issued_transactions")
                return bool(row["seen_by"] == "websocket")

            await wait_until(is_looked_at, 10, "the name was taken as a hint")
            assert (await box.status(checkout))["status"] == "pending"
            # Its truth comes out though the websocket says no more: this wallet pays it now.
            sent = await box.outside.post(
                f"/sandbox/wallets/{wallet}/send", json={"transaction": fetched.json()["transaction"]}
            )
            assert sent.status_code == 200, sent.text
            await box.until_status(checkout, "completed")
            assert await box.violations() == []


async def test_a_former_fee_payer_is_listened_to_while_something_of_it_is_open(box: Box) -> None:
    checkout = await box.checkout()
    await box.outside.post(f"/sandbox/wallets/{await box.wallet()}/fetch", json={"link": checkout["link"]})
    parts = box.house.system.clusters[Cluster.live]
    fresh = KeyFileFeePayer(Keypair())
    rotated = replace(parts, fee_payers=FeePayers(fresh, {}, frozenset()))
    addresses = await Notices(box.house.system, rotated)._find_addresses()
    assert set(addresses) == {parts.fee_payer.address, fresh.address}
