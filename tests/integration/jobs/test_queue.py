"""The outbox: written with the change, leased by one worker at a time, never lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from app.database import Database
from app.jobs import queue
from app.records import Job, JobKind, RecordKind

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with await Database.connect(database_url) as opened:
        yield opened


async def _enqueue(database: Database, record_id: str = "payment-1", due_at: datetime | None = None) -> None:
    async with database.transaction() as connection:
        await queue.enqueue(connection, JobKind.payment_resolve, RecordKind.payment, record_id, at=NOW, due_at=due_at)


async def _claim(database: Database, holder: str = "me", at: datetime = NOW, limit: int = 10) -> list[Job]:
    async with database.acquire() as connection:
        return await queue.claim(connection, holder, at=at, lease=LEASE, limit=limit)


async def test_a_job_is_there_only_if_its_change_is(database: Database) -> None:
    try:
        async with database.transaction() as connection:
            await queue.enqueue(connection, JobKind.payment_resolve, RecordKind.payment, "payment-1", at=NOW)
            raise RuntimeError("the change failed")
    except RuntimeError:
        pass
    assert await _claim(database) == []


async def test_while_a_job_is_open_there_is_no_second_one_of_its_kind(database: Database) -> None:
    await _enqueue(database)
    await _enqueue(database)
    [job] = await _claim(database)
    await _enqueue(database)
    assert await _claim(database, at=NOW + LEASE / 2) == []
    async with database.acquire() as connection:
        assert await queue.finish(connection, job, at=NOW)
    await _enqueue(database)
    assert len(await _claim(database)) == 1


async def test_a_job_is_not_taken_before_it_is_due(database: Database) -> None:
    await _enqueue(database, due_at=NOW + timedelta(seconds=5))
    assert await _claim(database) == []
    assert len(await _claim(database, at=NOW + timedelta(seconds=5))) == 1


async def test_many_workers_at_once_never_share_a_job(database: Database) -> None:
    for number in range(100):
        await _enqueue(database, f"payment-{number}")
    taken = await asyncio.gather(*(_claim(database, f"worker-{number}") for number in range(20)))
    ids = [job.id for jobs in taken for job in jobs]
    assert len(ids) == len(set(ids)) == 100


async def test_a_job_whose_worker_died_is_taken_again_when_its_lease_ends(database: Database) -> None:
    await _enqueue(database)
    [first] = await _claim(database, "dead worker")
    assert await _claim(database, at=NOW + LEASE - timedelta(seconds=1)) == []
    [second] = await _claim(database, "other", at=NOW + LEASE)
    assert (second.id, second.attempts) == (first.id, 2)


async def test_only_the_holder_of_the_lease_closes_a_job(database: Database) -> None:
    await _enqueue(database)
    [late] = await _claim(database, "slow worker")
    [current] = await _claim(database, "other", at=NOW + LEASE)
    async with database.acquire() as connection:
        assert not await queue.finish(connection, late, at=NOW)
        assert not await queue.postpone(connection, late, until=NOW, error="late", at=NOW)
        assert not await queue.bury(connection, late, error="late", at=NOW)
        assert await queue.finish(connection, current, at=NOW)
        assert not await queue.finish(connection, current, at=NOW)


async def test_a_postponed_job_comes_back_with_its_tries_counted(database: Database) -> None:
    await _enqueue(database)
    [job] = await _claim(database)
    async with database.acquire() as connection:
        await queue.postpone(connection, job, until=NOW + timedelta(hours=1), error="http_503", at=NOW)
    assert await _claim(database, at=NOW + timedelta(minutes=59)) == []
    [again] = await _claim(database, at=NOW + timedelta(hours=1))
    assert (again.attempts, again.last_error) == (2, "http_503")


async def test_a_dead_job_stays_listed_and_is_never_taken(database: Database) -> None:
    await _enqueue(database)
    [job] = await _claim(database)
    async with database.acquire() as connection:
        await queue.bury(connection, job, error="retries_spent", at=NOW)
        [row] = await connection.fetch("SELECT status, last_error FROM jobs")
    assert tuple(row) == ("dead", "retries_spent")  # type: ignore[arg-type]
    assert await _claim(database, at=NOW + timedelta(days=10)) == []


async def test_a_committed_job_rings_at_once(database: Database) -> None:
    rung = asyncio.Event()
    async with database.listen(queue.CHANNEL, lambda _payload: rung.set()):
        await _enqueue(database)
        await asyncio.wait_for(rung.wait(), 5)


async def test_a_job_that_was_given_back_has_lost_no_try(database: Database) -> None:
    await _enqueue(database)
    [job] = await _claim(database)
    later = NOW + timedelta(seconds=30)
    async with database.acquire() as connection:
        assert await queue.give_back(connection, job, until=later, error="shop_throttled", at=NOW)
        # Its lease is gone with it.
        assert not await queue.give_back(connection, job, until=later, error="shop_throttled", at=NOW)
    assert await _claim(database, at=NOW) == []
    [again] = await _claim(database, at=later)
    assert again.attempts == job.attempts == 1
