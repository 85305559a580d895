"""The gauges that live in the database: read when somebody scrapes, cheap however much is stored.

Each statement reads a partial index of what is open, and stops at a bound: an outage of a day leaves a million open
records, and whoever looks at its graph must not make it worse.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import timedelta

from app import metrics, restores
from app.database import Connection, classify_error, count_trouble
from app.lifecycle import needs_person
from app.privacy.requests import DAYS as PRIVACY_DAYS
from app.records import PaymentStatus, PrivacyKind, RefundStatus
from app.refunds.lifecycle import REFUNDS
from app.reporting import report_bug
from app.system import System
from app.transactions import quotas

# How old the gauges may be at a scrape: anybody may scrape, and each process of a machine is scraped.
GAUGES_SECONDS = 2
# Of each kind no more are counted; above it the figure stays there.
COUNTED_MAX = 100_000
# Of the dead jobs the newest are looked at.
DEAD_LOOKED_AT = 1_000

NOT_FINAL = (PaymentStatus.pending, PaymentStatus.paid, PaymentStatus.rejecting, PaymentStatus.stuck)
REFUNDS_NOT_FINAL = tuple(status for status in RefundStatus if status not in REFUNDS.final)


# What an index is for must stand in the statement word for word: of a parameter the planner can not know it.
def _count_each(table: str, statuses: Iterable[str]) -> str:
    """A row for each of these statuses, with how many records are in it."""
    return " UNION ALL ".join(
        f"SELECT '{status}' AS status, count(*) AS count "  # noqa: S608  # names of ours
        f"FROM (SELECT FROM {table} WHERE status = '{status}' LIMIT {COUNTED_MAX}) AS {status}"
        for status in statuses
    )


_OPEN_PAYMENTS = _count_each("payments", NOT_FINAL)
_OPEN_REFUNDS = _count_each("refunds", REFUNDS_NOT_FINAL)
_OPEN_JOBS = f"""
SELECT count(*) FILTER (WHERE status = 'waiting') AS waiting, count(*) FILTER (WHERE status = 'running') AS running
FROM (SELECT status FROM jobs WHERE status IN ('waiting', 'running') ORDER BY due_at LIMIT {COUNTED_MAX}) AS open
"""  # noqa: S608  # a constant of ours
# A running job is due again when its lease ends: then its worker has died.
_DUE_JOBS = f"""
SELECT count(*) AS count, min(due_at) AS oldest FROM (
    SELECT due_at FROM jobs WHERE status IN ('waiting', 'running') AND due_at <= $1 ORDER BY due_at LIMIT {COUNTED_MAX}
) AS due
"""  # noqa: S608
_DEAD_JOBS = f"SELECT count(*) FROM (SELECT FROM jobs WHERE status = 'dead' LIMIT {COUNTED_MAX}) AS dead"  # noqa: S608
_DEAD_JOBS_OPEN = f"""
WITH dead AS MATERIALIZED (
    SELECT id, kind, record, record_id FROM jobs WHERE status = 'dead' ORDER BY updated_at DESC LIMIT {DEAD_LOOKED_AT}
)
SELECT count(*) FROM dead d
WHERE NOT EXISTS (
        SELECT FROM jobs n WHERE n.record = d.record AND n.record_id = d.record_id AND n.kind = d.kind AND n.id > d.id
    )
    AND (SELECT p.attended_at FROM payments p WHERE d.record = 'payment' AND p.id = d.record_id) IS NULL
    AND (SELECT r.attended_at FROM refunds r WHERE d.record = 'refund' AND r.id = d.record_id) IS NULL
"""  # noqa: S608
# `late` is unusual and in order: the money came after all.
_UNATTENDED = f"""
SELECT
    (SELECT count(*) FROM (
        SELECT FROM payments WHERE {needs_person("payments")}
            AND (status = 'stuck' OR exception <> 'late') LIMIT {COUNTED_MAX}
    ) AS payments) AS payment,
    (SELECT count(*) FROM (
        SELECT FROM refunds WHERE (status NOT IN ('completed', 'rejected') OR exception <> 'none')
            AND {needs_person("refunds")} LIMIT {COUNTED_MAX}
    ) AS refunds) AS refund
"""  # noqa: S608
_OLDEST = "SELECT min(paid_at) FROM payments WHERE status = 'paid'"
_DISCREPANCIES = f"SELECT count(*) FROM (SELECT FROM discrepancies WHERE closed_at IS NULL LIMIT {COUNTED_MAX}) AS open"  # noqa: S608
_TOKENS_LOST = "SELECT count(*) FROM merchants WHERE token_lost_at IS NOT NULL AND uninstalled_at IS NULL"
_PAUSED = "SELECT cluster FROM issuing_pauses WHERE lifted_at IS NULL"
_PRIVACY = """
SELECT kind, count(*) AS count, min(due_at) AS due_at FROM privacy_requests WHERE done_at IS NULL GROUP BY kind
"""


class Gauges:
    """Brings them up to date at a scrape, but not at each. With the database away they stay as they were."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._refreshed_at: float | None = None
        self._began_at = time.monotonic()

    async def refresh(self, system: System) -> None:
        async with self._lock:
            now = time.monotonic()
            if self._refreshed_at is not None and now - self._refreshed_at < GAUGES_SECONDS:
                return
            self._refreshed_at = now
            metrics.fee_payer_low_lamports.set(system.settings.fee_payer_low_lamports)
            metrics.spend_limit_lamports.set(system.settings.spend_lamports_max)
            for name, parts in system.clusters.items():
                age = parts.snapshots.age_seconds
                metrics.blockhash_age_seconds.labels(cluster=name).set(now - self._began_at if age is None else age)
            try:
                await _read(system)
            except Exception as error:
                # What else is known must be seen, most of all when a deploy went wrong.
                if (trouble := classify_error(error)) is not None:
                    count_trouble(trouble, "metrics", error)
                else:
                    report_bug("metrics_failed", error)


async def _read(system: System) -> None:
    await quotas.find_problems(system)
    async with system.database.acquire() as connection:
        await restores.find_problems(connection)
        await _read_records(system, connection)
        await _read_jobs(system, connection)
        await _read_privacy(system, connection)


async def _read_records(system: System, connection: Connection) -> None:
    for row in await connection.fetch(_OPEN_PAYMENTS):
        metrics.payments_by_status.labels(status=row["status"]).set(row["count"])
    for row in await connection.fetch(_OPEN_REFUNDS):
        metrics.refunds_by_status.labels(status=row["status"]).set(row["count"])
    unattended = await connection.fetchrow(_UNATTENDED)
    assert unattended is not None
    for record in ("payment", "refund"):
        metrics.unattended.labels(record=record).set(unattended[record])
    oldest = await connection.fetchval(_OLDEST)
    metrics.oldest_open_seconds.set((system.clock.now() - oldest).total_seconds() if oldest else 0)
    metrics.tokens_lost.set(await connection.fetchval(_TOKENS_LOST))
    metrics.discrepancies_open.set(await connection.fetchval(_DISCREPANCIES))
    paused = {row["cluster"] for row in await connection.fetch(_PAUSED)}
    for cluster in system.clusters:
        metrics.issuing_paused.labels(cluster=cluster).set(cluster in paused)


async def _read_jobs(system: System, connection: Connection) -> None:
    now = system.clock.now()
    unfinished, due = await connection.fetchrow(_OPEN_JOBS), await connection.fetchrow(_DUE_JOBS, now)
    assert unfinished is not None
    assert due is not None
    counts = {status: unfinished[status] for status in ("waiting", "running")}
    counts["dead"] = await connection.fetchval(_DEAD_JOBS)
    for status, count in counts.items():
        metrics.jobs_by_status.labels(status=status).set(count)
    metrics.jobs_due.set(due["count"])
    metrics.oldest_due_seconds.set((now - due["oldest"]).total_seconds() if due["oldest"] else 0)
    metrics.dead_jobs.set(await connection.fetchval(_DEAD_JOBS_OPEN))


async def _read_privacy(system: System, connection: Connection) -> None:
    open_ones = {row["kind"]: row for row in await connection.fetch(_PRIVACY)}
    for kind in PrivacyKind:
        metrics.privacy_open.labels(kind=kind).set(open_ones[kind]["count"] if kind in open_ones else 0)
    left = [row["due_at"] - system.clock.now() for row in open_ones.values()]
    metrics.privacy_due_seconds.set(min([*left, timedelta(days=PRIVACY_DAYS)]).total_seconds())
