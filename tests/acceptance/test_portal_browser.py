"""The merchant in a real browser, through one sandbox: signed in from Shopify's admin, on a desk and on a phone."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.accessibility import find_barriers
from tests.box import Box, open_box

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_MS = 20_000
PAGES = ("/portal", "/portal/payments", "/portal/find?query=nothing", "/portal/attention", "/portal/settings")


@dataclass
class Desk:
    """The sandbox, a browser, and what its pages did that they should not: errors, and requests to elsewhere."""

    box: Box
    browser: Browser
    strays: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.box.house.settings.public_url

    async def sign_in(self, width: int = 1280, scheme: str = "light") -> tuple[BrowserContext, Page]:
        """Open the app from Shopify's admin, as the merchant does."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            accept_downloads=True,  # type: ignore[arg-type]
        )
        page = await context.new_page()
        page.on("request", lambda request: self.strays.append(request.url) if "127.0.0.1" not in request.url else None)
        page.on("pageerror", lambda error: self.strays.append(str(error)))
        page.on("console", lambda line: self.strays.append(line.text) if line.type == "error" else None)
        await page.goto(f"{self.box.world.url}/sandbox/admin/app")
        await page.wait_for_url(re.compile(r"/portal$"), timeout=PATIENCE_MS)
        return context, page

    async def paid(self, amount: str = "12.34") -> dict[str, str]:
        """A checkout that a customer has paid."""
        checkout = await self.box.checkout(amount)
        assert (await self.box.pay(await self.box.wallet(), checkout["link"])).status_code == 200
        await self.box.until_status(checkout, "completed")
        return checkout


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    module_database_url: str, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    async with (
        open_box(module_database_url, tmp_path_factory.mktemp("portal")) as box,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--disable-background-networking", "--disable-component-update"]
        )
        yield Desk(box, browser)
        await browser.close()
        assert await box.violations() == []


@pytest.fixture(autouse=True)
def _no_strays(desk: Desk) -> AsyncIterator[None]:
    """No test's pages ask for anything outside this machine, or meet an error."""
    desk.strays.clear()
    yield
    assert desk.strays == []


async def test_a_merchant_finds_a_payment_reads_its_story_and_exports_the_list(desk: Desk) -> None:
    checkout = await desk.paid("33.21")
    context, page = await desk.sign_in()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await page.get_by_role("searchbox", name="Find the payment for an order").fill(checkout["gid"])
    await page.keyboard.press("Enter")
    answer = page.get_by_role("region", name="The answer")
    await expect(answer).to_contain_text("33.21 USD")
    await expect(answer).to_contain_text("Shopify has confirmed the payment")
    await answer.get_by_role("link", name="Open this payment").click()
    story = page.get_by_role("region", name="What happened")
    await expect(story).to_contain_text("Told Shopify that the order is paid: confirmed")
    await expect(story.get_by_role("listitem").last).to_contain_text("The customer chose to pay with Settle")
    await page.get_by_role("navigation", name="Portal").get_by_role("link", name="Payments").click()
    await page.get_by_label("Search").fill(checkout["id"])
    await page.get_by_role("button", name="Apply").click()
    await expect(page.get_by_role("table").get_by_role("link", name="33.21 USD")).to_have_count(1)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export as CSV").click()
    path = await (await download.value).path()
    lines = path.read_text().splitlines()
    assert [checkout["id"] in line for line in lines] == [False, True]
    await context.close()


async def test_the_keyboard_alone_reaches_the_content_the_navigation_and_a_payment(desk: Desk) -> None:
    await desk.paid()
    context, page = await desk.sign_in()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#content")).to_be_focused()
    await page.goto(f"{desk.url}/portal/payments")
    await page.locator(".row-link").first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"/portal/payments/[\w-]{22}$"))
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
async def test_no_page_has_a_barrier_or_is_wider_than_the_screen(desk: Desk, width: int, scheme: str) -> None:
    checkout = await desk.paid()
    context, page = await desk.sign_in(width, scheme)
    for path in (*PAGES, f"/portal/payments/{checkout['payment']}"):
        await page.goto(desk.url + path)
        assert await find_barriers(page) == [], path
        overhang = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(overhang) == 0, path
    await page.goto(f"{desk.url}/portal/nothing")
    await context.clear_cookies()
    await page.goto(f"{desk.url}/portal")
    assert await find_barriers(page) == []
    # Both are answered with a status that the browser reports as an error, as it should.
    assert len([line for line in desk.strays if "status of 40" in line]) == 2
    desk.strays[:] = [line for line in desk.strays if "status of 40" not in line]
    await context.close()


async def test_a_name_that_is_saved_is_what_the_customer_reads(desk: Desk) -> None:
    checkout = await desk.box.checkout()
    context, page = await desk.sign_in(375)
    await page.get_by_role("link", name="Settings").click()
    name = page.get_by_label("Name of the shop")
    before = await name.input_value()
    for text in ("Bäckerei & Söhne", before):
        await name.fill(text)
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
        customer = await context.new_page()
        await customer.goto(checkout["redirect_url"])
        await expect(customer.locator("body")).to_contain_text(text)
        await customer.close()
    await expect(page.get_by_role("region", name="What was changed")).to_contain_text(
        f"from {before} to Bäckerei & Söhne"
    )
    await context.close()


async def test_signed_out_means_out_also_with_the_back_button(desk: Desk) -> None:
    context, page = await desk.sign_in()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Goodbye")).to_be_visible()
    await page.go_back()
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in to Settle")).to_be_visible()
    await page.get_by_role("link", name="Open Settle from the sandbox").click()
    await page.wait_for_url(re.compile(r"/portal$"), timeout=PATIENCE_MS)
    desk.strays[:] = [line for line in desk.strays if "status of 401" not in line]
    await context.close()
