"""Faults of the transport: what happens to a request before, after or instead of its being handled."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.sandbox.faults import Fault, Faults

# The scope's extension that holds the connection itself: ASGI has no word for closing it without an answer.
_CONNECTION = "sandbox.connection"


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, with the connection in the scope."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_CONNECTION: {"transport": self.transport}}


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's websocket, with the connection in the scope."""

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = {
            **(self.scope.get("extensions") or {}),
            _CONNECTION: {"transport": self.transport},
        }
        self.scope["extensions"] = extensions
        await super().run_asgi()


class FaultyTransport:
    """Applies the transport faults of one target to the application behind it.

    For HTTP a fault is used up per request. For a websocket: at the handshake (status, rate_limit, delay, drop), then
    per message of the client (delay, drop; lost_answer and broken_json spoil the next message to it). A drop without a
    number of times is a network that is down: what the server says by itself closes the websocket, too.
    """

    def __init__(self, app: ASGIApp, faults: Faults, target: str) -> None:
        self._app = app
        self._faults = faults
        self._target = target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._converse(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._delay()
        fault = self._faults.take(self._target, "status", "rate_limit", "drop", "lost_answer", "broken_json")
        match fault.fault if fault else None:
            case None:
                await self._app(scope, receive, send)
            case "drop":
                await _drain(receive)
                await _close(scope, receive)
            case "lost_answer":
                await self._app(scope, receive, _swallow)
                await _close(scope, receive)
            case "broken_json":
                answer = _Answer()
                await self._app(scope, receive, answer.collect)
                await answer.send_half(send)
            case _:
                assert fault is not None
                await _refusal(fault)(scope, receive, send)

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._delay()
        fault = self._faults.take(self._target, "status", "rate_limit", "drop")
        if fault is None:
            talk = _Conversation(self._faults, self._target, scope, receive, send, self._delay)
            await self._app(scope, talk.receive, talk.send)
        elif fault.fault == "drop":
            await _close(scope, receive)
        else:
            await _refusal(fault)(scope, receive, send)

    async def _delay(self) -> None:
        fault = self._faults.take(self._target, "delay")
        if fault:
            await asyncio.sleep(1 if fault.value is None else fault.value)


class _Conversation:
    """A websocket between its two ends."""

    def __init__(
        self,
        faults: Faults,
        target: str,
        scope: Scope,
        receive: Receive,
        send: Send,
        delay: Callable[[], Awaitable[None]],
    ) -> None:
        self._faults = faults
        self._target = target
        self._scope = scope
        self._receive = receive
        self._send = send
        self._delay = delay
        self._spoil: str | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return message
        await self._delay()
        fault = self._faults.take(self._target, "drop", "lost_answer", "broken_json")
        if fault is None:
            return message
        if fault.fault == "drop":
            return await _close(self._scope, self._receive)
        self._spoil = fault.fault
        return message

    async def send(self, message: Message) -> None:
        if message["type"] != "websocket.send":
            await self._send(message)
            return
        spoil, self._spoil = self._spoil, None
        down = any(fault.times is None for fault in self._faults.peek(self._target, "drop"))
        if spoil == "lost_answer" or down:
            _connection(self._scope).abort()
        elif spoil == "broken_json":
            content = message.get("text") or (message.get("bytes") or b"").decode(errors="replace")
            await self._send({"type": "websocket.send", "text": content[: len(content) // 2]})
        else:
            await self._send(message)


class _Answer:
    """A whole HTTP answer, kept back."""

    def __init__(self) -> None:
        self._start: Message = {}
        self._body = bytearray()

    async def collect(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    async def send_half(self, send: Send) -> None:
        half = bytes(self._body[: len(self._body) // 2])
        headers = [(name, value) for name, value in self._start.get("headers", []) if name.lower() != b"content-length"]
        headers.append((b"content-length", str(len(half)).encode()))
        await send({**self._start, "headers": headers})
        await send({"type": "http.response.body", "body": half})


def _refusal(fault: Fault) -> PlainTextResponse:
    status = 429 if fault.fault == "rate_limit" else int(503 if fault.value is None else fault.value)
    headers = {}
    if fault.fault == "rate_limit":
        headers["Retry-After"] = str(1 if fault.value is None else fault.value)
    known = {known.value: known.phrase for known in HTTPStatus}
    return PlainTextResponse(known.get(status, "Fault"), status, headers)


async def _swallow(_message: Message) -> None:
    pass


async def _drain(receive: Receive) -> None:
    """Read the request to its end: closed halfway through its sending, the client would see another failure."""
    while (await receive()).get("more_body"):
        pass


def _connection(scope: Scope) -> asyncio.Transport:
    # A cast, as uvloop's transports look like asyncio's and derive from nothing.
    return cast(asyncio.Transport, scope["extensions"][_CONNECTION]["transport"])


async def _close(scope: Scope, receive: Receive) -> Message:
    """Close the connection and wait until it is: uvicorn would otherwise answer for us. Returns the last message."""
    _connection(scope).abort()
    while True:
        message = await receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            return message
