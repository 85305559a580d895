"""Telling Shopify of a payment when its token ends or is refused: one renewal, and the job stays on its ladder."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from app.records import Merchant
from tests.box import Box, open_box
from tests.house import SHOP
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.waiting import wait_until


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path, upkeep_seconds=86_400) as opened:
        yield opened


async def _tried(box: Box, tries: int) -> None:
    async def reached() -> bool:
        rows = await box.house.rows("SELECT FROM jobs WHERE status = 'waiting' AND attempts >= $1", tries)
        return bool(rows)

    await wait_until(reached, 10, f"{tries} tries failed")


async def _merchant(box: Box) -> Merchant:
    [row] = await box.house.rows("SELECT * FROM merchants WHERE shop = $1", SHOP)
    return Merchant.from_row(row)


async def test_a_payment_after_the_tokens_end_is_told_with_a_new_one(box: Box, browser: httpx.AsyncClient) -> None:
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    before = await _merchant(box)
    await box.advance(3_600)
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]
    assert (await _merchant(box)).token_sealed != before.token_sealed
    # The first try already had it.
    assert [call["attempt"] for call in await box.house.rows("SELECT attempt FROM shopify_calls")] == [1]


async def test_a_refused_token_is_renewed_once_and_the_next_try_succeeds(box: Box, browser: httpx.AsyncClient) -> None:
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    answer = await box.outside.post("/sandbox/admin/revoke", json={"shop": SHOP})
    assert answer.status_code == 200
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await _tried(box, 1)
    await box.advance(6)
    await box.until_status(checkout, "completed")
    calls = await box.house.rows("SELECT attempt, http_status FROM shopify_calls ORDER BY id")
    assert [tuple(call) for call in calls] == [(1, 401), (2, 200)]


async def test_with_the_token_lost_the_job_climbs_its_ladder_and_a_sign_in_heals_it(
    box: Box, browser: httpx.AsyncClient
) -> None:
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    await box.advance(3_600)
    await box.fault("oauth", "refuse")
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await _tried(box, 1)
    await box.advance(6)
    await _tried(box, 2)
    assert (await box.status(checkout))["status"] == "paid"
    [job] = await box.house.rows("SELECT last_error FROM jobs WHERE kind = 'payment_resolve'")
    assert job["last_error"] == "token_unavailable"
    # The merchant opens the app.
    await box.mend()
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    await box.advance(11)
    await box.until_status(checkout, "completed")
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]
