"""The merchant in a real browser, through one sandbox: signed in from Shopify's admin, on a desk and on a phone."""

import re
from base64 import b64decode, b64encode

import pytest
from playwright.async_api import expect
from solders.keypair import Keypair

from tests.accessibility import find_barriers
from tests.customers import PATIENCE_MS, BrowserWallet
from tests.desks import Desk
from tests.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = (
    "/portal", "/portal/payments", "/portal/refunds", "/portal/find?query=nothing", "/portal/attention",
    "/portal/settings", "/portal/privacy",
)  # fmt: skip

# A wallet that only signs what it is given.
# What a screen reader would say: text that comes into a live region after the page is there.
LISTENER = """
document.addEventListener("DOMContentLoaded", () => {
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const region = (target.nodeType === 1 ? target : target.parentElement)?.closest("[role=status], [role=alert]");
      if (region?.innerText) window.heard(region.innerText);
    }
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
});
"""
SIGNER = """
(() => {
  const chain = "solana:mainnet", bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const text = (array) => btoa(String.fromCharCode(...array));
  const account = { address: "ADDRESS", publicKey: new Uint8Array(32), chains: [chain], features: [] };
  const wallet = {
    version: "1.0.0", name: "Test Signer", icon: "data:image/gif;base64,R0lGODlhAQABAAAAACw=", chains: [chain],
    accounts: [account],
    features: {
      "standard:connect": { version: "1.0.0", connect: async () => ({ accounts: [account] }) },
      "solana:signMessage": {
        version: "1.0.0",
        signMessage: async ({ message }) =>
          [{ signedMessage: message, signature: bytes(await window.signBytes(text(message))) }],
      },
      "solana:signTransaction": {
        version: "1.0.0", supportedTransactionVersions: ["legacy"],
        async signTransaction({ transaction }) {
          const signed = new Uint8Array(transaction);
          signed.set(bytes(await window.signBytes(text(transaction.slice(65)))), 1);
          return [{ signedTransaction: signed }];
        },
      },
    },
  };
  const register = (api) => api.register(wallet);
  window.addEventListener("wallet-standard:app-ready", (event) => register(event.detail));
  window.dispatchEvent(new CustomEvent("wallet-standard:register-wallet", { detail: register }));
})();
"""


async def test_a_merchant_finds_a_payment_reads_its_story_and_exports_the_list(desk: Desk) -> None:
    checkout = await desk.box.paid("33.21")
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
    await page.get_by_role("region", name="Details").get_by_role("link", name="in the explorer").last.click()
    await expect(page.get_by_role("heading", name="Transaction", level=1)).to_be_visible()
    await expect(page.locator("pre")).to_contain_text("transferChecked")
    await page.go_back()
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
    await desk.box.paid()
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


async def test_a_refund_is_denied_by_keyboard_alone_and_what_becomes_of_it_is_said(desk: Desk) -> None:
    refund = await desk.box.refund(await desk.box.paid("20.00"), "3.00")
    context, page = await desk.sign_in()
    # Whatever a live region says, on this page and when it is made anew.
    said: list[str] = []

    async def hear(text: str) -> None:
        said.append(text)

    await page.expose_function("heard", hear)
    await page.add_init_script(LISTENER)
    await page.goto(f"{desk.url}/portal/refunds/{refund['row']['id']}")
    await page.get_by_text("Deny this refund…").focus()
    for key in ("Enter", "Tab"):
        await page.keyboard.press(key)
    await expect(page.get_by_label("Why is it denied?")).to_be_focused()
    await page.keyboard.type("The goods were not sent back.")
    for key in ("Tab", "Space", "Tab"):
        await page.keyboard.press(key)
    await expect(page.get_by_role("button", name="Deny it for good")).to_be_focused()
    await desk.box.fault("shopify", "status", value=503)
    await page.keyboard.press("Enter")
    await expect(page.locator(".page-head .badge").first).to_have_text("Denying", timeout=PATIENCE_MS)
    await desk.box.mend()
    await desk.box.advance(6)
    await expect(page.locator(".page-head .badge").first).to_have_text("Denied", timeout=PATIENCE_MS)

    async def is_said() -> bool:
        return any("Shopify knows that this refund is not made" in text for text in said)

    await wait_until(is_said, 10, "the end is said")
    # It is not called denied by a page that was made anew for another reason.
    assert "done=" not in page.url
    await context.close()


async def test_whoever_wants_no_motion_gets_none_at_the_portal(desk: Desk) -> None:
    refund = await desk.box.refund(await desk.box.paid("20.00"), "1.00")
    context, page = await desk.sign_in()
    await page.emulate_media(reduced_motion="reduce")
    for path in (*PAGES, f"/portal/refunds/{refund['row']['id']}"):
        await page.goto(desk.url + path)
        assert await page.evaluate("document.getAnimations().length") == 0, path
        moving = """[...document.querySelectorAll("*")].filter((one) => {
          const style = getComputedStyle(one);
          return parseFloat(style.transitionDuration) > 0 || style.scrollBehavior === "smooth";
        }).length"""
        assert await page.evaluate(moving) == 0, path
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
async def test_no_page_has_a_barrier_or_is_wider_than_the_screen(desk: Desk, width: int, scheme: str) -> None:
    checkout = await desk.box.paid()
    context, page = await desk.sign_in(width, scheme)
    for path in (*PAGES, f"/portal/payments/{checkout['payment']}"):
        await page.goto(desk.url + path)
        assert await find_barriers(page) == [], path
        # Smaller still, and at 200 %: then a window of 1280 pixels is one of 640.
        for shown in (width, 320 if width == 375 else 640):
            await page.set_viewport_size({"width": shown, "height": 800})
            overhang = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await page.evaluate(overhang) == 0, (path, shown)
        await page.set_viewport_size({"width": width, "height": 800})
    await page.goto(f"{desk.url}/portal/nothing")
    await context.clear_cookies()
    await page.goto(f"{desk.url}/portal")
    assert await find_barriers(page) == []
    # Both are answered with a status that the browser reports as an error, as it should.
    assert desk.excuse("status of 40") == 2
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
    desk.excuse("status of 401")
    await context.close()


async def test_a_refund_is_approved_by_phone_and_the_page_follows(desk: Desk) -> None:
    box = desk.box
    refund = await box.refund(await desk.box.paid("20.00"), "5.00")
    context, page = await desk.sign_in(375)
    await page.get_by_role("link", name=re.compile("Approve or deny")).click()
    await page.get_by_role("table").get_by_role("link", name="5.00 USD").first.click()
    await expect(page.get_by_text("enough for this refund")).to_be_visible()
    await expect(page.get_by_role("link", name="Open in wallet")).to_have_attribute("href", refund["link"])
    code = await page.locator(".qr svg").bounding_box()
    assert code is not None
    assert code["width"] >= 240
    assert await find_barriers(page) == []
    assert (await box.pay(await desk.merchant(), refund["link"])).status_code == 200
    await expect(page.locator(".page-head .badge").first).to_have_text("Refunded", timeout=PATIENCE_MS)
    await expect(page.get_by_role("region", name="Approve")).to_have_count(0)
    assert (await box.refund_at_shopify(refund))["state"] == "resolved"
    await context.close()


@pytest.mark.parametrize("only_signs", [False, True], ids=["signs and sends", "signs"])
async def test_a_refund_is_paid_by_a_wallet_in_the_browser(desk: Desk, only_signs: bool) -> None:
    refund = await desk.box.refund(await desk.box.paid("20.00"), "4.00")
    wallet = BrowserWallet(desk.box)
    await wallet.fund("50")
    context, page = await desk.sign_in()
    await wallet.put_into(page, only_signs=only_signs)
    await page.goto(f"{desk.url}/portal/refunds/{refund['row']['id']}")
    await page.get_by_role("button", name="Pay with Test Wallet").click()
    await expect(page.locator(".page-head .badge").first).to_have_text("Refunded", timeout=PATIENCE_MS)
    assert wallet.did == (["signed"] if only_signs else ["signed", "sent"])
    await context.close()


async def test_a_refund_is_denied_with_a_message_that_shopify_shows(desk: Desk) -> None:
    refund = await desk.box.refund(await desk.box.paid("20.00"), "3.00")
    context, page = await desk.sign_in()
    await page.goto(f"{desk.url}/portal/refunds/{refund['row']['id']}")
    await page.get_by_text("Deny this refund…").click()
    await page.get_by_label("Why is it denied?").fill("The goods were not sent back.")
    # Nothing is sent until it is confirmed.
    await page.get_by_role("button", name="Deny it for good").click()
    assert (await desk.box.refund_row(refund))["status"] == "pending"
    await page.get_by_label(re.compile("I deny the refund of 3.00 USD")).check()
    await page.get_by_role("button", name="Deny it for good").click()
    await expect(page.locator(".page-head .badge").first).to_have_text("Denied", timeout=PATIENCE_MS)
    known = await desk.box.refund_at_shopify(refund)
    assert (known["state"], known["merchant_message"]) == ("rejected", "The goods were not sent back.")
    await context.close()


async def test_a_refund_that_lands_while_it_is_denied_is_paid_and_never_both(desk: Desk) -> None:
    box = desk.box
    refund = await box.refund(await desk.box.paid("20.00"), "2.00")
    merchant = await desk.merchant()
    fetched = await box.outside.post(f"/sandbox/wallets/{merchant}/fetch", json={"link": refund["link"]})
    context, page = await desk.sign_in()
    await page.goto(f"{desk.url}/portal/refunds/{refund['row']['id']}")
    await expect(page.get_by_text("may still land")).to_have_count(2)
    await page.get_by_text("Deny this refund…").click()
    await page.get_by_label("Why is it denied?").fill("No.")
    await page.get_by_label(re.compile("I deny the refund")).check()
    await page.get_by_role("button", name="Deny it for good").click()
    await expect(page.locator(".page-head .badge").first).to_have_text("Denying")
    await expect(page.get_by_role("region", name="How it stands")).to_contain_text(
        re.compile(r"in \d+ (minute|second)s? at most")
    )
    assert await find_barriers(page) == []
    sent = await box.outside.post(
        f"/sandbox/wallets/{merchant}/send", json={"transaction": fetched.json()["transaction"]}
    )
    assert sent.status_code == 200
    await expect(page.locator(".page-head .badge").first).to_have_text("Refunded", timeout=PATIENCE_MS)
    known = await box.refund_at_shopify(refund)
    assert (known["state"], {mutation["name"] for mutation in known["mutations"]}) == (
        "resolved",
        {"refundSessionResolve"},
    )
    await context.close()


async def test_a_new_shop_goes_from_install_to_ready(desk: Desk) -> None:
    key = Keypair()
    await desk.box.world._devnets["live"].airdrop(str(key.pubkey()), 10**9)
    context, page = await desk.sign_in(375, shop="new-shop.myshopify.com")
    await page.expose_function("signBytes", lambda text: b64encode(bytes(key.sign_message(b64decode(text)))).decode())
    await page.add_init_script(SIGNER.replace("ADDRESS", str(key.pubkey())))
    await page.get_by_role("link", name="See what is left to do").click()
    await page.wait_for_url("**/portal/onboarding")
    assert await find_barriers(page) == []
    await page.get_by_role("button", name="Use Test Signer").click()
    await expect(page.get_by_text("The wallet is yours: that is proved.")).to_be_visible(timeout=PATIENCE_MS)
    async with page.expect_navigation():
        await page.get_by_role("button", name="Open the account with Test Signer").click()
    account = page.get_by_role("region", name="Its USDC account")

    async def is_open() -> bool:
        await page.reload()
        return await account.get_by_text("can receive").count() > 0

    await wait_until(is_open, 20, "the account is on the chain")
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Accept").click()
    await page.get_by_role("button", name="Begin").click()
    await expect(page.get_by_text("Your identity is confirmed.")).to_be_visible()
    await page.get_by_role("button", name="Take payments").click()
    await expect(page.get_by_role("heading", name="Your shop takes USDC payments")).to_be_visible()
    assert await find_barriers(page) == []
    await page.get_by_role("link", name="Go to Shopify’s settings").click()
    await page.wait_for_url(re.compile(r"/services/payments_partners/gateways/"))
    [row] = await desk.box.house.rows(
        "SELECT status::text, wallet FROM merchants WHERE shop = 'new-shop.myshopify.com'"
    )
    assert tuple(row) == ("active", str(key.pubkey()))
    await context.close()


async def test_a_payout_wallet_is_proved_by_scanning_a_code_and_the_page_follows(desk: Desk) -> None:
    box, address = desk.box, await desk.box.wallet("0", sol="1")
    context, page = await desk.sign_in(375, shop="scanning-shop.myshopify.com")
    await page.goto(f"{desk.url}/portal/onboarding")
    await page.get_by_role("button", name="Scan a code with your wallet").click()
    link = await page.get_by_role("link", name="Open in wallet").get_attribute("href")
    code = await page.locator(".qr svg").bounding_box()
    assert code is not None
    assert code["width"] >= 240
    assert await find_barriers(page) == []
    assert (await box.pay(address, str(link))).status_code == 200
    await expect(page.get_by_text("A wallet has signed.", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    # And it is said aloud.
    await expect(page.locator("body > [role=status]")).to_contain_text("A wallet has signed.")
    await expect(page.locator("code", has_text=address[:5]).first).to_be_visible()
    assert await find_barriers(page) == []
    await page.get_by_role("button", name="This is my wallet").click()
    await expect(page.get_by_text("The wallet is yours: that is proved.")).to_be_visible()
    await expect(page.get_by_role("region", name="Its USDC account").get_by_text("can receive")).to_be_visible()
    await context.close()


async def test_in_the_sandbox_a_wallet_of_its_own_scans_and_pays_refunds(desk: Desk) -> None:
    context, page = await desk.sign_in(shop="curious-shop.myshopify.com")
    await page.goto(f"{desk.url}/portal/onboarding")
    await page.get_by_role("button", name="Scan a code with your wallet").click()
    await page.get_by_role("button", name="Scan with a sandbox wallet").click()
    await page.get_by_role("button", name="This is my wallet").click(timeout=PATIENCE_MS)
    await expect(page.get_by_text("The wallet is yours: that is proved.")).to_be_visible()
    await context.close()
    refund = await desk.box.refund(await desk.box.paid("20.00"), "5.00")
    context, page = await desk.sign_in()
    await page.goto(f"{desk.url}/portal/refunds/{refund['row']['id']}")
    await page.get_by_role("button", name="Pay with the sandbox’s payout wallet").click()
    await expect(page.locator(".page-head .badge").first).to_have_text("Refunded", timeout=PATIENCE_MS)
    await context.close()
