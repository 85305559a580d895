"""A worker that is told to stop: it finishes what it has begun, or gives it back."""

import asyncio
from datetime import timedelta
from pathlib import Path

from app.database import Connection
from app.jobs import queue
from app.jobs.outcomes import Done, Outcome
from app.jobs.worker import Worker
from app.records import Job, JobKind, RecordKind
from app.system import System
from tests.house import House, make_settings, open_house

KIND = JobKind.payment_resolve


class Work:
    """Takes `seconds`; `began` is set when it has begun."""

    def __init__(self, seconds: float) -> None:
        self.began = asyncio.Event()
        self._seconds = seconds

    async def attempt(self, _system: System, _job: Job) -> Outcome:
        self.began.set()
        await asyncio.sleep(self._seconds)
        return Done()

    async def give_up(self, system: System, connection: Connection, job: Job, reason: str) -> None:
        raise AssertionError(f"given up: {reason}")


async def _stop_in_the_midst(house: House, work: Work) -> Job:
    """The job, after a worker was stopped that had begun it."""
    now = house.system.clock.now()
    async with house.system.database.transaction() as connection:
        await queue.enqueue(connection, KIND, RecordKind.payment, "payment-1", at=now)
    stop = asyncio.Event()
    running = asyncio.create_task(Worker(house.system, {KIND: work}).run(stop))
    await asyncio.wait_for(work.began.wait(), 10)
    stop.set()
    await asyncio.wait_for(running, 20)
    [row] = await house.rows("SELECT * FROM jobs WHERE record_id = 'payment-1'")
    return Job.from_row(row)


async def test_it_finishes_what_ends_in_time(database_url: str, tmp_path: Path) -> None:
    async with open_house(make_settings(database_url, tmp_path, drain_seconds=10)) as house:
        assert (await _stop_in_the_midst(house, Work(0.3))).status == "done"


async def test_what_does_not_end_in_time_is_no_ones_and_due_before_its_lease_would_have_ended(
    database_url: str, tmp_path: Path
) -> None:
    async with open_house(make_settings(database_url, tmp_path, drain_seconds=1)) as house:
        job = await _stop_in_the_midst(house, Work(3600))
        assert (job.status, job.attempts, job.lease_holder, job.last_error) == ("waiting", 1, None, "interrupted")
        assert job.due_at < house.system.clock.now() + timedelta(seconds=house.settings.job_lease_seconds / 2)
