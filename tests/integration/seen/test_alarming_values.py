"""The real system, driven into trouble, shows the values that alert rules wait for."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
from prometheus_client import REGISTRY

from app.gauges import Gauges
from app.restores import pause_issuing
from tests.box import Box, open_box
from tests.waiting import wait_until


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path) as opened:
        yield opened


async def scraped(box: Box, name: str, **labels: str) -> float:
    """A metric as a scrape that begins now has it."""
    await Gauges().refresh(box.house.system)
    return REGISTRY.get_sample_value(name, labels) or 0


async def pay(box: Box) -> httpx.Response:
    return await box.pay(await box.wallet(), (await box.checkout())["link"])


async def test_with_shopify_away_calls_fail_a_payment_waits_and_in_the_end_it_is_stuck_and_its_job_dead(
    box: Box,
) -> None:
    retries = {"mutation": "paymentSessionResolve", "outcome": "retry"}
    failed = await scraped(box, "settle_shopify_calls_total", **retries)
    await box.fault("shopify", "status", value=503)
    assert (await pay(box)).status_code == 200

    async def is_tried() -> bool:
        return await scraped(box, "settle_shopify_calls_total", **retries) > failed

    await wait_until(is_tried, 20, "a call failed")
    await box.advance(1_000)
    assert await scraped(box, "settle_oldest_unacknowledged_seconds") > 900

    async def is_stuck() -> bool:
        await box.advance(15_000)
        return await scraped(box, "settle_unattended", record="payment") == 1

    await wait_until(is_stuck, 60, "the payment is stuck")
    assert await scraped(box, "settle_dead_jobs") == 1


async def test_when_shopify_refuses_calls_for_their_number_they_are_counted(box: Box) -> None:
    before = await scraped(box, "settle_shopify_throttled_total", by="shopify")
    await box.fault("shopify", "throttled", times=1)
    assert (await pay(box)).status_code == 200

    async def is_counted() -> bool:
        return await scraped(box, "settle_shopify_throttled_total", by="shopify") > before

    await wait_until(is_counted, 20, "the refusal is counted")


async def test_screening_away_and_a_restore_show(box: Box) -> None:
    before = await scraped(box, "settle_screenings_total", outcome="unavailable")
    await box.fault("trm", "status", value=503)
    assert (await pay(box)).status_code == 422
    assert await scraped(box, "settle_screenings_total", outcome="unavailable") > before
    assert await scraped(box, "settle_issuing_paused", cluster="live") == 0
    system = box.house.system
    await pause_issuing(system.database, system.clusters, system.clock.now())
    assert await scraped(box, "settle_issuing_paused", cluster="live") == 1


async def test_a_schema_that_does_not_fit_the_code_is_an_unforeseen_error_and_metrics_still_answer(box: Box) -> None:
    before = await scraped(box, "settle_bugs_total", place="metrics_failed")
    async with box.house.system.database.acquire() as connection:
        await connection.execute("ALTER TABLE issuing_pauses RENAME COLUMN lifted_at TO lifted")
    assert await scraped(box, "settle_bugs_total", place="metrics_failed") > before
    answer = await box.house.public.get("/metrics")
    assert answer.status_code == 200
    assert "settle_bugs_total" in answer.text
