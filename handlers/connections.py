"""A door's HTTP server and its connections: what uvicorn does not do by itself when time is out or the door closes."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator, Sequence
from socket import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.settings import Settings

# How long a stopping server waits for a goodbye to be answered.
GOODBYE_SECONDS = 0.5


class DoorState(ServerState):
    """What a door's connections share."""

    is_leaving = False

    def __init__(self, head_bytes_max: int, head_seconds: int) -> None:
        super().__init__()
        self.head_bytes_max = head_bytes_max
        self.head_seconds = head_seconds


class Connection(HttpToolsProtocol):
    """A connection that neither keeps a stopping server waiting nor goes on for ever.

    How much of a body is read is for its reader to say. The head, and what stands beside a chunked body (sizes,
    extensions, trailers), nobody reads but the parser: too much of it without a byte of body ends the connection.
    """

    server_state: DoorState
    # The end of waiting for a head, or for the rest of a request that is answered already.
    _deadline: asyncio.TimerHandle | None = None
    _is_in_head = False
    _is_in_request = False
    # Read since the request began or its last part of a body came.
    _beside_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._beside_bytes += len(data)
        super().data_received(data)
        if self._is_in_request and self._beside_bytes > self.server_state.head_bytes_max:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = self._is_in_request = True
        if self._deadline is None:
            self._begin_deadline()

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer would else become a header of the request, though whoever checked those has done so.
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._end_deadline()
        self._is_in_head = False
        self._beside_bytes = 0
        super().on_headers_complete()
        if self.server_state.is_leaving:
            self.end_after_answer()

    def on_body(self, body: bytes) -> None:
        self._beside_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_request = False
        self._end_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # An answer before the body's end: a client may finish what it sends, and is not listened to for longer.
        if self._is_in_request and self._deadline is None and self.cycle.response_complete:
            self._begin_deadline()

    def end_after_answer(self) -> None:
        """Say with the answer that is due, if one is, that no other request will be read here."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False

    def _begin_deadline(self) -> None:
        self._beside_bytes = 0
        self._deadline = self.loop.call_later(self.server_state.head_seconds, self.transport.abort)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def shutdown(self) -> None:
        # Closed twice, asyncio's TLS transport forgets its connection, so one that is closing is left alone.
        if not self.transport.is_closing():
            super().shutdown()
        # TLS says goodbye and waits for an answer, which a peer that keeps the connection for later never gives.
        if self.transport.is_closing():
            self.loop.call_later(GOODBYE_SECONDS, self.transport.abort)


class Door(uvicorn.Server):
    """A server that leaves signals to us: else the last of several would take them all.

    Where others accept from the same sockets, it leaves gently: what it has accepted and not read yet is answered too,
    within `linger_seconds`. Without that, a request that arrives while the door closes is cut off, though nobody
    would have refused it a moment later.
    """

    server_state: DoorState

    def __init__(
        self,
        app: object,
        listeners: Sequence[socket],
        tls: ssl.SSLContext | None,
        settings: Settings,
        linger_seconds: float = 0,
    ) -> None:
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]  # a Starlette application is an ASGI application
            http=Connection,
            loop="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=settings.drain_seconds,
            proxy_headers=False,
        )
        config.load()
        config.ssl = tls
        super().__init__(config)
        self.server_state = DoorState(settings.head_limit_bytes, settings.head_timeout_seconds)
        self.is_open = asyncio.Event()
        self._listeners = list(listeners)
        self._linger_seconds = linger_seconds

    async def open(self) -> None:
        """Serve until `should_exit` is set."""
        await self.serve(self._listeners)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_open.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        if self._linger_seconds:
            for server in self.servers:
                server.close()
            self.server_state.is_leaving = True
            for connection in self.server_state.connections:
                assert isinstance(connection, Connection)
                connection.end_after_answer()
            await asyncio.sleep(self._linger_seconds)
        await super().shutdown(sockets)
