"""The same of the chain, prices, money, certificates, events, jobs, the database and privacy."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from prometheus_client import REGISTRY

from app.metrics import privacy_due_seconds
from tests.box import Box, open_box
from tests.integration.seen.test_alarming_values import pay, scraped
from tests.waiting import wait_until

DAY = 86_400


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path) as opened:
        yield opened


async def execute(box: Box, statement: str, *values: Any) -> None:
    async with box.house.system.database.acquire() as connection:
        await connection.execute(statement, *values)


async def until_above(box: Box, floor: float, name: str, **labels: str) -> None:
    async def is_above() -> bool:
        return await scraped(box, name, **labels) > floor

    await wait_until(is_above, 30, f"{name} is above {floor}")


def samples(name: str, **labels: str) -> list[float]:
    """Every value of a metric with at least these labels."""
    return [
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


async def test_with_the_node_away_it_is_unwell_and_the_blockhash_grows_old(box: Box) -> None:
    await box.fault("rpc", "drop")
    await wait_until(lambda: 0 in samples("settle_node_well", cluster="live"), 20, "the node is unwell")
    await until_above(box, 2, "settle_blockhash_age_seconds", cluster="live")


async def test_nodes_that_show_different_transactions_disagree(database_url: str, tmp_path: Path) -> None:
    urls = "WORLD/sandbox/rpc,WORLD/sandbox/rpc-b"
    async with open_box(database_url, tmp_path, rpc_urls=urls) as box:
        before = await scraped(box, "settle_landings_read_total", accord="disagreed")
        await box.fault("rpc-b", "forged")
        assert (await pay(box)).status_code == 200
        await until_above(box, before, "settle_landings_read_total", accord="disagreed")


async def test_a_fee_payer_below_the_limit_and_a_budget_nearly_spent_show(database_url: str, tmp_path: Path) -> None:
    limits = {"fee_payer_low_lamports": 10**12, "spend_lamports_max": 12_000}
    async with open_box(database_url, tmp_path, **limits) as box:
        assert (await pay(box)).status_code == 200
        await until_above(box, 0.8 * 12_000, "settle_fee_payer_spent_lamports", cluster="live")
        await until_above(box, 0, "settle_fee_payer_lamports", cluster="live")
        low = await scraped(box, "settle_fee_payer_low_lamports")
        assert low > await scraped(box, "settle_fee_payer_lamports", cluster="live")
        assert await scraped(box, "settle_spend_limit_lamports") == 12_000


async def test_a_transaction_that_our_key_signed_and_our_books_do_not_have_shows(
    database_url: str, tmp_path: Path
) -> None:
    async with open_box(database_url, tmp_path, watch_sweep=True, sweep_interval_seconds=1) as box:
        checkout, wallet = await box.checkout(), await box.wallet()
        transaction = await box.fetch(wallet, checkout["link"])
        # As after a restore from a backup that was made before.
        await execute(box, "SET session_replication_role = replica; DELETE FROM issued_transactions; RESET ALL")
        assert (await box.send(wallet, transaction)).status_code == 200
        await until_above(box, 0, "settle_unknown_signatures")


async def test_prices_that_are_away_and_prices_that_jump_show(box: Box) -> None:
    none, alarms = {"outcome": "none"}, {"reason": "price_jump"}
    before = [await scraped(box, "settle_prices_total", **none), await scraped(box, "settle_alarms_total", **alarms)]
    await box.checkout("10.00", "EUR")
    await box.fault("prices", "jump", value="2")
    await box.advance(120)
    await box.checkout("10.00", "EUR")
    await until_above(box, before[1], "settle_alarms_total", **alarms)
    await box.mend()
    await box.fault("prices", "drop")
    await box.checkout("10.00", "CHF")
    await until_above(box, before[0], "settle_prices_total", **none)


async def test_a_database_that_ends_sessions_and_doors_that_fail_show(box: Box) -> None:
    lost = await scraped(box, "settle_operational_errors_total", kind="connection_lost")
    await execute(
        box,
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()""",
    )
    await until_above(box, lost, "settle_operational_errors_total", kind="connection_lost")
    checkout = await box.checkout()
    await execute(box, "ALTER TABLE payments RENAME COLUMN memo TO note")
    failed = sum(samples("settle_request_seconds_count", status="500"))
    assert (await box.house.public.get(f"/pay/{checkout['payment']}")).status_code == 500
    assert sum(samples("settle_request_seconds_count", status="500")) > failed


async def test_when_certificates_end_is_told_of_the_door_and_of_the_authorities(box: Box) -> None:
    for place in ("door", "trust"):
        ends = samples("settle_certificate_end_timestamp_seconds", place=place)
        assert ends
        assert all(end > time.time() for end in ends)


async def test_events_that_come_late_and_events_that_fail_show(box: Box) -> None:
    late = await scraped(box, "webhook_lag_seconds_bucket", source="shopify", le="300.0")
    count = await scraped(box, "webhook_lag_seconds_count", source="shopify")
    await send_event(box, "other.myshopify.com")
    await until_above(box, count, "webhook_lag_seconds_count", source="shopify")
    assert await scraped(box, "webhook_lag_seconds_bucket", source="shopify", le="300.0") == late
    failed = await scraped(box, "events_failed_total", source="shopify", outcome="again")
    await execute(box, "ALTER TABLE merchants RENAME COLUMN uninstalled_at TO gone_at")
    await send_event(box, "sandbox.myshopify.com")
    await until_above(box, failed, "events_failed_total", source="shopify", outcome="again")


async def send_event(box: Box, shop: str) -> None:
    """An event of a shop, an hour old by its sender's clock, with its job."""
    await execute(
        box,
        """WITH event AS (
            INSERT INTO inbox_events (source, event_id, topic, shop, payload, received_at, sent_at)
            VALUES ('shopify', $1, 'app/uninstalled', $1, $3, $2, $2::timestamptz - interval '1 hour') RETURNING id
        ) INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
        SELECT 'inbox_event', 'inbox', id::text, 'waiting', 0, $2, $2, $2 FROM event""",
        shop,
        box.house.system.clock.now(),
        f'{{"myshopify_domain": "{shop}"}}'.encode(),
    )


async def test_without_a_worker_jobs_are_late(database_url: str, tmp_path: Path) -> None:
    async with open_box(database_url, tmp_path, worker=False) as box:
        answer = await box.outside.post("/sandbox/webhooks", json={"topic": "customers/redact"})
        assert answer.status_code < 300, answer.text
        await until_above(box, 0, "settle_jobs_unfinished", status="waiting")
        await box.advance(600)
        assert await scraped(box, "settle_oldest_due_job_seconds") > 300


async def test_a_request_for_privacy_that_is_nearly_due_shows(database_url: str, tmp_path: Path) -> None:
    async with open_box(database_url, tmp_path, worker=False) as box:
        await execute(
            box,
            """WITH event AS (
                INSERT INTO inbox_events (source, event_id, topic, shop, payload, received_at)
                SELECT 'shopify', 'due', 'customers/redact', shop, '{}', $1 FROM merchants LIMIT 1 RETURNING id
            ) INSERT INTO privacy_requests (merchant_id, kind, inbox_id, asked_at, due_at)
            SELECT m.id, 'customer_redact', event.id, $1, $1 + interval '4 days' FROM merchants m, event LIMIT 1""",
            box.house.system.clock.now(),
        )
        await scraped(box, "settle_privacy_due_seconds")
        assert 3 * DAY < privacy_due_seconds._value.get() < 5 * DAY


async def test_a_token_that_shopify_takes_away_and_an_alarm_show(box: Box) -> None:
    alarms = await scraped(box, "settle_alarms_total", reason="token_lost")
    assert (await box.outside.get("/sandbox/admin/app", follow_redirects=True)).status_code == 200
    await box.outside.post("/sandbox/admin/revoke", json={"shop": "sandbox.myshopify.com"})
    await box.fault("oauth", "status", value=400)
    await box.advance(3_700)
    assert (await pay(box)).status_code == 200
    await until_above(box, 0, "settle_tokens_lost")
    assert await scraped(box, "settle_alarms_total", reason="token_lost") > alarms
