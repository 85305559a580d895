"""Serving the doors: two servers in one process, which start together and stop together."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import SettleError
from app.health import watch_balances
from app.logs import get_logger
from app.page_feed import PaymentFeed
from app.restores import notice_restore
from app.system import System
from handlers.door_tls import DoorTls
from handlers.public_door import make_public_door
from handlers.shopify_door import make_shopify_door

# How long a stopping server finishes what it is answering, and waits for a goodbye to be answered.
DRAIN_SECONDS = 10
GOODBYE_SECONDS = 0.5
# A request's headers: how long they may take from its first byte or the connection's beginning, and their size.
HEAD_SECONDS = 10
HEAD_BYTES_MAX = 32_768


class DoorTaken(SettleError):
    """The port {port} can not be listened on; is another process there?"""

    reason = "door_taken"
    status = 500


class Connection(HttpToolsProtocol):
    """A connection that neither keeps a stopping server waiting nor sends its headers for ever."""

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
    """A server that leaves signals to us: else the last of several would take them all."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(system: System, stop: asyncio.Event) -> None:
    """Serve both doors until `stop` is set, then finish what is being answered. Raises DoorTaken."""
    settings = system.settings
    # Behind a proxy, that one ends TLS.
    tls = None if settings.shopify_proxies else DoorTls(settings)
    await notice_restore(system)
    feed = PaymentFeed()
    public = _make_server(make_public_door(system, feed, stop), settings.host, settings.public_port, None)
    shopify = _make_server(
        make_shopify_door(system), settings.host, settings.shopify_port, tls.context if tls else None
    )
    async with feed.listen(system.database), _refreshing(system, stop, tls):
        servers = [asyncio.create_task(_serve(door)) for door in (public, shopify)]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([*servers, stopping], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        for door in (public, shopify):
            door.should_exit = True
        results = await asyncio.gather(*servers, return_exceptions=True)
        stopping.cancel()
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _serve(door: Door) -> None:
    try:
        await door.serve()
    except SystemExit:
        # uvicorn's word for a port that is taken.
        raise DoorTaken(port=door.config.port) from None


def _make_server(app: object, host: str, port: int, tls: ssl.SSLContext | None) -> Door:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # a Starlette application is an ASGI application
        host=host,
        port=port,
        http=Connection,
        loop="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        proxy_headers=False,
    )
    config.load()
    config.ssl = tls
    return Door(config)


@contextlib.asynccontextmanager
async def _refreshing(system: System, stop: asyncio.Event, tls: DoorTls | None) -> AsyncIterator[None]:
    """Keep each cluster's snapshot fresh in the background, so that a warm request asks the node only once."""
    seconds = system.settings.node_check_ms / 1000
    runs = [parts.snapshots.run(stop) for parts in system.clusters.values()]
    runs += [parts.node.watch(stop, seconds) for parts in system.clusters.values()]
    tasks = [asyncio.create_task(run) for run in runs]
    tasks.append(asyncio.create_task(watch_balances(system, stop)))
    if tls is not None:
        tasks.append(asyncio.create_task(tls.watch(stop)))
    get_logger().info(
        "doors_opening", public_port=system.settings.public_port, shopify_port=system.settings.shopify_port
    )
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
