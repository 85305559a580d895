"""A customer in a real browser: from the store's product to its thank-you page, through the whole sandbox."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.accessibility import find_barriers
from tests.customers import PATIENCE_MS, Counter, thanks
from tests.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _stage(page: Page, stage: str) -> None:
    await expect(page.locator("main")).to_have_attribute("data-stage", stage, timeout=PATIENCE_MS)


@pytest.mark.parametrize("width", [1280, 375])
async def test_a_customer_pays_and_is_thanked(counter: Counter, width: int) -> None:
    page = await counter.page(viewport={"width": width, "height": 800})
    await page.goto(f"{counter.box.world.url}/")
    await page.get_by_role("button", name=re.compile("Pay with Solana")).click()
    await page.wait_for_url(re.compile("/pay/"))
    await expect(page.get_by_text("Settle Sandbox Store").first).to_be_visible()
    await expect(page.locator("#amount")).to_have_text(re.compile(r"^\$\d+\.\d\d USD$"))
    await expect(page.locator("#usdc")).to_have_text(re.compile(r"^\d+\.\d\d$"))
    await page.get_by_role("button", name="Pay with the sandbox wallet").click()
    await page.wait_for_url(thanks())
    await expect(page.locator("body")).to_contain_text(re.compile("thank", re.IGNORECASE))
    assert counter.strays == []


async def test_without_the_stream_the_page_polls_and_arrives_all_the_same(counter: Counter) -> None:
    page = await counter.page()
    await page.route("**/events", lambda route: route.abort())
    await page.goto((await counter.checkout())["redirect_url"])
    await page.get_by_role("button", name="Pay with the sandbox wallet").click()
    await page.wait_for_url(thanks())
    counter.strays.clear()  # the browser tells of each stream that was cut


async def test_the_page_follows_a_phone_from_the_scan_to_the_end(counter: Counter) -> None:
    checkout = await counter.checkout("20.00")
    page = await counter.open(checkout)
    await _stage(page, "waiting")
    await counter.box.house.public.get(f"/transactions/payment/{checkout['payment']}")
    await _stage(page, "connected")
    await expect(page.get_by_role("status").first).to_contain_text("Wallet connected")
    wallet, fetched = await counter.fetch(checkout)
    await _stage(page, "approve")
    await expect(page.locator("[aria-current=step]")).to_have_text("Approve")
    await counter.send(wallet, fetched)
    await page.wait_for_url(thanks())


async def test_a_second_device_says_that_a_wallet_is_at_it_already_and_both_arrive(counter: Counter) -> None:
    checkout = await counter.checkout()
    first = await counter.open(checkout)
    wallet, fetched = await counter.fetch(checkout)
    second = await counter.open(checkout, viewport={"width": 375, "height": 800})
    await expect(second.get_by_role("status").first).to_contain_text("A wallet has already opened this payment.")
    await _stage(first, "approve")
    await expect(first.get_by_role("status").first).to_contain_text("waiting in your wallet")
    await counter.send(wallet, fetched)
    for page in (first, second):
        await page.wait_for_url(thanks())


async def test_a_phone_that_is_refused_is_explained_on_the_page_until_it_tries_again(counter: Counter) -> None:
    checkout = await counter.checkout("20.00", locale="de-DE")
    page = await counter.open(checkout)
    _, refused = await counter.fetch(checkout, usdc="3")
    assert refused.status_code == 422
    told = "Diese Wallet enthält 3,00 USDC, die Zahlung benötigt 20,00."
    assert refused.json()["message"].startswith(told)
    await expect(page.get_by_role("alert")).to_have_text(refused.json()["message"])
    wallet, fetched = await counter.fetch(checkout)
    await expect(page.locator("#notice")).to_be_hidden()
    await counter.send(wallet, fetched)
    await page.wait_for_url(thanks())


async def test_two_tabs_of_one_order_end_well_whichever_is_paid(counter: Counter) -> None:
    paid = await counter.checkout("15.00")
    other = await counter.checkout("15.00", group=paid["group"])
    pages = [await counter.open(checkout) for checkout in (paid, other)]
    assert (await counter.box.pay(await counter.box.wallet(), paid["link"])).status_code == 200
    await pages[0].wait_for_url(thanks())
    await _stage(pages[1], "already_paid")
    await expect(pages[1].get_by_role("status").first).to_contain_text("already paid")
    way_back = pages[1].get_by_role("link", name="Return to shop")
    # Shopify's acknowledgement of the other one brings it, and not only when the page looks by itself.
    await expect(way_back).to_have_attribute("href", thanks(), timeout=8_000)
    await way_back.click()
    await pages[1].wait_for_url(thanks())


async def test_a_screened_out_wallet_ends_the_payment_and_leads_back(counter: Counter) -> None:
    checkout = await counter.checkout()
    page, wallet = await counter.open(checkout), await counter.box.wallet()
    await counter.box.outside.post("/sandbox/trm/flagged", json={"address": wallet})
    assert (await counter.box.pay(wallet, checkout["link"])).status_code == 422
    await _stage(page, "refused")
    await expect(page.get_by_role("status").first).to_contain_text("cannot be paid with USDC")
    await page.get_by_role("link", name="Return to shop").click()
    await page.wait_for_url(re.compile("/checkouts/"))


async def test_a_price_that_comes_late_is_shown_when_it_is_there(counter: Counter) -> None:
    await counter.box.fault("prices", "status", value=503)
    page = await counter.open(await counter.checkout("10.00", "KRW"))
    await _stage(page, "unpriced")
    await counter.box.mend()
    await _stage(page, "waiting")
    await expect(page.locator("#usdc")).to_have_text(re.compile(r"^\d+\.\d+$"))


async def test_a_price_that_has_ended_is_fetched_anew(counter: Counter) -> None:
    page = await counter.open(await counter.checkout("10.00", "EUR"))
    await expect(page.locator("#holds")).to_contain_text(re.compile(r"Price holds for 9:\d\d"))
    before = await page.locator("#usdc").text_content()
    # By less than what counts as a jump, which nobody believes at once.
    await counter.box.outside.post("/sandbox/prices", json={"EUR": "0.85"})
    await counter.box.advance(601)
    await expect(page.locator("#usdc")).not_to_have_text(before or "", timeout=PATIENCE_MS)
    await expect(page.locator("#holds")).to_contain_text(re.compile(r"Price holds for \d+:\d\d"))


async def test_an_expired_payment_starts_again_with_its_page_open(counter: Counter) -> None:
    checkout = await counter.checkout()
    page = await counter.open(checkout)
    await counter.box.advance(86_401)
    await _stage(page, "expired")
    await page.get_by_role("button", name="Start again").click()
    await _stage(page, "waiting")
    assert (await counter.box.pay(await counter.box.wallet(), checkout["link"])).status_code == 200
    await page.wait_for_url(thanks())


async def test_with_the_node_down_the_wallet_is_told_to_try_again_and_then_can(counter: Counter) -> None:
    checkout = await counter.checkout()
    page = await counter.open(checkout)
    await counter.box.fault("rpc", "status", value=503)
    _, refused = await counter.fetch(checkout)
    assert refused.json()["message"] == await page.get_by_role("alert").text_content()
    await expect(page.get_by_role("alert")).to_contain_text("The Solana network cannot be reached right now.")
    await counter.box.mend()
    await page.get_by_role("button", name="Show the code again").click()
    assert (await counter.box.pay(await counter.box.wallet(), checkout["link"])).status_code == 200
    await page.wait_for_url(thanks())


async def test_with_shopify_down_the_customer_may_go_and_the_page_arrives_later(counter: Counter) -> None:
    checkout = await counter.checkout()
    page = await counter.open(checkout)
    await counter.box.fault("shopify", "status", value=503, times=2)
    assert (await counter.box.pay(await counter.box.wallet(), checkout["link"])).status_code == 200
    await _stage(page, "paid")
    await expect(page.get_by_text("You can close this page")).to_be_visible()
    await counter.box.mend()
    await counter.box.advance(60)
    await page.wait_for_url(thanks())


async def test_a_lost_connection_is_said_and_mends_by_itself(counter: Counter) -> None:
    checkout = await counter.checkout()
    page = await counter.page()
    await page.route(re.compile("/events$"), lambda route: route.abort())
    await page.goto(checkout["redirect_url"])
    await page.context.set_offline(True)
    await expect(page.locator("#trouble")).to_contain_text("lost its connection", timeout=PATIENCE_MS)
    await page.context.set_offline(False)
    await expect(page.locator("#trouble")).to_be_empty(timeout=PATIENCE_MS)
    counter.strays.clear()  # the browser tells of every request that failed


async def test_cancel_leads_back_to_the_shop_and_changes_nothing(counter: Counter) -> None:
    checkout = await counter.checkout()
    page = await counter.open(checkout)
    await page.get_by_role("link", name="Cancel and return to shop").click()
    await page.wait_for_url(re.compile(r"/checkouts/[^/]+/cancelled"))
    assert (await counter.box.status(checkout))["status"] == "pending"
    assert (await counter.box.at_shopify(checkout))["state"] == "open"


async def test_a_paid_payments_page_leads_home_also_when_opened_again(counter: Counter) -> None:
    checkout = await counter.checkout()
    assert (await counter.box.pay(await counter.box.wallet(), checkout["link"])).status_code == 200
    await counter.box.until_status(checkout, "completed")
    page = await counter.open(checkout)
    await page.wait_for_url(thanks())


async def test_an_unknown_payment_has_a_page_that_says_so_and_leads_back(counter: Counter) -> None:
    page = await counter.page()
    await page.goto(f"{counter.box.world.url}/")
    answer = await page.goto(f"{counter.box.house.settings.public_url}/pay/nothing")
    assert answer is not None
    assert answer.status == 404
    await expect(page.locator("body")).to_contain_text("does not exist")
    await page.get_by_role("button", name="Go back").click()
    await page.wait_for_url(f"{counter.box.world.url}/")
    counter.strays.clear()  # the browser tells of the 404


async def test_the_link_is_copied_and_said(counter: Counter) -> None:
    checkout = await counter.checkout()
    page = await counter.page(permissions=["clipboard-read", "clipboard-write"])
    await page.goto(checkout["redirect_url"])
    await page.get_by_role("button", name="Copy link").click()
    await expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == checkout["link"]


async def test_a_page_opened_after_the_time_is_over_says_so_and_offers_both_ways(counter: Counter) -> None:
    checkout = await counter.checkout()
    await counter.box.advance(86_401)
    await counter.box.until_status(checkout, "expired")
    page = await counter.open(checkout)
    await expect(page.get_by_role("status").first).to_contain_text("The time for this payment is over")
    await expect(page.get_by_role("button", name="Start again")).to_be_visible()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await find_barriers(page) == []
    await page.get_by_role("link", name="Return to shop").click()
    await page.wait_for_url(re.compile("/checkouts/"))


async def test_a_page_of_a_shop_that_took_the_app_out_says_so_and_leads_back(counter: Counter) -> None:
    box, checkout = counter.box, await counter.checkout()
    page = await counter.open(checkout)
    assert (await box.outside.post("/sandbox/admin/uninstall", json={})).status_code < 300
    later = await counter.page()

    async def is_closed() -> bool:
        await later.goto(checkout["redirect_url"])
        return await later.locator("main[data-stage=closed]").count() > 0

    await wait_until(is_closed, 20, "the shop's uninstall is known")
    await page.reload()
    for one in (page, later):
        await expect(one.get_by_role("status").first).to_contain_text("The shop does not take USDC any more.")
        await expect(one.locator("#qr")).to_have_count(0)
        assert await find_barriers(one) == []
        await one.get_by_role("link", name="Return to shop").click()
        await one.wait_for_url(re.compile("/checkouts/"))
