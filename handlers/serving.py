"""Serving the doors: two servers in one process, which start together and stop together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from app.health import watch_balances
from app.logs import get_logger
from app.page_feed import PaymentFeed
from app.restores import notice_restore
from app.system import System
from handlers.connections import Door
from handlers.door_tls import DoorTls
from handlers.exposition import Exposition
from handlers.listeners import Listeners
from handlers.public_door import make_public_door
from handlers.service_manager import READY, notify
from handlers.shopify_door import make_shopify_door


async def serve(
    system: System,
    stop: asyncio.Event,
    listeners: Listeners | None = None,
    exposition: Exposition | None = None,
    on_open: Callable[[], object] = lambda: notify(READY),
) -> None:
    """Serve both doors until `stop` is set, then finish what is being answered. Raises DoorTaken.

    Without `listeners` those are used that systemd hands over, else the settings' ports. `on_open` is called once when
    both doors are open.
    """
    settings = system.settings
    listeners = listeners or Listeners.obtain(settings)
    try:
        # Behind a proxy, that one ends TLS.
        tls = None if settings.shopify_proxies else DoorTls(settings)
        await notice_restore(system)
        feed = PaymentFeed()
        # Nobody else accepts what we leave behind in sockets of our own.
        linger_seconds = settings.linger_ms / 1000 if listeners.kept else 0
        doors = [
            Door(app, sockets, context, settings, linger_seconds)
            for app, sockets, context in (
                (make_public_door(system, feed, stop, exposition), listeners.public, None),
                (make_shopify_door(system), listeners.shopify, tls.context if tls else None),
            )
        ]
        async with feed.listen(system.database), _refreshing(system, stop, tls):
            await _run(doors, stop, on_open)
    finally:
        listeners.close()


async def _run(doors: Sequence[Door], stop: asyncio.Event, on_open: Callable[[], object]) -> None:
    servers = [asyncio.create_task(door.open()) for door in doors]
    stopping = asyncio.create_task(stop.wait())
    opening = asyncio.create_task(_tell_when_open(doors, on_open))
    await asyncio.wait([*servers, stopping], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    for door in doors:
        door.should_exit = True
    results = await asyncio.gather(*servers, return_exceptions=True)
    for task in (stopping, opening):
        task.cancel()
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _tell_when_open(doors: Sequence[Door], on_open: Callable[[], object]) -> None:
    for door in doors:
        await door.is_open.wait()
    on_open()


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
