"""The outbox: jobs per second against a bare claim-and-finish loop, and how soon a new job is taken when many wait."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg

from app.database import Connection
from app.jobs import queue
from app.jobs.outcomes import Done, Outcome
from app.jobs.worker import Worker
from app.records import Job, JobKind, RecordKind
from app.system import System
from tests.bench import ground
from tests.bench.figures import Figure, Target, figure_of_ratio
from tests.bench.resolving import percentile
from tests.house import make_settings

ROUNDS = 5
JOBS = {"ci": 1_500, "soak": 10_000}
FEW, MANY = 100, {"ci": 20_000, "soak": 100_000}
PROBES = {"ci": 150, "soak": 600}
KIND = JobKind.inbox_event

_FILL = """
INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
SELECT $1, 'inbox', $2 || n, 'waiting', 0, $3, $4, $4 FROM generate_series(1, $5) n
"""
# The least that a queue of this kind can do: one statement takes, one ends; no lease, no ladder, no handler.
_BARE_CLAIM = """
UPDATE bare_jobs SET status = 'running' WHERE id IN (
    SELECT id FROM bare_jobs WHERE status = 'waiting' ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id
"""
_BARE_FINISH = "UPDATE bare_jobs SET status = 'done' WHERE id = $1"
_BARE_TABLE = """
CREATE TABLE bare_jobs (id bigserial PRIMARY KEY, status text NOT NULL, due_at timestamptz NOT NULL);
CREATE INDEX bare_jobs_due ON bare_jobs (due_at) WHERE status = 'waiting';
"""


class Nothing:
    """A handler that does nothing, and notes when it is called."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}
        self.arrived = asyncio.Event()

    async def attempt(self, _system: System, job: Job) -> Outcome:
        self.begun[job.record_id] = time.perf_counter()
        self.arrived.set()
        return Done()

    async def give_up(self, _system: System, _connection: Connection, _job: Job, _reason: str) -> None:
        raise AssertionError("nothing fails here")


@asynccontextmanager
async def _system(data: Path) -> AsyncIterator[tuple[System, str]]:
    async with ground.database(data) as dsn:
        system = await System.open(make_settings(dsn, data))
        try:
            yield system, dsn
        finally:
            await system.close()


async def _ours(system: System, count: int) -> float:
    """Jobs per second by our worker, which begins with so many that are due."""
    now = system.clock.now()
    async with system.database.acquire() as connection:
        await connection.execute(_FILL, KIND, f"{time.perf_counter()}-", now, now, count)
    worker = Worker(system, {KIND: Nothing()})
    stop = asyncio.Event()
    began = time.perf_counter()
    working = asyncio.create_task(worker.run(stop))
    while True:
        async with system.database.acquire() as connection:
            left = await connection.fetchval("SELECT count(*) FROM jobs WHERE status IN ('waiting', 'running')")
        if not left:
            break
        await asyncio.sleep(0.01)
    seconds = time.perf_counter() - began
    stop.set()
    await working
    return count / seconds


async def _bare(pool: asyncpg.Pool, at_once: int, count: int) -> float:
    """Jobs per second by as many loops side by side as our worker runs jobs."""
    async with pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO bare_jobs (status, due_at) SELECT 'waiting', now() FROM generate_series(1, $1)", count
        )

    async def loop() -> None:
        while True:
            async with pool.acquire() as connection:
                rows = await connection.fetch(_BARE_CLAIM, 1)
            if not rows:
                return
            async with pool.acquire() as connection:
                await connection.execute(_BARE_FINISH, rows[0]["id"])

    began = time.perf_counter()
    await asyncio.gather(*(loop() for _ in range(at_once)))
    return count / (time.perf_counter() - began)


async def _pick_ups(system: System, probes: int) -> list[float]:
    """Seconds from a job's commit to its handler, one job at a time."""
    handler = Nothing()
    worker, stop = Worker(system, {KIND: handler}), asyncio.Event()
    working = asyncio.create_task(worker.run(stop))
    await asyncio.sleep(0.3)
    found = []
    for number in range(probes):
        name = f"probe-{time.perf_counter()}-{number}"
        handler.arrived.clear()
        now = system.clock.now()
        async with system.database.transaction() as connection:
            await queue.enqueue(connection, KIND, RecordKind.inbox, name, at=now)
        committed = time.perf_counter()
        await asyncio.wait_for(handler.arrived.wait(), 10)
        found.append(handler.begun[name] - committed)
    stop.set()
    await working
    return found


async def _waiting(system: System, count: int) -> None:
    """So many jobs that are due tomorrow, and nothing else."""
    now = system.clock.now()
    async with system.database.acquire() as connection:
        await connection.execute("TRUNCATE jobs")
        await connection.execute(_FILL, KIND, "later-", now + timedelta(days=1), now, count)
        await connection.execute("ANALYZE jobs")


async def measure_queue() -> list[Figure]:
    scale = os.environ.get("SETTLE_TEST_SCALE", "ci")
    count, many, probes = JOBS[scale], MANY[scale], PROBES[scale]
    with ground.folder() as data:
        async with _system(data) as (system, dsn):
            at_once = system.settings.job_workers
            async with asyncpg.create_pool(dsn, min_size=at_once, max_size=at_once) as pool:
                await pool.execute(_BARE_TABLE)
                await _ours(system, 200)  # to be warm
                await _bare(pool, at_once, 200)
                ours, bare = [], []
                for _ in range(ROUNDS):
                    ours.append(await _ours(system, count))
                    bare.append(await _bare(pool, at_once, count))
            few: list[float] = []
            crowded: list[float] = []
            for _ in range(ROUNDS):
                await _waiting(system, FEW)
                few.append(percentile(await _pick_ups(system, probes), 0.99))
                await _waiting(system, many)
                crowded.append(percentile(await _pick_ups(system, probes), 0.99))
    return [
        figure_of_ratio(
            "jobs per second, to a bare claim-and-finish loop", ours, bare, Target(0.5, at_least=True),
            note=f"ours {_middle(ours):.0f}/s, bare {_middle(bare):.0f}/s, {at_once} at once",
        ),
        figure_of_ratio(
            f"pick-up p99 with {many} waiting, to {FEW}", crowded, few, Target(2),
            note=f"{_middle(crowded) * 1000:.1f} ms and {_middle(few) * 1000:.1f} ms",
        ),
    ]  # fmt: skip


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
