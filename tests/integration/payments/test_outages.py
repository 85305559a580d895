"""Shopify is away for an hour, a day, two days, in virtual time: everything is resolved, or stuck and not lost.

Every look at the jobs is made by a worker that has just begun, so nothing of the ladder is in a process's memory.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app import metrics
from app.jobs.worker import Worker
from app.payments.resend import resend_stuck
from app.portal.attention import read_attention
from app.records import Merchant
from handlers.working import work
from tests.box import Box, open_box
from tests.conftest import Scale
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.waiting import wait_until

AWAY = {"status": 503, "drop": None}


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path, worker=False) as opened:
        yield opened
        assert await opened.violations() == []


async def _pay_many(box: Box, count: int) -> list[dict[str, Any]]:
    """So many payments on the chain, and Shopify was asked in vain at least once about each."""
    stop = asyncio.Event()
    working = asyncio.create_task(work(box.house.system, stop))
    try:
        places = asyncio.Semaphore(8)

        async def pay() -> dict[str, Any]:
            async with places:
                checkout = await box.checkout()
                answer = await box.pay(await box.wallet(), checkout["link"])
                assert answer.status_code == 200, answer.text
                return checkout

        paid = await asyncio.gather(*(pay() for _ in range(count)))

        async def are_tried() -> bool:
            [row] = await box.house.rows("SELECT count(*) FROM jobs WHERE kind = 'payment_resolve' AND attempts > 0")
            return int(row[0]) == count

        await wait_until(are_tried, 60 + count, "Shopify was asked about every payment")
        return list(paid)
    finally:
        stop.set()
        await working


async def _let_time_pass(box: Box, until: datetime) -> None:
    """Go from rung to rung: every job is tried when it is due, and time stands at `until` at last."""
    while True:
        await Worker(box.house.system).drain()
        now = box.world.clock.now()
        if now >= until:
            return
        [row] = await box.house.rows("SELECT max(due_at) FROM jobs WHERE status = 'waiting'")
        # The latest of those that wait together, so that a day is seventeen steps and not seventeen for each payment.
        target = min(until, row[0]) if row[0] else until
        await box.advance(max(1, int((target - now).total_seconds()) + 1))


async def _be_away(box: Box, count: int, hours: int) -> list[dict[str, Any]]:
    fault = random.choice(sorted(AWAY))
    print(f"Shopify is away for {hours} hours by the fault {fault}")  # what a failure is repeated with
    began = box.world.clock.now()
    await box.fault("shopify", fault, value=AWAY[fault])
    paid = await _pay_many(box, count)
    await _let_time_pass(box, began + timedelta(hours=hours))
    await box.mend()
    return paid


async def _expect_all_resolved(box: Box, paid: list[dict[str, Any]]) -> None:
    rows = await box.house.rows("SELECT id, status FROM payments")
    assert {row["id"]: row["status"] for row in rows} == {checkout["payment"]: "completed" for checkout in paid}
    for checkout in paid:
        known = await box.at_shopify(checkout)
        assert (known["state"], known["alarms"], applied(known)) == ("resolved", [], [RESOLVE])


@pytest.mark.parametrize("hours", [1, 24])
async def test_an_outage_that_the_ladder_outlasts_leaves_every_payment_resolved(
    box: Box, scale: Scale, hours: int
) -> None:
    paid = await _be_away(box, scale.pick(ci=15, soak=500), hours)
    # The longest rung, and time to spare for its jitter: whoever still waits is tried once more.
    await _let_time_pass(box, box.world.clock.now() + timedelta(hours=5))
    await _expect_all_resolved(box, paid)


async def test_after_two_days_every_payment_is_stuck_counted_listed_and_resent_by_one_command(
    box: Box, scale: Scale
) -> None:
    alarms = metrics.alarms_total.labels(reason="retries_spent")
    before = alarms._value.get()
    paid = await _be_away(box, scale.pick(ci=15, soak=500), 48)
    ids = {checkout["payment"] for checkout in paid}
    rows = await box.house.rows("SELECT id, status, stuck_reason FROM payments")
    assert {tuple(row) for row in rows} == {(payment, "stuck", "retries_spent") for payment in ids}
    tries = await box.house.rows("SELECT DISTINCT status, attempts FROM jobs")
    assert [tuple(row) for row in tries] == [("dead", 17)]
    # Counted, alarmed, listed.
    scraped = (await box.house.public.get("/metrics")).text
    assert f'settle_payments_open{{status="stuck"}} {float(len(paid))}' in scraped
    assert alarms._value.get() - before == len(paid)
    [merchant] = await box.house.rows("SELECT * FROM merchants")
    attention = await read_attention(box.house.system, Merchant.from_row(merchant))
    assert attention.count == len(paid)
    assert {line.id for line in attention.payments} <= ids
    # Shopify is back: nothing of it was lost.
    assert set(await resend_stuck(box.house.system)) == ids
    await _let_time_pass(box, box.world.clock.now())
    await _expect_all_resolved(box, paid)
    assert await resend_stuck(box.house.system) == []


async def test_a_reject_that_outlived_its_ladder_is_stuck_and_resent_too(box: Box) -> None:
    await box.fault("shopify", "status", value=503)
    began = box.world.clock.now()
    checkout = await box.checkout()
    wallet = await box.wallet()
    await box.outside.post("/sandbox/trm/flagged", json={"address": wallet})
    assert (await box.pay(wallet, checkout["link"])).status_code == 422
    await _let_time_pass(box, began + timedelta(hours=48))
    [payment] = await box.house.rows("SELECT status, stuck_reason FROM payments")
    assert tuple(payment) == ("stuck", "retries_spent")
    await box.mend()
    assert await resend_stuck(box.house.system) == [checkout["payment"]]
    await Worker(box.house.system).drain()
    known = await box.at_shopify(checkout)
    assert (known["state"], known["reason"]) == ("rejected", "FRAUD_SUSPECTED")
    assert (await box.status(checkout))["status"] == "rejected"
