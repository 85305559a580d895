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

# How long a stopping server waits for a goodbye to be answered.
GOODBYE_SECONDS = 0.5
# A request's headers: how long they may take from its first byte or the connection's beginning, and their size.
HEAD_SECONDS = 10
HEAD_BYTES_MAX = 32_768


class DoorState(ServerState):
    """What a door's connections share."""

    is_leaving = False


class Connection(HttpToolsProtocol):
    """A connection that neither keeps a stopping server waiting nor sends its headers for ever."""

    server_state: DoorState
    _heading: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._heading is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._heading is not None and self._head_bytes > HEAD_BYTES_MAX:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._heading is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()
        if self.server_state.is_leaving:
            self.end_after_answer()

    def end_after_answer(self) -> None:
        """Say with the answer that is due, if one is, that no other request will be read here."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._heading = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _end_head(self) -> None:
        if self._heading is not None:
            self._heading.cancel()
            self._heading = None

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
        drain_seconds: int,
        linger_seconds: float = 0,
    ) -> None:
        """`drain_seconds`: how long it finishes what it is answering when it is told to stop."""
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]  # a Starlette application is an ASGI application
            http=Connection,
            loop="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=drain_seconds,
            proxy_headers=False,
        )
        config.load()
        config.ssl = tls
        super().__init__(config)
        self.server_state = DoorState()
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
