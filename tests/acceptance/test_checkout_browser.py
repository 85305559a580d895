"""A customer in a real browser: from the store's product to its thank-you page, through the whole sandbox."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.box import Box, open_box

PATIENCE_MS = 20_000


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--disable-background-networking", "--disable-component-update"]
        )
        yield browser
        await browser.close()


async def _open_store(box: Box, browser: Browser, **context: object) -> tuple[Page, list[str]]:
    """The store's page, and a list that every request to anywhere but this machine's ports, and every error, joins."""
    page = await (await browser.new_context(**context)).new_page()  # type: ignore[arg-type]
    strays: list[str] = []
    page.on("request", lambda request: strays.append(request.url) if "127.0.0.1" not in request.url else None)
    page.on("pageerror", lambda error: strays.append(str(error)))
    page.on("console", lambda line: strays.append(line.text) if line.type == "error" else None)
    await page.goto(f"{box.world.url}/")
    return page, strays


async def _click_pay(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("Pay with Solana")).click()
    await page.wait_for_url(re.compile("/pay/"), timeout=PATIENCE_MS)


@pytest.mark.parametrize("width", [1280, 375])
async def test_a_customer_pays_and_is_thanked(box: Box, browser: Browser, width: int) -> None:
    page, strays = await _open_store(box, browser, viewport={"width": width, "height": 800})
    await _click_pay(page)
    await expect(page.get_by_text("Settle Sandbox Store").first).to_be_visible()
    await expect(page.locator("#amount")).to_contain_text("USD")
    await expect(page.locator("#usdc")).to_have_text(re.compile(r"^\d+\.\d\d$"))
    await expect(page.locator("#qr svg")).to_be_visible()
    qr = await page.locator("#qr svg").bounding_box()
    assert qr is not None
    assert qr["width"] >= 200
    await page.get_by_role("button", name="Pay with the sandbox wallet").click()
    await page.wait_for_url(re.compile("/checkouts/[^/]+/thank-you"), timeout=PATIENCE_MS)
    await expect(page.locator("body")).to_contain_text(re.compile("thank", re.IGNORECASE))
    assert strays == []
    assert await box.violations() == []


async def test_without_the_stream_the_page_polls_and_arrives_all_the_same(box: Box, browser: Browser) -> None:
    page, _ = await _open_store(box, browser)
    await page.route("**/events", lambda route: route.abort())
    await _click_pay(page)
    await page.get_by_role("button", name="Pay with the sandbox wallet").click()
    await page.wait_for_url(re.compile("/checkouts/[^/]+/thank-you"), timeout=PATIENCE_MS)


async def test_the_page_follows_a_phone_that_pays_elsewhere(box: Box, browser: Browser) -> None:
    checkout = await box.checkout("20.00")
    page = await (await browser.new_context()).new_page()
    await page.goto(checkout["redirect_url"])
    await expect(page.locator("main")).to_have_attribute("data-stage", "waiting")
    wallet = await box.wallet()
    answer = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
    await expect(page.locator("main")).to_have_attribute("data-stage", "approve", timeout=PATIENCE_MS)
    await box.outside.post(f"/sandbox/wallets/{wallet}/send", json={"transaction": answer.json()["transaction"]})
    await page.wait_for_url(re.compile("/thank-you"), timeout=PATIENCE_MS)


async def test_a_price_that_comes_late_is_shown_when_it_is_there(box: Box, browser: Browser) -> None:
    await box.fault("prices", "status", value=503)
    checkout = await box.checkout("10.00", "EUR")
    page = await (await browser.new_context()).new_page()
    await page.goto(checkout["redirect_url"])
    await expect(page.locator("main")).to_have_attribute("data-stage", "unpriced")
    await box.mend()
    await expect(page.locator("main")).to_have_attribute("data-stage", "waiting", timeout=PATIENCE_MS)
    await expect(page.locator("#usdc")).to_have_text(re.compile(r"^\d+\.\d+$"))


async def test_cancel_leads_back_to_the_shop_and_changes_nothing(box: Box, browser: Browser) -> None:
    checkout = await box.checkout()
    page = await (await browser.new_context()).new_page()
    await page.goto(checkout["redirect_url"])
    await page.get_by_role("link", name=re.compile("Cancel")).click()
    await page.wait_for_url(re.compile(r"/checkouts/[^/]+/cancelled"), timeout=PATIENCE_MS)
    assert (await box.status(checkout))["status"] == "pending"
    assert (await box.at_shopify(checkout))["state"] == "open"


async def test_a_paid_payments_page_leads_home_also_when_opened_again(box: Box, browser: Browser) -> None:
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    page = await (await browser.new_context()).new_page()
    await page.goto(checkout["redirect_url"])
    await page.wait_for_url(re.compile("/thank-you"), timeout=PATIENCE_MS)


async def test_an_unknown_payment_has_a_page_that_says_so(box: Box, browser: Browser) -> None:
    page = await (await browser.new_context()).new_page()
    answer = await page.goto(f"{box.house.settings.public_url}/pay/nothing")
    assert answer is not None
    assert answer.status == 404
    await expect(page.locator("body")).to_contain_text("does not exist")
