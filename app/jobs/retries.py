"""Dead jobs: which there are, and beginning them anew when a person says so.

Beginning anew is always safe: the last look of every job decides whether what it does is still due. Where the record is
`stuck`, it moves back by its own lifecycle first, or not at all.
"""

from collections.abc import Sequence

from app import events
from app.database import Connection
from app.errors import SettleError
from app.jobs import queue
from app.logs import get_logger
from app.payments.resend import resend_stuck
from app.records import Job, JobKind, JobStatus, RecordKind, Row
from app.refunds.resend import resend_stuck_refunds
from app.system import System

# Kinds whose death makes a payment or refund stuck, or would have.
_DECIDING = frozenset({JobKind.payment_resolve, JobKind.payment_reject, JobKind.refund_resolve, JobKind.refund_reject})
BY_OPERATOR = "retry"
# Dead jobs read at a time by whoever begins all of them anew.
PAGE = 200

_UNFINISHED = """
SELECT kind::text, status::text, count(*) AS count, min(due_at) AS first_due_at, min(updated_at) AS oldest_at
FROM jobs WHERE status IN ('waiting', 'running', 'dead') GROUP BY kind, status ORDER BY kind, status
"""
_DEAD = """
SELECT * FROM jobs WHERE status = 'dead' AND id > $1 AND ($2::job_kind IS NULL OR kind = $2) ORDER BY id LIMIT $3
"""
_IS_STUCK = """
SELECT EXISTS (SELECT FROM payments WHERE $1 = 'payment' AND id = $2 AND status = 'stuck')
    OR EXISTS (SELECT FROM refunds WHERE $1 = 'refund' AND id = $2 AND status = 'stuck')
"""


class JobNotFound(SettleError):
    """There is no job {job}: `settle jobs --dead` lists those that were given up."""

    reason = "job_not_found"
    status = 404


class JobNotDead(SettleError):
    """The job {job} is {job_status}: only a dead one is begun anew."""

    reason = "job_not_dead"
    status = 409


class RetryRefused(SettleError):
    """The {record} {record_id} is stuck for a reason that no retry mends: see the playbook of its reason."""

    reason = "retry_refused"
    status = 409


async def count_unfinished(system: System) -> list[Row]:
    """How many jobs wait, run or are dead, by kind."""
    async with system.database.acquire() as connection:
        return await connection.fetch(_UNFINISHED)


async def list_dead(system: System, kind: JobKind | None = None, *, after: int = 0, limit: int = PAGE) -> list[Job]:
    """Dead jobs in the order of their ids, those behind `after`."""
    async with system.database.acquire() as connection:
        return [Job.from_row(row) for row in await connection.fetch(_DEAD, after, kind, limit)]


async def retry(system: System, job_id: int, *, by: str = BY_OPERATOR) -> Job:
    """Begin a dead job anew, at the foot of its ladder. Raises JobNotFound, JobNotDead, RetryRefused."""
    async with system.database.acquire() as connection:
        job = await _read_dead(connection, job_id)
    if await _unstick(system, job, by):
        return job
    now = system.clock.now()
    async with system.database.transaction() as connection:
        job = await _read_dead(connection, job_id)
        if job.kind in _DECIDING and await connection.fetchval(_IS_STUCK, str(job.record), job.record_id):
            raise RetryRefused(record=job.record, record_id=job.record_id)
        await events.write_event(
            connection, job.record, job.record_id, events.RETRIED, at=now, job=job.id, job_kind=job.kind, by=by
        )
        await queue.begin_anew(connection, job.kind, job.record, [job.record_id], at=now)
    get_logger().warning("job_begun_anew", record=job.record, record_id=job.record_id, job_id=job.id, by=by)
    return job


async def retry_all(system: System, kind: JobKind | None = None) -> tuple[list[int], list[int]]:
    """Begin every dead job anew, of one kind or of all. Returns the ids of those begun, and of those refused."""
    begun: list[int] = []
    refused: list[int] = []
    after = 0
    while jobs := await list_dead(system, kind, after=after):
        for job in jobs:
            try:
                await retry(system, job.id)
            except JobNotDead:
                # With another one of the same record, or by somebody else.
                continue
            except RetryRefused:
                refused.append(job.id)
            else:
                begun.append(job.id)
        after = jobs[-1].id
    return begun, refused


async def _read_dead(connection: Connection, job_id: int) -> Job:
    row = await connection.fetchrow("SELECT * FROM jobs WHERE id = $1 FOR UPDATE", job_id)
    if row is None:
        raise JobNotFound(job=job_id)
    job = Job.from_row(row)
    if job.status is not JobStatus.dead:
        raise JobNotDead(job=job_id, job_status=job.status)
    return job


async def _unstick(system: System, job: Job, by: str) -> Sequence[str]:
    """The way back of a stuck payment or refund, which puts its job on the ladder with it."""
    if job.kind not in _DECIDING:
        return ()
    if job.record is RecordKind.payment:
        return await resend_stuck(system, job.record_id, by=by)
    return await resend_stuck_refunds(system, job.record_id, by=by)
