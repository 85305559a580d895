"""What EventBridge's schedules call: the work that `settle worker` does in the background, one round at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from app.jobs.doorbell import Doorbell
from app.jobs.worker import Worker
from app.logs import get_logger
from app.pauses import pause
from app.payments.expiry import Expiry
from app.reconciliation import reconciler
from app.records import Cluster
from app.restores import is_paused, notice_restore
from app.system import System
from app.transactions.issued import is_any_open
from app.transactions.reclaim import Reclaimer
from app.upkeep import Upkeep
from app.watching.sweep import Sweeper
from app.watching.watcher import Watcher
from chain.errors import FeePayerUnavailable, NodeError
from handlers.aws.container import CONTAINER, Event

# Kept of an invocation's time for finishing what was begun.
CLOSING_SECONDS = 10
# The next call comes a minute after this one began.
MINUTE_SECONDS = 55
# A payment that was touched within this time may be issued a transaction for at any moment.
FRESH = timedelta(minutes=15)


async def do_due_jobs(system: System, bell: Doorbell, seconds: float) -> int:
    """Ring for what is due within a quarter of an hour, and do what is due and nobody came for; the tries made."""
    await bell.ring()
    return await Worker(system).drain(seconds)


async def watch_chain(system: System, bell: Doorbell, seconds: float) -> None:
    """Watch issued signatures for most of a minute, while anything is open, and ring for what comes of it.

    While issuing is paused after a restore, the fee payers' history is read each time, since the pause ends with it.
    """
    await notice_restore(system)
    for name, parts in system.clusters.items():
        if await _is_paused(system, name):
            await _ask_chain(system, "sweep", Sweeper(system, parts).sweep)
    ends, stop = time.monotonic() + seconds, asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for parts in system.clusters.values():
            group.create_task(Watcher(system, parts).run(stop))
        try:
            while time.monotonic() < ends and await _is_any_open(system):
                await pause(system.settings.poll_interval_ms / 1000, stop)
                await bell.ring()
        finally:
            stop.set()


async def _is_any_open(system: System) -> bool:
    async with system.database.acquire() as connection:
        return await is_any_open(connection, since=system.clock.now() - FRESH)


async def _is_paused(system: System, cluster: Cluster) -> bool:
    async with system.database.acquire() as connection:
        return await is_paused(connection, cluster)


async def reconcile(system: System, _bell: Doorbell, _seconds: float) -> None:
    """End what waited long enough, read what the fee payers did, compare our books with the chain and with Shopify."""
    for parts in system.clusters.values():
        async with system.database.operational("expire"):
            await Expiry(system, parts).expire_overdue()
    await sweep(system, _bell, _seconds)
    async with system.database.operational("reconcile"):
        await reconciler.reconcile(system)


async def sweep(system: System, _bell: Doorbell, _seconds: float) -> None:
    for parts in system.clusters.values():
        await _ask_chain(system, "sweep", Sweeper(system, parts).sweep)


async def reclaim(system: System, _bell: Doorbell, _seconds: float) -> None:
    for parts in system.clusters.values():
        reclaimer = Reclaimer(system, parts)
        await _ask_chain(system, "reclaim", reclaimer.follow)
        await _ask_chain(system, "reclaim", reclaimer.reclaim)


async def upkeep(system: System, _bell: Doorbell, _seconds: float) -> None:
    """Tokens of quiet shops, sessions that ended, deadlines of privacy requests."""
    async with system.database.operational("upkeep"):
        await Upkeep(system).look()


async def _ask_chain(system: System, action: str, ask: Callable[[], Awaitable[object]]) -> None:
    """The next call of the schedule tries again, so trouble is told and not raised."""
    async with system.database.operational(action):
        try:
            await ask()
        except (NodeError, FeePayerUnavailable) as error:
            get_logger().warning(f"{action}_postponed", problem=error.message)


Round = Callable[[System, Doorbell, float], Awaitable[Any]]


def _scheduled(work: Round) -> Callable[[Event, Any], None]:
    def handle(_event: Event, context: Any) -> None:
        left = context.get_remaining_time_in_millis() / 1000 - CLOSING_SECONDS
        CONTAINER.run(lambda system, bell: work(system, bell, min(left, MINUTE_SECONDS)))

    return handle


on_due_jobs = _scheduled(do_due_jobs)
on_watch = _scheduled(watch_chain)
on_reconcile = _scheduled(reconcile)
on_sweep = _scheduled(sweep)
on_reclaim = _scheduled(reclaim)
on_upkeep = _scheduled(upkeep)
