"""A node's websocket: which transactions mention our addresses, told as soon as they are confirmed.

It is read as plain JSON, as chain/node.py does and for the same reasons. A websocket that lives tells nothing of what
it missed, and one that is dead may look alive: so it is a help to be quick, and never the only source of anything.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
from solders.pubkey import Pubkey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from chain import wire
from chain.errors import NodeAnswerInvalid, NodeError, NodeRefused, NodeUnavailable

METHOD = "logsSubscribe"
# The first and the longest wait before a connection is opened again, doubling in between.
_RETRY_SECONDS = 0.5
_RETRY_SECONDS_MAX = 30.0
# A connection that lived so long is no sign that the next will not.
_STEADY_SECONDS = 60.0
_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
_SHOWN_PROBLEM = 200


def websocket_url(rpc_url: str) -> str:
    """Where a node's websocket is, by custom: at the address of its JSON-RPC."""
    parts = urlsplit(rpc_url)
    return urlunsplit(parts._replace(scheme="wss" if parts.scheme == "https" else "ws"))


class LogsConnection:
    """One connection with one subscription for each address. Whatever goes wrong ends it, as a NodeError."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._early: list[str] = []

    async def subscribe(self, addresses: Sequence[Pubkey]) -> None:
        """Ask for every transaction that mentions one of the addresses, and wait for the node's word on each."""
        for number, address in enumerate(addresses):
            params = [{"mentions": [str(address)]}, {"commitment": "confirmed"}]
            request = {"jsonrpc": "2.0", "id": number, "method": METHOD, "params": params}
            await self._socket.send(msgspec.json.encode(request).decode())
        missing = set(range(len(addresses)))
        while missing:
            message = await self._receive()
            if message.params is not None:
                self._early.append(message.params.result.value.signature)
            elif message.error is not None:
                raise NodeRefused(method=METHOD, problem=str(message.error)[:_SHOWN_PROBLEM])
            elif message.id is not None:
                missing.discard(message.id)

    async def signatures(self) -> AsyncIterator[str]:
        """Every signature as it comes, perhaps more than once. Ends by NodeError."""
        for signature in self._early:
            yield signature
        while True:
            message = await self._receive()
            if message.params is not None:
                yield message.params.result.value.signature

    async def _receive(self) -> wire.LogsMessage:
        try:
            text = await self._socket.recv()
            return _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            failure: NodeError = NodeAnswerInvalid(method=METHOD, problem=str(error)[:_SHOWN_PROBLEM])
        except (OSError, WebSocketException) as error:
            failure = NodeUnavailable(method=METHOD, problem=type(error).__name__)
        raise failure


_decoder = msgspec.json.Decoder(wire.LogsMessage)


@asynccontextmanager
async def open_logs(url: str, addresses: Sequence[Pubkey], timeout_seconds: float) -> AsyncIterator[LogsConnection]:
    """Connect and subscribe, both within the time. Raises NodeError, which never shows the address."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(timeout_seconds):
                # No proxy of the environment's: it could read our key.
                socket = await stack.enter_async_context(
                    connect(url, proxy=None, max_size=_MESSAGE_BYTES_MAX, close_timeout=1, open_timeout=timeout_seconds)
                )
                connection = LogsConnection(socket)
                await connection.subscribe(addresses)
        except (TimeoutError, OSError, WebSocketException, ValueError) as error:
            problem = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            failure = NodeUnavailable(method=METHOD, problem=problem)
        else:
            yield connection
            return
    raise failure


@dataclass(frozen=True)
class LogsListener:
    """Who is told: `on_open` when a connection hears (again), `on_signature` for each name, `on_fault` when one ends.

    `addresses` is asked before each connection.
    """

    addresses: Callable[[], Awaitable[Sequence[Pubkey]]]
    on_open: Callable[[], Awaitable[Any]]
    on_signature: Callable[[str], None]
    on_fault: Callable[[str, NodeError], None]


async def follow_logs(urls: Sequence[str], listener: LogsListener, timeout_seconds: float) -> None:
    """Hold one connection for ever: after one that failed the next node's turn comes, after growing waits."""
    loop = asyncio.get_running_loop()
    wait, turn = _RETRY_SECONDS, 0
    while True:
        url = urls[turn % len(urls)]
        began = loop.time()
        try:
            async with open_logs(url, await listener.addresses(), timeout_seconds) as connection:
                await listener.on_open()
                async for signature in connection.signatures():
                    listener.on_signature(signature)
        except NodeError as error:
            listener.on_fault(urlsplit(url).hostname or "", error)
        if loop.time() - began > _STEADY_SECONDS:
            wait = _RETRY_SECONDS
        # Many processes lose the same node at once: they shall not come back at once.
        await asyncio.sleep(wait * (1 + random.random()))  # not a secret
        wait, turn = min(2 * wait, _RETRY_SECONDS_MAX), turn + 1
