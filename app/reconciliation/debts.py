"""What is owed to a record by its status: a job, or somebody who watches. Where it is missing, it is given back.

That is always safe: the last look of every job, and of the watcher, decides whether what it does is still due.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from app import events, metrics
from app.database import Connection
from app.jobs import queue
from app.logs import get_logger
from app.records import DeclinedKind, JobKind, RecordKind
from app.system import System


class Debt(StrEnum):
    """What is missing."""

    # A record must be moved on, and no job does it.
    job_lost = "job_lost"
    # A transaction may still land or vanish, and nobody looks for it for longer than a watcher ever waits.
    watch_lost = "watch_lost"


@dataclass(frozen=True)
class Repair:
    """What was given back, to whom."""

    debt: Debt
    record: RecordKind
    record_id: str


@dataclass(frozen=True)
class Duty:
    """`owed`: the query for the ids of the records that must have a job of the kind."""

    kind: JobKind
    record: RecordKind
    owed: str


_CAN_LAND = "EXISTS (SELECT FROM issued_transactions i WHERE i.{record}_id = r.id AND NOT i.final)"
_UNACKNOWLEDGED = """NOT EXISTS (SELECT FROM shopify_mutations m WHERE m.record = 'declined'
    AND m.record_id = declined_sessions.id::text AND m.acknowledged_at IS NOT NULL)"""
DUTIES = (
    Duty(JobKind.payment_resolve, RecordKind.payment, "SELECT id FROM payments WHERE status = 'paid'"),
    Duty(
        JobKind.payment_reject,
        RecordKind.payment,
        f"SELECT id FROM payments r WHERE status = 'rejecting' AND NOT {_CAN_LAND.format(record='payment')}",  # noqa: S608
    ),
    Duty(JobKind.refund_resolve, RecordKind.refund, "SELECT id FROM refunds WHERE status = 'paid'"),
    Duty(
        JobKind.refund_reject,
        RecordKind.refund,
        f"""SELECT id FROM refunds r WHERE status = 'rejecting'
            OR status = 'denying' AND NOT {_CAN_LAND.format(record="refund")}""",  # noqa: S608
    ),
    *(
        Duty(
            kind,
            RecordKind.declined,
            f"SELECT id::text FROM declined_sessions WHERE kind = '{declined}' AND {_UNACKNOWLEDGED}",  # noqa: S608
        )
        for kind, declined in (
            (JobKind.capture_reject, DeclinedKind.capture),
            (JobKind.void_reject, DeclinedKind.void),
        )
    ),
    Duty(JobKind.inbox_event, RecordKind.inbox, "SELECT id::text FROM inbox_events WHERE processed_at IS NULL"),
)
# A dead job is not lost: it is listed, and a person begins it anew.
_MISSING = """
SELECT owed.id FROM ({owed}) AS owed (id) WHERE NOT EXISTS (
    SELECT FROM jobs j WHERE j.kind = $2 AND j.record = $1 AND j.record_id = owed.id
        AND j.status IN ('waiting', 'running')
) AND NOT EXISTS (
    SELECT FROM jobs j WHERE j.record = $1 AND j.record_id = owed.id AND j.kind = $2 AND j.status = 'dead'
) AND ($3::text IS NULL OR owed.id = $3) LIMIT $4
"""
# Whoever comes second finds the job that the first one gave.
_TURN = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
_TURNS = 7_435
# Rows of others that are being changed are left for the next round.
_UNWATCHED = """
UPDATE issued_transactions SET poll_at = $1 WHERE id IN (
    SELECT id FROM issued_transactions WHERE poll_at > $2 ORDER BY poll_at LIMIT $3 FOR UPDATE SKIP LOCKED
) RETURNING payment_id, refund_id, signature
"""
# A watcher looks at least every so often at what is open (app/watching/watcher.py).
LONGEST_WAIT = timedelta(hours=2)


def missing_of(duty: Duty) -> str:
    """The query for whom a duty is not done to: record, kind, one id or None, and how many at most."""
    return _MISSING.format(owed=duty.owed)


async def repay(system: System, limit: int) -> list[Repair]:
    """Give back what is missing, of each sort so many at most."""
    repairs = [repair for duty in DUTIES for repair in await _repay_jobs(system, duty, limit)]
    return repairs + await _watch_again(system, limit)


async def _repay_jobs(system: System, duty: Duty, limit: int) -> list[Repair]:
    query = missing_of(duty)
    async with system.database.acquire() as connection:
        rows = await connection.fetch(query, duty.record, duty.kind, None, limit)
    repairs = []
    for row in rows:
        async with system.database.transaction() as connection:
            await connection.execute(_TURN, _TURNS, row["id"])
            if not await connection.fetch(query, duty.record, duty.kind, row["id"], 1):
                continue
            await queue.enqueue(connection, duty.kind, duty.record, row["id"], at=system.clock.now())
            repairs.append(await _note(system, connection, Debt.job_lost, duty.record, row["id"], job=duty.kind))
    return repairs


async def _watch_again(system: System, limit: int) -> list[Repair]:
    now = system.clock.now()
    async with system.database.transaction() as connection:
        return [
            await _note(
                system,
                connection,
                Debt.watch_lost,
                RecordKind.refund if row["refund_id"] else RecordKind.payment,
                row["refund_id"] or row["payment_id"],
                signature=row["signature"],
            )
            for row in await connection.fetch(_UNWATCHED, now, now + LONGEST_WAIT, limit)
        ]


async def _note(
    system: System, connection: Connection, debt: Debt, record: RecordKind, record_id: str, **detail: str
) -> Repair:
    now = system.clock.now()
    await events.write_event(connection, record, record_id, events.RECONCILED, at=now, found=debt, **detail)
    metrics.reconciled_total.labels(found=debt).inc()
    get_logger().error("reconciled", found=debt, **{f"{record}_id": record_id}, **detail)
    return Repair(debt, record, record_id)
