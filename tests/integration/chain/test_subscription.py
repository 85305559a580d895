"""Following a node's websocket: whatever it does, the follower is there again, and hears only names."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from chain import subscription
from chain.errors import NodeError
from chain.subscription import LogsListener, follow_logs, websocket_url
from tests.waiting import wait_until

ADDRESSES = [Keypair().pubkey(), Keypair().pubkey()]
Script = Callable[[ServerConnection], Awaitable[None]]


def notice(signature: str, **more: Any) -> str:
    value = {"signature": signature, "err": None, "logs": ["Program log: x"]}
    params = {"result": {"context": {"slot": 5}, "value": value}, "subscription": 1}
    return json.dumps({"jsonrpc": "2.0", "method": "logsNotification", "params": params} | more)


async def accept(socket: ServerConnection) -> list[Any]:
    """Answer the subscriptions as a node does; returns the requests."""
    requests = []
    for number in range(len(ADDRESSES)):
        request = json.loads(await socket.recv())
        requests.append(request)
        await socket.send(json.dumps({"jsonrpc": "2.0", "result": 100 + number, "id": request["id"]}))
    return requests


class Followed:
    """A follower of scripted servers: each connection plays the next script, the last one for ever."""

    def __init__(self) -> None:
        self.named: list[str] = []
        self.opened = 0
        self.faults: list[NodeError] = []

    async def addresses(self) -> list[Pubkey]:
        return ADDRESSES

    async def on_open(self) -> None:
        self.opened += 1

    @property
    def listener(self) -> LogsListener:
        return LogsListener(
            self.addresses, self.on_open, self.named.append, lambda _host, error: self.faults.append(error)
        )


@asynccontextmanager
async def following(*scripts: Script, urls: int = 1, timeout_seconds: float = 1) -> AsyncIterator[Followed]:
    played = 0

    async def play(socket: ServerConnection) -> None:
        nonlocal played
        script = scripts[min(played, len(scripts) - 1)]
        played += 1
        with suppress(ConnectionClosed):
            await script(socket)

    followed = Followed()
    async with serve(play, "127.0.0.1", 0) as server:
        [port, *_] = [socket.getsockname()[1] for socket in server.sockets]
        given = [f"ws://127.0.0.1:{port}/{number}" for number in range(urls)]
        task = asyncio.create_task(follow_logs(given, followed.listener, timeout_seconds))
        try:
            yield followed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "_RETRY_SECONDS", 0.02)


async def good(socket: ServerConnection) -> None:
    await accept(socket)
    await socket.send(notice("good"))
    await socket.wait_closed()


async def test_it_subscribes_to_each_address_at_confirmed_and_hears_every_name() -> None:
    requests: list[Any] = []

    async def script(socket: ServerConnection) -> None:
        requests.extend(await accept(socket))
        for number in range(3):
            await socket.send(notice(f"signature-{number}"))
        await socket.wait_closed()

    async with following(script) as followed:
        await wait_until(lambda: len(followed.named) == 3, 5, "three names")
    assert followed.named == ["signature-0", "signature-1", "signature-2"]
    assert [request["params"] for request in requests] == [
        [{"mentions": [str(address)]}, {"commitment": "confirmed"}] for address in ADDRESSES
    ]
    assert (followed.opened, followed.faults) == (1, [])


async def test_a_name_before_the_answer_to_the_subscription_is_not_lost() -> None:
    async def script(socket: ServerConnection) -> None:
        await socket.send(notice("early"))
        await accept(socket)
        await socket.wait_closed()

    async with following(script) as followed:
        await wait_until(lambda: followed.named == ["early"], 5, "the early name")


async def close_at_once(socket: ServerConnection) -> None:
    await socket.close()


async def close_after_a_while(socket: ServerConnection) -> None:
    await accept(socket)
    await socket.send(notice("first"))


async def break_off(socket: ServerConnection) -> None:
    await accept(socket)
    socket.transport.abort()


async def say_nothing(socket: ServerConnection) -> None:
    await socket.wait_closed()


async def refuse(socket: ServerConnection) -> None:
    request = json.loads(await socket.recv())
    error = {"code": -32601, "message": "Method not found"}
    await socket.send(json.dumps({"jsonrpc": "2.0", "error": error, "id": request["id"]}))
    await socket.wait_closed()


def send(text: str | bytes) -> Script:
    async def script(socket: ServerConnection) -> None:
        await accept(socket)
        await socket.send(text)
        await socket.wait_closed()

    return script


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (close_at_once, "node_unavailable"),
        (close_after_a_while, "node_unavailable"),
        (break_off, "node_unavailable"),
        (say_nothing, "node_unavailable"),
        (refuse, "node_refused"),
        (send("{"), "node_answer_invalid"),
        (send(b"\xff\xfe"), "node_answer_invalid"),
        (send("[]"), "node_answer_invalid"),
        (send(notice("x").replace('"x"', "5")), "node_answer_invalid"),
        (send("x" * 5_000_000), "node_unavailable"),
    ],
)
async def test_whatever_goes_wrong_it_is_there_again_and_says_what_it_was(script: Script, reason: str) -> None:
    async with following(script, good, timeout_seconds=0.3) as followed:
        await wait_until(lambda: "good" in followed.named, 10, "it hears again")
    assert [str(fault.reason) for fault in followed.faults] == [reason]
    assert "127.0.0.1" not in followed.faults[0].message


async def test_nobody_there_is_tried_again_and_again_and_the_next_node_has_its_turn() -> None:
    paths: list[str] = []

    async def script(socket: ServerConnection) -> None:
        assert socket.request is not None
        paths.append(socket.request.path)

    async with following(script, urls=3) as followed:
        await wait_until(lambda: len(paths) >= 4, 10, "four connections")
    assert paths[:4] == ["/0", "/1", "/2", "/0"]
    assert len(followed.faults) >= 3


async def test_the_waits_between_failures_grow() -> None:
    times: list[float] = []

    async def script(_socket: ServerConnection) -> None:
        times.append(time.monotonic())

    async with following(script):
        await wait_until(lambda: len(times) >= 6, 20, "six connections")
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[4] > 3 * waits[0]


@pytest.mark.parametrize(
    ("rpc", "websocket"),
    [
        ("https://node.example/?api-key=abc", "wss://node.example/?api-key=abc"),
        ("http://127.0.0.1:8899", "ws://127.0.0.1:8899"),
    ],
)
def test_the_websocket_is_where_the_rpc_is(rpc: str, websocket: str) -> None:
    assert websocket_url(rpc) == websocket
