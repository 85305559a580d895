"""What the merchant sees when something is away: the node, Shopify, the session, or the truth for a while."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from app.records import Cluster
from app.watching.sweep import Sweeper
from tests.customers import PATIENCE_MS
from tests.desks import Desk

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = 86_400


async def _open_refund(desk: Desk, amount: str) -> tuple[Page, dict[str, Any]]:
    """The page of a new refund, for a merchant who has just signed in."""
    refund = await desk.box.refund(await desk.box.paid("20.00"), amount)
    _, page = await desk.sign_in()
    await page.goto(f"{desk.url}/portal/refunds/{refund['row']['id']}")
    return page, refund


def _badge(page: Page) -> Locator:
    return page.locator(".page-head .badge").first


def _stands(page: Page) -> Locator:
    return page.get_by_role("region", name="How it stands")


async def test_with_the_node_down_a_refund_is_shown_refused_kindly_and_approved_later(desk: Desk) -> None:
    box, merchant = desk.box, await desk.merchant()
    page, refund = await _open_refund(desk, "5.00")
    await expect(page.get_by_text("enough for this refund")).to_be_visible()
    await box.fault("rpc", "status", value=503)
    await page.reload()
    await expect(page.get_by_text("balance cannot be read right now")).to_be_visible()
    refused = await box.pay(merchant, refund["link"])
    assert (refused.status_code, refused.json()["message"]) == (
        422,
        "The Solana network cannot be reached right now. Nothing was paid; please try again in a moment.",
    )
    # Everything else of the portal stands on our own records.
    for path in ("/portal", "/portal/payments", "/portal/attention", "/portal/settings"):
        answer = await page.goto(desk.url + path)
        assert answer is not None
        assert answer.status == 200, path
    await page.goto(f"{desk.url}/portal/refunds/{refund['row']['id']}")
    await box.mend()
    assert (await box.pay(merchant, refund["link"])).status_code == 200
    await expect(_badge(page)).to_have_text("Refunded", timeout=PATIENCE_MS)
    await page.context.close()


async def test_with_shopify_down_the_page_says_that_it_is_paid_and_when_shopify_is_told_again(desk: Desk) -> None:
    box = desk.box
    page, refund = await _open_refund(desk, "5.00")
    await box.fault("shopify", "status", value=503)
    assert (await box.pay(await desk.merchant(), refund["link"])).status_code == 200
    await expect(_badge(page)).to_have_text("Confirming", timeout=PATIENCE_MS)
    await expect(_stands(page)).to_contain_text("The money is back with the customer.")
    await expect(_stands(page)).to_contain_text("Next try", timeout=PATIENCE_MS)
    sale = await box.checkout("18.00")
    assert (await box.pay(await box.wallet(), sale["link"])).status_code == 200
    await box.until_status(sale, "paid")
    # It is said under Attention once it is no matter of moments.
    other = await page.context.new_page()
    await other.goto(f"{desk.url}/portal/attention")
    await expect(other.get_by_role("region", name="Waiting for Shopify")).to_have_count(0)
    await box.advance(601)
    await other.reload()
    await expect(other.get_by_role("region", name="Waiting for Shopify")).to_contain_text("18.00 USD")
    await expect(other.get_by_text("there is nothing to do")).to_be_visible()
    await box.mend()
    await box.advance(DAY)
    await box.until_status(sale, "completed")
    await other.close()
    # The session has ended meanwhile, and the page says so instead of showing for ever what was true then.
    await expect(page.get_by_role("alert").filter(has_text="Your session has ended")).to_be_visible(timeout=PATIENCE_MS)
    desk.excuse("status of 401")
    assert (await box.refund_at_shopify(refund))["state"] == "resolved"
    await page.context.close()


@pytest.mark.parametrize("way", ["idle", "absolute", "signed out everywhere"])
async def test_a_session_that_ends_under_an_open_page_is_said_there_and_nothing_is_done_with_it(
    desk: Desk, way: str
) -> None:
    settings = desk.box.house.settings
    page, refund = await _open_refund(desk, "3.00")
    await page.get_by_text("Deny this refund…").click()
    await page.get_by_label("Why is it denied?").fill("Too late.")
    await page.get_by_label(re.compile("I deny the refund")).check()
    if way == "signed out everywhere":
        context, phone = await desk.sign_in(375)
        await phone.goto(f"{desk.url}/portal/settings")
        await phone.get_by_role("button", name="Sign out on every device").click()
        await expect(phone.get_by_role("heading", name="Goodbye")).to_be_visible()
        await context.close()
    elif way == "absolute":
        for _ in range(settings.portal_session_seconds // settings.portal_idle_seconds):
            # Somebody is there.
            assert (await page.request.get(f"{desk.url}/portal/api/session")).status == 200
            await desk.box.advance(settings.portal_idle_seconds - 1)
        await desk.box.advance(settings.portal_session_seconds // settings.portal_idle_seconds)
    else:
        # That the page itself asks how the refund stands is nobody's being there.
        for _ in range(2):
            await desk.box.advance(settings.portal_idle_seconds // 2 + 1)
            await page.wait_for_event("response", lambda response: "/portal/api/refunds/" in response.url)
    await expect(page.get_by_role("alert").filter(has_text="Your session has ended")).to_be_visible(timeout=PATIENCE_MS)
    await page.get_by_role("button", name="Deny it for good").click()
    await expect(page.get_by_role("heading", name="Sign in to Settle")).to_be_visible()
    assert (await desk.box.refund_row(refund))["status"] == "pending"
    assert desk.excuse("status of 401") >= 1
    await page.context.close()


async def test_what_was_paid_after_it_expired_is_said_to_customer_and_merchant(desk: Desk) -> None:
    """A node that hides what has landed lets it be taken for dead; the sweep finds it when the node shows it again."""
    box, system = desk.box, desk.box.house.system
    await Sweeper(system, system.clusters[Cluster.live]).sweep()
    checkout = await box.checkout("17.00")
    context, page = await desk.sign_in()
    customer = await context.new_page()
    await customer.goto(checkout["redirect_url"])
    await box.fault("rpc", "null_status")
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.advance(DAY + 60)
    await expect(customer.locator("main")).to_have_attribute("data-stage", "expired", timeout=PATIENCE_MS)
    await box.mend()
    await Sweeper(system, system.clusters[Cluster.live]).sweep()
    await box.until_status(checkout, "completed")
    # A page that has ended is not followed any more; who comes back to it learns of it.
    await customer.reload()
    await customer.wait_for_url(re.compile("/thank-you"), timeout=PATIENCE_MS)
    await context.close()
    context, page = await desk.sign_in()
    await page.get_by_role("navigation", name="Portal").get_by_role("link", name="Attention").click()
    await page.get_by_role("listitem").filter(has_text="17.00 USD").get_by_role("link").click()
    await expect(_stands(page)).to_contain_text("The customer paid after the payment had expired.")
    await expect(_stands(page)).to_contain_text("Check that the order still stands")
    await page.get_by_text("This is dealt with").click()
    await page.get_by_role("button", name="Note that it is dealt with").click()
    await expect(_badge(page)).to_have_text("Paid")
    await context.close()


async def test_of_two_attempts_at_one_order_the_merchant_sees_which_was_paid(desk: Desk) -> None:
    paid = await desk.box.checkout("16.00")
    other = await desk.box.checkout("16.00", group=paid["group"])
    assert (await desk.box.pay(await desk.box.wallet(), paid["link"])).status_code == 200
    await desk.box.until_status(other, "superseded")
    context, page = await desk.sign_in()
    await page.goto(f"{desk.url}/portal/payments/{other['payment']}")
    await expect(_badge(page)).to_have_text("Replaced")
    attempts = page.get_by_role("region", name="Other attempts at the same order")
    await attempts.get_by_role("link", name="16.00 USD").click()
    await page.wait_for_url(f"**/{paid['payment']}")
    await expect(_badge(page)).to_have_text("Paid")
    await context.close()
