"""The inbox: stored once however often an event comes, and processed until it is done."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from app import inbox
from app.arrivals import Arrival
from app.arrivals import receive as store
from app.coherence import check_records
from app.inbox import InboxHandler
from app.jobs import kinds, ladder, queue
from app.jobs.outcomes import Done, Outcome, Retry
from app.jobs.worker import Worker
from app.records import Cluster, InboxEvent, InboxSource, JobKind, RecordKind
from app.system import System
from tests.house import make_settings

SHOP = "shop.myshopify.com"


class Processor:
    """Does what the script says, try by try, then succeeds; keeps what it was given."""

    def __init__(self, *script: Outcome | Exception) -> None:
        self._script = list(script)
        self.seen: list[InboxEvent] = []

    async def __call__(self, _system: System, event: InboxEvent) -> Outcome:
        self.seen.append(event)
        step = self._script.pop(0) if self._script else Done()
        if isinstance(step, Exception):
            raise step
        return step

    async def drain(self, system: System) -> None:
        """Run the jobs that are due, with Shopify's events processed by this."""
        handler = InboxHandler({InboxSource.shopify: self})
        await Worker(system, {**kinds.HANDLERS, JobKind.inbox_event: handler}).drain()


@pytest.fixture
def processor() -> Processor:
    return Processor()


def arrival(event_id: str = "event-1", payload: bytes = b'{"id":1}') -> Arrival:
    return Arrival(event_id, "app/uninstalled", payload, shop=SHOP)


async def receive(system: System, *arrivals: Arrival, source: InboxSource = InboxSource.shopify) -> int:
    async with system.database.acquire() as connection:
        return await store(connection, source, arrivals, at=system.clock.now())


async def read(system: System) -> list[InboxEvent]:
    async with system.database.acquire() as connection:
        rows = await connection.fetch("SELECT * FROM inbox_events ORDER BY id")
    return [InboxEvent.from_row(row) for row in rows]


async def rungs(system: System, processor: Processor, tries: int) -> None:
    """Make the waiting jobs due, so often."""
    for _ in range(tries):
        async with system.database.acquire() as connection:
            await connection.execute("UPDATE jobs SET due_at = $1 WHERE status = 'waiting'", system.clock.now())
        await processor.drain(system)


async def test_an_event_is_stored_as_it_came_and_processed(system: System, processor: Processor) -> None:
    raw = b'{ "id": 1,\n "name": "\xc3\xa9" }'
    assert await receive(system, arrival(payload=raw)) == 1
    await processor.drain(system)
    [event] = await read(system)
    assert (event.payload, event.shop, event.topic, event.cluster) == (raw, SHOP, "app/uninstalled", None)
    assert event.processed_at is not None
    assert [seen.event_id for seen in processor.seen] == ["event-1"]


async def test_it_is_stored_with_its_job_in_one_statement(system: System) -> None:
    queries: list[str] = []
    other = await System.open(system.settings, on_query=queries.append)
    try:
        # The first one also tells the connection what types there are.
        await receive(other, arrival())
        queries.clear()
        await receive(other, arrival("a"), arrival("b"))
    finally:
        await other.close()
    assert len(queries) == 1
    async with system.database.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM jobs WHERE kind = 'inbox_event'") == 3


async def test_what_is_delivered_again_is_neither_stored_nor_processed_again(
    system: System, processor: Processor
) -> None:
    assert await receive(system, arrival(), arrival(), arrival("event-2")) == 2
    assert await receive(system, arrival()) == 0
    await processor.drain(system)
    assert await receive(system, arrival(payload=b"other")) == 0
    await processor.drain(system)
    assert sorted(seen.event_id for seen in processor.seen) == ["event-1", "event-2"]
    assert [event.payload for event in await read(system)] == [b'{"id":1}'] * 2


async def test_two_senders_may_use_the_same_id(system: System) -> None:
    assert await receive(system, arrival()) == 1
    event = Arrival("event-1", "transaction", b"{}", cluster=Cluster.test)
    assert await receive(system, event, source=InboxSource.helius) == 1


async def test_of_many_deliveries_at_once_one_is_stored(system: System, processor: Processor) -> None:
    stored = await asyncio.gather(*(receive(system, arrival(), arrival("event-2")) for _ in range(20)))
    assert sum(stored) == 2
    await processor.drain(system)
    assert len(processor.seen) == 2


@pytest.mark.parametrize("trouble", [Retry("busy"), RuntimeError("a bug"), ConnectionError("gone")])
async def test_what_fails_is_tried_again_until_it_succeeds(system: System, trouble: Outcome | Exception) -> None:
    processor = Processor(trouble, trouble)
    await receive(system, arrival())
    await processor.drain(system)
    assert (await read(system))[0].processed_at is None
    await rungs(system, processor, 2)
    assert (await read(system))[0].processed_at is not None
    assert len(processor.seen) == 3


async def test_what_never_succeeds_ends_as_a_dead_job_and_an_alarm(system: System) -> None:
    processor = Processor(*[Retry("busy")] * 100)
    await receive(system, arrival())
    await rungs(system, processor, ladder.TRIES_MAX)
    async with system.database.acquire() as connection:
        assert await connection.fetchval("SELECT status FROM jobs") == "dead"
    assert (await read(system))[0].processed_at is None


async def test_what_a_processor_writes_stands_only_with_the_mark_that_it_is_processed(system: System) -> None:
    async def write(connection: inbox.Connection) -> None:
        await connection.execute("UPDATE inbox_events SET topic = 'written'")
        raise RuntimeError("it can not be written")

    processor = Processor(Done(write))
    await receive(system, arrival())
    await processor.drain(system)
    [event] = await read(system)
    assert (event.topic, event.processed_at) == ("app/uninstalled", None)


async def test_a_processed_event_may_be_processed_again(system: System, processor: Processor) -> None:
    await receive(system, arrival())
    await processor.drain(system)
    [event] = await read(system)
    async with system.database.transaction() as connection:
        await queue.enqueue(connection, JobKind.inbox_event, RecordKind.inbox, str(event.id), at=system.clock.now())
    await processor.drain(system)
    assert [seen.processed_at is None for seen in processor.seen] == [True, False]


async def test_a_removed_payload_is_gone_and_the_event_is_not_taken_again(system: System, processor: Processor) -> None:
    await receive(system, arrival("done"))
    await processor.drain(system)
    await receive(system, arrival("waiting"), Arrival("other", "app/uninstalled", b"{}", shop="other.myshopify.com"))
    async with system.database.acquire() as connection:
        assert await inbox.remove_payloads(connection, SHOP) == 2
    await processor.drain(system)
    assert [event.payload for event in await read(system)] == [None, None, b"{}"]
    assert all(event.processed_at for event in await read(system))
    assert [seen.event_id for seen in processor.seen] == ["done", "other"]
    assert await receive(system, arrival("done")) == 0


async def test_an_event_that_nothing_processes_is_found_by_the_checker(database_url: str, tmp_path: Path) -> None:
    system = await System.open(make_settings(database_url, tmp_path))
    try:
        await receive(system, arrival())
        async with system.database.acquire() as connection:
            await connection.execute("UPDATE jobs SET status = 'done'")
        found: Sequence[str] = [violation.invariant async for violation in check_records(system)]
        assert found == ["I6"]
    finally:
        await system.close()


async def test_old_payloads_of_processed_events_are_forgotten(system: System, processor: Processor) -> None:
    await receive(system, arrival("old"), arrival("young"))
    await processor.drain(system)
    await receive(system, arrival("waiting"))
    long_ago = system.clock.now() - timedelta(days=system.settings.inbox_payload_days, seconds=1)
    async with system.database.acquire() as connection:
        await connection.execute(
            "UPDATE inbox_events SET received_at = $1 WHERE event_id IN ('old', 'waiting')", long_ago
        )
        await inbox.forget_old_payloads(system, connection)
    assert {event.event_id: event.payload is None for event in await read(system)} == {
        "old": True,
        "young": False,
        "waiting": False,
    }
