"""Is it ready, and how is it doing: asked of the database when somebody wants to know."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from typing import Literal

import msgspec

from app import metrics, restores
from app.database import classify_error
from app.privacy.requests import DAYS as PRIVACY_DAYS
from app.records import PaymentStatus, PrivacyKind, RefundStatus
from app.refunds.lifecycle import REFUNDS
from app.system import System
from app.transactions import quotas
from chain.errors import NodeError

_OPEN_PAYMENTS = "SELECT status, count(*) AS count FROM payments WHERE status = ANY($1) GROUP BY status"
_OPEN_REFUNDS = """
SELECT status, count(*) AS count FROM refunds WHERE status NOT IN ('completed', 'rejected') GROUP BY status
"""
_JOBS = "SELECT status, count(*) AS count FROM jobs WHERE status IN ('waiting', 'running', 'dead') GROUP BY status"
_PRIVACY = """
SELECT kind, count(*) AS count, min(due_at) AS due_at FROM privacy_requests WHERE done_at IS NULL GROUP BY kind
"""
_OLDEST = "SELECT min(updated_at) FROM payments WHERE status = 'paid'"

NOT_FINAL = (PaymentStatus.pending, PaymentStatus.paid, PaymentStatus.rejecting, PaymentStatus.stuck)

REFUNDS_NOT_FINAL = tuple(status for status in RefundStatus if status not in REFUNDS.final)

# A node that has given no blockhash for this long is in trouble.
STALE_SECONDS = 30
# How often the fee payers' balances are asked for.
BALANCE_SECONDS = 60
# How old the gauges that live in the database may be at a scrape.
GAUGES_SECONDS = 2


class Readiness(msgspec.Struct, frozen=True):
    """`degraded`: payments are taken, but something needs a look; the problems say what."""

    status: Literal["ok", "degraded", "unavailable"]
    problems: list[str] = []


async def check_readiness(system: System) -> Readiness:
    try:
        async with system.database.acquire() as connection:
            problems = await restores.find_problems(connection)
        problems += await quotas.find_problems(system)
    except Exception as error:
        if classify_error(error) is None:
            raise
        return Readiness("unavailable", ["the database can not be reached"])
    problems += [
        f"no fresh blockhash of the {name} cluster: its RPC node does not answer"
        for name, parts in system.clusters.items()
        if parts.snapshots.age_seconds is None or parts.snapshots.age_seconds >= STALE_SECONDS
    ]
    return Readiness("degraded" if problems else "ok", problems)


class Gauges:
    """The gauges that live in the database: brought up to date at a scrape, but not at each, as anybody may scrape."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._refreshed_at: float | None = None

    async def refresh(self, system: System) -> None:
        async with self._lock:
            now = time.monotonic()
            if self._refreshed_at is None or now - self._refreshed_at >= GAUGES_SECONDS:
                self._refreshed_at = now
                await _refresh_gauges(system)


async def _refresh_gauges(system: System) -> None:
    await _refresh_privacy(system)
    async with system.database.operational("metrics"):
        await quotas.find_problems(system)
    async with system.database.operational("metrics"), system.database.acquire() as connection:
        payments = {row["status"]: row["count"] for row in await connection.fetch(_OPEN_PAYMENTS, list(NOT_FINAL))}
        refunds = {row["status"]: row["count"] for row in await connection.fetch(_OPEN_REFUNDS)}
        jobs = {row["status"]: row["count"] for row in await connection.fetch(_JOBS)}
        oldest = await connection.fetchval(_OLDEST)
        for status in NOT_FINAL:
            metrics.payments_by_status.labels(status=status).set(payments.get(status, 0))
        for open_status in REFUNDS_NOT_FINAL:
            metrics.refunds_by_status.labels(status=open_status).set(refunds.get(open_status, 0))
        for state in ("waiting", "running", "dead"):
            metrics.jobs_by_status.labels(status=state).set(jobs.get(state, 0))
        metrics.oldest_open_seconds.set((system.clock.now() - oldest).total_seconds() if oldest else 0)


async def _refresh_privacy(system: System) -> None:
    async with system.database.operational("metrics"), system.database.acquire() as connection:
        open_ones = {row["kind"]: row for row in await connection.fetch(_PRIVACY)}
        for kind in PrivacyKind:
            metrics.privacy_open.labels(kind=kind).set(open_ones[kind]["count"] if kind in open_ones else 0)
        left = [row["due_at"] - system.clock.now() for row in open_ones.values()]
        metrics.privacy_due_seconds.set(min([*left, timedelta(days=PRIVACY_DAYS)]).total_seconds())


async def watch_balances(system: System, stop: asyncio.Event) -> None:
    """Keep the gauge of what the fee payers have up to date until `stop` is set."""
    while not stop.is_set():
        for name, parts in system.clusters.items():
            # A node in trouble is counted where it is asked; the gauge then keeps what was last known.
            with suppress(NodeError):
                lamports = await parts.node.balance(parts.fee_payer.address)
                metrics.fee_payer_lamports.labels(cluster=name).set(lamports)
                parts.purse.lamports = lamports
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), BALANCE_SECONDS)
