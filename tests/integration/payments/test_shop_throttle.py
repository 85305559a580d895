"""Shopify's patience, shop by shop: `Retry-After` and the bucket of points are obeyed before a call, not after."""

from datetime import timedelta
from typing import Any

from tests.box import Box
from tests.waiting import wait_until


async def _pay(box: Box) -> dict[str, Any]:
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    return checkout


async def _calls(box: Box) -> int:
    [row] = await box.house.rows("SELECT count(*) FROM shopify_calls")
    return int(row[0])


async def test_after_a_retry_after_no_job_of_the_shop_calls_before_it_is_over(box: Box) -> None:
    await box.fault("shopify", "rate_limit", value=600, times=1)
    first = await _pay(box)

    async def is_quiet() -> bool:
        return bool(await box.house.rows("SELECT FROM merchants WHERE shopify_wait_until IS NOT NULL"))

    await wait_until(is_quiet, what="the shop's wish is kept")
    second = await _pay(box)

    async def is_put_back() -> bool:
        return bool(await box.house.rows("SELECT FROM jobs WHERE last_error = 'shop_throttled'"))

    await wait_until(is_put_back, what="the second payment's job was put back")
    assert await _calls(box) == 1
    [put_back] = await box.house.rows(
        "SELECT attempts, due_at, updated_at FROM jobs WHERE record_id = $1", second["payment"]
    )
    assert put_back["attempts"] == 0
    assert put_back["due_at"] - put_back["updated_at"] > timedelta(seconds=500)
    await box.advance(1_300)
    await box.until_status(first, "completed")
    await box.until_status(second, "completed")
    assert await _calls(box) == 3


async def test_an_empty_bucket_holds_calls_back_and_nothing_is_throttled(box: Box) -> None:
    # A bucket for two mutations; the sandbox refuses with THROTTLED what is sent all the same.
    await box.fault("shopify", "small_bucket", value=30)
    # The first answer tells how small it is.
    await box.until_status(await _pay(box), "completed")
    paid = [await _pay(box) for _ in range(5)]

    async def are_completed() -> bool:
        await box.advance(5)
        [row] = await box.house.rows("SELECT count(*) FROM payments WHERE status = 'completed'")
        return int(row[0]) == 1 + len(paid)

    await wait_until(are_completed, 60, "every payment is completed")
    outcomes = await box.house.rows("SELECT DISTINCT outcome FROM shopify_calls")
    assert [row["outcome"] for row in outcomes] == ["acknowledged"]
    assert {row["attempts"] for row in await box.house.rows("SELECT attempts FROM jobs")} == {1}
