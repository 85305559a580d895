"""The merchant takes the app out, and comes back: nothing is issued, no secret kept, no money forgotten."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from app.onboarding.progress import pause
from app.payments.resend import resend_stuck
from tests.box import Box, open_box
from tests.house import SHOP
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.waiting import wait_until


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path, upkeep_seconds=86_400) as opened:
        yield opened


async def _merchant(box: Box) -> Any:
    [row] = await box.house.rows("SELECT * FROM merchants WHERE shop = $1", SHOP)
    return row


async def _uninstall(box: Box) -> None:
    answer = await box.outside.post("/sandbox/admin/uninstall", json={})
    assert answer.status_code == 200, answer.text

    async def known() -> bool:
        return (await _merchant(box))["uninstalled_at"] is not None

    await wait_until(known, 10, "the uninstall is known")


async def test_after_an_uninstall_no_token_is_kept_nobody_is_signed_in_and_no_session_is_taken(
    box: Box, browser: httpx.AsyncClient
) -> None:
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    open_checkout = await box.checkout()
    await _uninstall(box)
    row = await _merchant(box)
    assert (row["status"], row["token_sealed"], row["refresh_sealed"]) == ("inactive", None, None)
    page = await browser.get(f"{box.house.settings.public_url}/portal")
    assert page.status_code == 401
    answer = await box.outside.post("/sandbox/checkouts", json={"amount": "1.00", "currency": "USD"})
    assert answer.json()["body"]["reason"] == "merchant_inactive"
    # The page of before says so, and nothing is issued for it.
    assert (await box.status(open_checkout))["stage"] == "closed"
    paid = await box.pay(await box.wallet(), open_checkout["link"])
    assert paid.status_code == 422
    assert "Nothing was paid" in paid.json()["message"]
    # The same id gives the same answer for ever, all the same.
    again = await box.outside.post(f"/sandbox/checkouts/{open_checkout['id']}/resend")
    assert again.json()["redirect_url"] == open_checkout["redirect_url"]


async def test_money_that_shopify_was_not_told_of_is_stuck_with_an_alarm_and_told_after_a_new_installation(
    box: Box, browser: httpx.AsyncClient
) -> None:
    """One payment waits on its ladder when the app goes; another lands afterwards."""
    wallet = await box.wallet()
    await box.fault("shopify", "status", value=503)
    waiting, late = await box.checkout(), await box.checkout()
    held = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": late["link"]})
    assert held.status_code == 200, held.text
    assert (await box.pay(await box.wallet(), waiting["link"])).status_code == 200
    await box.until_status(waiting, "paid")
    await _uninstall(box)
    await box.until_status(waiting, "stuck")
    sent = await box.outside.post(f"/sandbox/wallets/{wallet}/send", json={"transaction": held.json()["transaction"]})
    assert sent.status_code == 200, sent.text
    await box.until_status(late, "stuck")
    stuck = await box.house.rows("SELECT stuck_reason FROM payments")
    assert {row["stuck_reason"] for row in stuck} == {"app_uninstalled"}
    # The customers paid, and are told so.
    for checkout in (waiting, late):
        assert (await box.status(checkout))["stage"] == "paid"
    assert 'settle_alarms_total{reason="app_uninstalled"} ' in (await box.house.public.get("/metrics")).text
    assert await box.violations() == []
    await box.mend()
    # Without the app there, sending again ends where it was.
    assert len(await resend_stuck(box.house.system)) == 2
    for checkout in (waiting, late):
        await box.until_status(checkout, "stuck")
    before = await _merchant(box)
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    after = await _merchant(box)
    assert (after["id"], after["wallet"], after["status"]) == (before["id"], before["wallet"], "active")
    assert len(await resend_stuck(box.house.system)) == 2
    for checkout in (waiting, late):
        await box.until_status(checkout, "completed")
        assert applied(await box.at_shopify(checkout)) == [RESOLVE]
    assert await box.violations() == []


async def test_who_was_paused_before_stays_paused_when_the_app_is_installed_again(
    box: Box, browser: httpx.AsyncClient
) -> None:
    await pause(box.house.system, (await _merchant(box))["id"])
    await _uninstall(box)
    page = await browser.get(f"{box.world.url}/sandbox/admin/app")
    assert page.status_code == 200
    row = await _merchant(box)
    assert (row["status"], row["uninstalled_at"], row["token_sealed"] is None) == ("inactive", None, False)


async def test_a_refund_that_shopify_was_not_told_of_is_stuck_too(box: Box) -> None:
    checkout = await box.paid()
    refund = await box.refund(checkout)
    await box.fault("shopify", "status", value=503)
    merchant = (await box.outside.get("/sandbox/merchant")).json()["wallet"]
    assert (await box.pay(merchant, refund["link"])).status_code == 200
    await box.until_refund(refund, "paid")
    await _uninstall(box)
    row = await box.until_refund(refund, "stuck")
    assert row["stuck_reason"] == "app_uninstalled"
    assert await box.violations() == []


async def test_a_shop_that_comes_back_takes_payments_again(box: Box, browser: httpx.AsyncClient) -> None:
    for _ in range(2):
        await _uninstall(box)
        await browser.get(f"{box.world.url}/sandbox/admin/app")
        checkout = await box.checkout()
        assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
        await box.until_status(checkout, "completed")
    kinds = [
        row["kind"]
        for row in await box.house.rows(
            "SELECT kind FROM events WHERE record = 'merchant' AND kind <> 'configured' ORDER BY id"
        )
    ]
    assert kinds == ["moved", "uninstalled", "installed", "moved", "signed_in"] * 2
    assert await box.violations() == []
