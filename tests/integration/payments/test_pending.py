"""Confirmed, and finality far: Shopify is told `pending`, once, and of the end, whatever the chain does."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.box import Box, open_box
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.waiting import wait_until

PENDING, REJECT = "paymentSessionPending", "paymentSessionReject"
LARGE = "250.00"


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    # Nothing is final while the chain is held, so any patience shows; one second is the shortest.
    async with open_box(
        database_url, tmp_path, slot_ms=20, pending_after_seconds=1, pending_lifetime_seconds=2 * 86_400
    ) as opened:
        yield opened
        assert await opened.violations() == []


async def _pay_large(box: Box, checkout: dict[str, Any]) -> str:
    answer = await box.pay(await box.wallet("1000"), checkout["link"])
    assert answer.status_code == 200, answer.text
    signature: str = answer.json()["signature"]
    return signature


async def _pend(box: Box) -> dict[str, Any]:
    """A payment that is confirmed, not final, and pending at Shopify."""
    await box.fault("rpc", "hold_finality")
    checkout = await box.checkout(LARGE)
    checkout["signature"] = await _pay_large(box, checkout)

    async def is_noted() -> bool:
        return bool(
            await box.house.rows("SELECT FROM payments WHERE id = $1 AND pended_at IS NOT NULL", checkout["payment"])
        )

    await wait_until(is_noted, 20, "Shopify's acknowledgement is noted")
    assert (await box.at_shopify(checkout))["state"] == "pending"
    return checkout


async def test_the_customer_goes_on_to_the_shop_and_the_payment_is_resolved_when_it_is_final(box: Box) -> None:
    checkout = await _pend(box)
    page = await box.until_status(checkout, "pending")
    known = await box.at_shopify(checkout)
    assert (page["stage"], page["redirect_url"]) == ("received", known["next_url"])
    assert (known["reason"], known["order"]["paid"]) == ("NETWORK_ACTION_REQUIRED", False)
    # A browser that opens the page now is sent on as well.
    opened = await box.house.public.get(f"/pay/{checkout['payment']}", headers={"Accept": "text/html"})
    assert (opened.status_code, opened.headers["location"]) == (303, known["next_url"])
    await box.mend()
    await box.until_status(checkout, "completed")
    known = await box.at_shopify(checkout)
    assert (applied(known), known["order"]["paid"], known["alarms"]) == ([PENDING, RESOLVE], True, [])


async def test_it_is_said_once_however_long_finality_takes(box: Box) -> None:
    checkout = await _pend(box)
    for _ in range(2):
        await box.advance(3_600)
        await box.house.rows("UPDATE issued_transactions SET poll_at = created_at WHERE NOT final")

        async def is_polled() -> bool:
            return not await box.house.rows("SELECT FROM issued_transactions WHERE poll_at <= created_at")

        await wait_until(is_polled, what="the transaction was looked at again")
    assert [m["name"] for m in (await box.at_shopify(checkout))["mutations"]] == [PENDING]
    await box.mend()
    await box.until_status(checkout, "completed")


async def test_what_shopify_holds_as_pending_and_vanishes_alarms_and_may_be_paid_again(box: Box) -> None:
    checkout = await _pend(box)
    await _vanish(box, checkout)
    # Open again: the wallet has been there, and may come back.
    assert (await box.status(checkout))["stage"] in ("waiting", "connected")
    assert 'settle_alarms_total{reason="pending_vanished"}' in (await box.house.public.get("/metrics")).text
    # The page is still there, and the session still open.
    await _pay_large(box, checkout)
    await box.until_status(checkout, "completed")
    known = await box.at_shopify(checkout)
    assert (applied(known), known["alarms"]) == ([PENDING, RESOLVE], [])


async def test_what_vanished_and_is_not_paid_again_is_rejected_so_that_no_order_hangs(box: Box) -> None:
    checkout = await _pend(box)
    await _vanish(box, checkout)
    await box.advance(box.house.settings.payment_lifetime_seconds)
    await box.until_status(checkout, "rejected")
    known = await box.at_shopify(checkout)
    assert (known["state"], known["reason"], applied(known)) == ("rejected", "PROCESSING_ERROR", [PENDING, REJECT])


async def test_a_shop_that_refuses_pending_is_resolved_as_ever(box: Box) -> None:
    # We ask for two days.
    await box.fault("shopify", "pending_limit", value=1)
    await box.fault("rpc", "hold_finality")
    checkout = await box.checkout(LARGE)
    await _pay_large(box, checkout)

    async def is_over() -> bool:
        return bool(await box.house.rows("SELECT FROM jobs WHERE kind = 'payment_pending' AND status = 'done'"))

    await wait_until(is_over, what="the job is over")
    assert (await box.at_shopify(checkout))["state"] == "open"
    await box.mend()
    await box.until_status(checkout, "completed")
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]


async def test_shopify_is_away_while_it_should_hear_pending_and_hears_resolve(box: Box) -> None:
    await box.fault("shopify", "status", value=503)
    await box.fault("rpc", "hold_finality")
    checkout = await box.checkout(LARGE)
    await _pay_large(box, checkout)

    async def was_tried() -> bool:
        query = "SELECT FROM jobs WHERE kind = 'payment_pending' AND attempts = 1 AND status = 'waiting'"
        return bool(await box.house.rows(query))

    await wait_until(was_tried, what="pending was tried in vain")
    await box.mend()
    await box.until_status(checkout, "completed")
    await box.advance(60)

    async def is_closed() -> bool:
        return not await box.house.rows("SELECT FROM jobs WHERE status IN ('waiting', 'running')")

    await wait_until(is_closed, what="no job is left")
    # Too late to be said, so it was not.
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]


async def test_what_is_final_in_time_is_never_pending(database_url: str, tmp_path: Path) -> None:
    async with open_box(database_url, tmp_path) as box:
        checkout = await box.checkout(LARGE)
        await _pay_large(box, checkout)
        await box.until_status(checkout, "completed")
        assert [m["name"] for m in (await box.at_shopify(checkout))["mutations"]] == [RESOLVE]


async def _vanish(box: Box, checkout: dict[str, Any]) -> None:
    """The transaction is gone from the chain, and we know that it is dead."""
    await box.fault("rpc", "vanish", value=checkout["signature"], times=1)

    async def has_gone() -> bool:
        on = (await box.outside.get("/sandbox/faults")).json()["on"]
        return "vanish" not in {fault["fault"] for fault in on}

    await wait_until(has_gone, what="the transaction is gone")
    await box.mend()

    async def is_known() -> bool:
        query = "SELECT FROM events WHERE record_id = $1 AND kind = 'vanished'"
        return bool(await box.house.rows(query, checkout["payment"]))

    await wait_until(is_known, 30, "the transaction is known to be dead")
