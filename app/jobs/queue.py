"""The outbox: jobs are written in the transaction of the change that needs them, and leased by workers.

The table is the truth. A notification only wakes a worker earlier than its next look would.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.database import Connection
from app.records import Job, JobKind, RecordKind

CHANNEL = "jobs"

_ENQUEUE = """
INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
VALUES ($1, $2, $3, 'waiting', 0, $4, $5, $5)
ON CONFLICT (kind, record, record_id) WHERE status IN ('waiting', 'running') DO NOTHING
"""

# Of those that an open job exists for, nothing is begun anew: it goes on by itself.
_REVIVE = """
UPDATE jobs d SET status = 'waiting', attempts = 0, due_at = $4, updated_at = $5
WHERE id IN (
    SELECT max(id) FROM jobs WHERE kind = $1 AND record = $2 AND record_id = ANY($3) AND status = 'dead'
    GROUP BY record_id
) AND status = 'dead' AND NOT EXISTS (
    SELECT FROM jobs o WHERE (o.kind, o.record, o.record_id) = (d.kind, d.record, d.record_id)
        AND o.status IN ('waiting', 'running')
)
"""

_ENQUEUE_MANY = """
INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
SELECT $1, $2, record_id, 'waiting', 0, $4, $5, $5 FROM unnest($3::text[]) AS asked (record_id)
ON CONFLICT (kind, record, record_id) WHERE status IN ('waiting', 'running') DO NOTHING
"""

# A running job is due again when its lease ends, so one condition finds new work and work whose worker died.
_CLAIM = """
UPDATE jobs SET status = 'running', attempts = attempts + 1, lease_holder = $1, lease_until = $2, due_at = $2,
    updated_at = $3
WHERE id IN (
    SELECT id FROM jobs WHERE status IN ('waiting', 'running') AND due_at <= $3
    ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
) RETURNING *
"""

_CLAIM_ONE = """
UPDATE jobs SET status = 'running', attempts = attempts + 1, lease_holder = $1, lease_until = $2, due_at = $2,
    updated_at = $3
WHERE id = $4 AND status IN ('waiting', 'running') AND due_at <= $3 RETURNING *
"""

_CLOSE = """
UPDATE jobs SET status = $3, due_at = $4, last_error = $5, lease_holder = NULL, lease_until = NULL, updated_at = $6,
    attempts = attempts - $7
WHERE id = $1 AND lease_holder = $2 AND status = 'running' RETURNING id
"""


async def enqueue(
    connection: Connection,
    kind: JobKind,
    record: RecordKind,
    record_id: str,
    *,
    at: datetime,
    due_at: datetime | None = None,
) -> None:
    """Add a job, once: while one of this kind is open for the record, nothing happens."""
    await connection.execute(_ENQUEUE, kind, record, record_id, due_at or at, at)
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


async def begin_anew(
    connection: Connection,
    kind: JobKind,
    record: RecordKind,
    record_ids: Sequence[str],
    *,
    at: datetime,
    due_at: datetime | None = None,
) -> None:
    """Put jobs at the foot of the ladder, whatever became of them before.

    Where there is a dead one, it is dead no more; else there is a new one. What waits or runs stays as it is.
    """
    due_at = due_at or at
    await connection.execute(_REVIVE, kind, record, record_ids, due_at, at)
    await connection.execute(_ENQUEUE_MANY, kind, record, record_ids, due_at, at)
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


async def claim(connection: Connection, holder: str, *, at: datetime, lease: timedelta, limit: int) -> list[Job]:
    """Lease the jobs that are due, oldest first."""
    return [Job.from_row(row) for row in await connection.fetch(_CLAIM, holder, at + lease, at, limit)]


async def claim_one(connection: Connection, holder: str, job_id: int, *, at: datetime, lease: timedelta) -> Job | None:
    """Lease this job, if it is due; None when there is nothing to do about it now."""
    row = await connection.fetchrow(_CLAIM_ONE, holder, at + lease, at, job_id)
    return None if row is None else Job.from_row(row)


async def finish(connection: Connection, job: Job, *, at: datetime) -> bool:
    """Close a job that is done. False: the lease was lost, and its new holder will close it."""
    return await _close(connection, job, "done", at, None, at)


async def postpone(connection: Connection, job: Job, *, until: datetime, error: str, at: datetime) -> bool:
    """Put a job back until its next try. False: the lease was lost."""
    return await _close(connection, job, "waiting", until, error, at)


async def give_back(connection: Connection, job: Job, *, until: datetime, error: str, at: datetime) -> bool:
    """Put a job back that was not tried after all: its claim does not count. False: the lease was lost."""
    return await _close(connection, job, "waiting", until, error, at, uncounted=1)


async def bury(connection: Connection, job: Job, *, error: str, at: datetime) -> bool:
    """Close a job that will not succeed; it stays listed as dead. False: the lease was lost."""
    return await _close(connection, job, "dead", at, error, at)


async def _close(
    connection: Connection,
    job: Job,
    status: str,
    due_at: datetime,
    error: str | None,
    at: datetime,
    *,
    uncounted: int = 0,
) -> bool:
    closed = await connection.fetchval(_CLOSE, job.id, job.lease_holder, status, due_at, error, at, uncounted)
    return closed is not None
