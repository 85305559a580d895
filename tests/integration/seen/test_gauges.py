"""What is read from the database at a scrape: right, and cheap however much is stored."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from app import gauges
from app.system import System
from tests.conftest import Scale
from tests.house import make_settings
from tests.multitude import fill_shop, settle_down

pytestmark = pytest.mark.asyncio(loop_scope="module")

# As many done jobs as there are payments, and some of every other kind.
_JOBS = """
INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, lease_until, lease_holder, created_at, updated_at)
SELECT 'payment_resolve', 'payment', id, status::job_status, 1, $1::timestamptz + (n - 3) * interval '1 hour',
    CASE WHEN status = 'running' THEN $1::timestamptz END, CASE WHEN status = 'running' THEN 'holder' END, $1, $1
FROM (
    SELECT id, n, CASE WHEN n <= 3 THEN 'waiting' WHEN n = 4 THEN 'running' WHEN n <= 7 THEN 'dead' ELSE 'done' END
        AS status
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM payments) AS numbered
) AS planned
"""
_REFUNDS = """
INSERT INTO refunds (id, shopify_id, gid, payment_id, merchant_id, api_version, amount, status, exception, payee_wallet,
    destination, mint, memo, reference, stuck_reason, merchant_message, created_at, updated_at)
SELECT id, shopify_id, gid, id, merchant_id, api_version, amount, CASE WHEN n <= 3 THEN 'stuck' ELSE 'rejected' END
    ::refund_status, 'none', paid_wallet, paid_wallet, mint, memo, reference, CASE WHEN n <= 3 THEN 'retries_spent' END,
    'No.', $1, $1
FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM payments WHERE status = 'completed') AS completed
"""
_AGAIN = """
INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
SELECT kind, record, record_id, 'done', 1, due_at, created_at, updated_at
FROM jobs WHERE status = 'dead' ORDER BY id LIMIT 1
"""
_ATTENDED = """
UPDATE payments SET attended_at = $1
WHERE id = (SELECT record_id FROM jobs WHERE status = 'dead' ORDER BY id DESC LIMIT 1)
"""
STATEMENTS = {
    name: statement
    for name, statement in vars(gauges).items()
    if isinstance(statement, str) and name.startswith("_") and "SELECT" in statement
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, scale: Scale
) -> AsyncIterator[System]:
    """A database with very many payments."""
    system = await System.open(make_settings(module_database_url, Path(tmp_path_factory.mktemp("house"))))
    now = system.clock.now()
    # A connection of its own: the system's give a statement up that takes so long.
    connection = await asyncpg.connect(module_database_url)
    try:
        await connection.execute("SET statement_timeout = 0")
        await fill_shop(connection, "many.myshopify.com", scale.pick(ci=20_000, soak=1_000_000), until=now)
        await connection.execute(_JOBS, now)
        await connection.execute(_AGAIN)
        await connection.execute(_REFUNDS, now)
        await connection.execute(_ATTENDED, now)
        await settle_down(connection)
    finally:
        await connection.close()
    yield system
    await system.close()


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None, name
    return found


async def count(system: System, condition: str) -> int:
    async with system.database.acquire() as connection:
        found: int = await connection.fetchval(f"SELECT count(*) FROM payments WHERE {condition}")
    return found


async def test_the_gauges_say_what_is_stored(system: System) -> None:
    await gauges.Gauges().refresh(system)
    for status in gauges.NOT_FINAL:
        stored = min(await count(system, f"status = '{status}'"), gauges.COUNTED_MAX)
        assert value("settle_payments_open", status=status) == stored
    troubled = "(status = 'stuck' OR exception IN ('vanished', 'duplicate')) AND attended_at IS NULL"
    assert value("settle_unattended", record="payment") == await count(system, troubled) > 0
    assert value("settle_unattended", record="refund") == value("settle_refunds_open", status="stuck") == 3
    assert {status: value("settle_jobs_unfinished", status=status) for status in ("waiting", "running", "dead")} == {
        "waiting": 3,
        "running": 1,
        "dead": 3,
    }
    # Two hours ago, one hour ago, now.
    assert value("settle_jobs_due") == 3
    assert 7_200 <= value("settle_oldest_due_job_seconds") < 10_800
    # One was done again since, the payment of another is dealt with.
    assert value("settle_dead_jobs") == 1
    async with system.database.acquire() as connection:
        oldest = await connection.fetchval("SELECT min(paid_at) FROM payments WHERE status = 'paid'")
    age = (system.clock.now() - oldest).total_seconds()
    assert value("settle_oldest_unacknowledged_seconds") == pytest.approx(age, abs=60)
    assert value("settle_privacy_due_seconds") == timedelta(days=30).total_seconds()


@pytest.mark.parametrize("name", sorted(STATEMENTS))
async def test_no_gauge_reads_a_whole_table(system: System, name: str) -> None:
    statement = STATEMENTS[name]
    arguments = [system.clock.now()] if "$1" in statement else []
    async with system.database.acquire() as connection:
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
    for table in ("payments", "refunds", "jobs"):
        assert f"Seq Scan on {table}" not in plan, plan


async def test_a_scrape_costs_little(system: System, scale: Scale) -> None:
    """With a million payments stored, four percent of them open: tens of milliseconds."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        await gauges.Gauges().refresh(system)
        seconds.append(time.perf_counter() - began)
    print(f"a scrape of the database took {min(seconds) * 1000:.1f} ms")
    assert min(seconds) < scale.pick(ci=1, soak=1)
