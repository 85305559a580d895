"""What came in is processed once more when a person says so, and nothing changes by that but the count."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio

from app import events
from app.arrivals import Arrival
from app.arrivals import receive as store
from app.jobs.worker import Worker
from app.projection import compare_all
from app.records import Cluster, InboxSource
from app.replay import BATCH, Choice, replay_inbox
from app.system import System
from tests.conftest import Scale
from tests.house import SHOP
from tests.scene import Scene, open_scene

EVERYTHING = Choice()


async def replay(system: System, choice: Choice = EVERYTHING, **more: Any) -> tuple[int, int]:
    """Replay what is chosen; returns how many events were queued, and how many had nothing left in them."""
    batches = [batch async for batch in replay_inbox(system, choice, per_second=1_000_000, **more)]
    return sum(batch.queued for batch in batches), sum(batch.empty for batch in batches)


@pytest_asyncio.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_scene(database_url, tmp_path) as opened:
        yield opened
        assert await opened.box.violations() == []


async def receive(system: System, source: InboxSource, *arrivals: Arrival) -> None:
    async with system.database.acquire() as connection:
        await store(connection, source, arrivals, at=system.clock.now())


def webhook(number: int, topic: str = "app/uninstalled", **body: Any) -> Arrival:
    payload = json.dumps({"myshopify_domain": SHOP, "shop_domain": SHOP, **body}).encode()
    return Arrival(f"event-{number}", topic, payload, shop=SHOP, sent_at=datetime(2020, 1, 1, tzinfo=UTC))


async def books(scene: Scene) -> dict[str, Any]:
    """Everything that the records say, but for the jobs of the inbox and the notes that it was replayed."""
    tables = await scene.box.house.rows(
        "SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    leave = {"jobs": "WHERE kind <> 'inbox_event'", "events": f"WHERE kind <> '{events.REPLAYED}'"}
    found = {}
    for name in sorted(row["name"] for row in tables):
        rows = await scene.box.house.rows(f"SELECT t::text AS row FROM {name} t {leave.get(name, '')} ORDER BY 1")
        found[name] = [row["row"] for row in rows]
    return found


async def test_replaying_everything_twice_changes_nothing_but_the_count(scene: Scene) -> None:
    # All that comes in: what the chain's provider names, and Shopify's webhooks, with privacy requests among them.
    paid, unpaid = await scene.pay(), await scene.box.checkout()
    await scene.fetch(unpaid)
    rows = await scene.box.house.rows("SELECT signature FROM issued_transactions")
    named = [Arrival(row["signature"], "raw", b"{}", cluster=Cluster.live) for row in rows]
    await receive(scene.system, InboxSource.helius, *named)
    customer = {"email": "customer@example.com", "phone": None}
    webhooks = [webhook(1), webhook(2, "customers/data_request", customer=customer, data_request={"id": 1})]
    webhooks += [webhook(3, "orders/create")]
    await receive(scene.system, InboxSource.shopify, *webhooks)
    await scene.settle()
    await Worker(scene.system).drain()
    assert (await scene.box.status(paid))["status"] == "completed"
    before = await books(scene)
    for count in (1, 2):
        queued, empty = await replay(scene.system)
        # What Shopify's webhooks carried went with them.
        assert (queued, empty) == (2, 3)
        await Worker(scene.system).drain()
        assert await books(scene) == before
        assert await scene.value("SELECT count(*) FROM events WHERE kind = 'replayed'") == 2 * count
    assert [difference async for difference in compare_all(scene.system)] == []


async def test_what_a_lost_job_missed_is_done_by_a_replay(scene: Scene) -> None:
    checkout = await scene.pay()
    signature = await scene.value("SELECT signature FROM issued_transactions")
    await receive(scene.system, InboxSource.helius, Arrival(signature, "raw", b"{}", cluster=Cluster.live))
    await scene.box.house.rows("DELETE FROM jobs WHERE kind = 'inbox_event'")
    assert await replay(scene.system, Choice(unprocessed_only=True)) == (1, 0)
    await Worker(scene.system).drain()
    assert await scene.value("SELECT seen_by::text FROM issued_transactions") == "webhook"
    assert await replay(scene.system, Choice(unprocessed_only=True)) == (0, 0)
    await scene.settle()
    await Worker(scene.system).drain()
    assert (await scene.box.status(checkout))["status"] == "completed"


async def fill(system: System, events: int) -> None:
    """Events of both senders by turns, an hour apart, none of them processed yet."""
    async with system.database.acquire() as connection:
        await connection.execute(
            """
            INSERT INTO inbox_events (source, event_id, topic, shop, cluster, payload, received_at)
            SELECT CASE WHEN n % 2 = 0 THEN 'helius' ELSE 'shopify' END::inbox_source, 'event-' || n, 'other',
                CASE WHEN n % 2 = 1 THEN 'shop.myshopify.com' END, CASE WHEN n % 2 = 0 THEN 'live' END::cluster, '{}',
                '2026-11-20'::timestamptz + n * interval '1 hour'
            FROM generate_series(1, $1::int) AS n
            """,
            events,
        )


async def test_events_are_chosen_by_id_source_and_time(system: System) -> None:
    await fill(system, 10)
    start = datetime(2026, 11, 20, tzinfo=UTC)
    for choice, ids in (
        (Choice(ids=[3, 5, 99]), [3, 5]),
        (Choice(source=InboxSource.helius), [2, 4, 6, 8, 10]),
        (Choice(since=start + timedelta(hours=4), until=start + timedelta(hours=7)), [4, 5, 6]),
        (Choice(ids=[4, 5], source=InboxSource.shopify), [5]),
        (EVERYTHING, [*range(1, 11)]),
    ):
        assert await replay(system, choice, dry_run=True) == (len(ids), 0)
        async with system.database.acquire() as connection:
            assert await connection.fetchval("SELECT count(*) FROM jobs") == 0, "a dry run only counts"
        assert await replay(system, choice) == (len(ids), 0)
        async with system.database.acquire() as connection:
            rows = await connection.fetch("SELECT record_id FROM jobs ORDER BY record_id::int")
            await connection.execute("DELETE FROM jobs")
        assert [int(row["record_id"]) for row in rows] == ids
    await replay(system)


async def test_a_long_replay_goes_in_batches_and_stands_before_nobody(system: System, scale: Scale) -> None:
    count = scale.pick(ci=2_000, soak=50_000)
    await fill(system, count)
    batches = [batch async for batch in replay_inbox(system, EVERYTHING, per_second=100)]
    assert sum(batch.queued for batch in batches) == count
    assert max(batch.queued for batch in batches) == BATCH
    async with system.database.acquire() as connection:
        due_now = await connection.fetchval("SELECT count(*) FROM jobs WHERE due_at <= $1", system.clock.now())
        waits = await connection.fetchval("SELECT max(due_at) - min(due_at) FROM jobs")
    # The first batch may be done at once, the others as their time comes.
    assert due_now == BATCH
    assert waits >= timedelta(seconds=count / 100 - 6)


async def test_a_dead_event_is_replayed_by_the_job_that_it_has(system: System) -> None:
    await fill(system, 1)
    await replay(system)
    async with system.database.acquire() as connection:
        await connection.execute("UPDATE jobs SET status = 'dead', attempts = 17")
    await replay(system)
    async with system.database.acquire() as connection:
        rows = await connection.fetch("SELECT status::text, attempts FROM jobs")
    assert [tuple(row) for row in rows] == [("waiting", 0)]
