"""A customer pays with a wallet in the browser: the Wallet Standard's two events, a real signature, a real landing."""

import re

import pytest
from playwright.async_api import expect

from app.languages.reader import Language
from app.languages.sentences import translate
from tests.customers import BrowserWallet, Counter, thanks

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("late", [False, True], ids=["before the page", "after the page"])
@pytest.mark.parametrize("only_signs", [False, True], ids=["signs and sends", "signs"])
async def test_a_wallet_in_the_browser_pays(counter: Counter, only_signs: bool, late: bool) -> None:
    wallet, page = BrowserWallet(counter.box), await counter.page()
    await wallet.fund("50")
    await wallet.put_into(page, only_signs=only_signs, late=late)
    checkout = await counter.checkout("20.00")
    await page.goto(checkout["redirect_url"])
    await page.get_by_role("button", name="Pay with Test Wallet").click()
    await page.wait_for_url(thanks())
    assert wallet.did == (["signed"] if only_signs else ["signed", "sent"])
    assert (await counter.box.at_shopify(checkout))["state"] == "resolved"
    left = await counter.box.outside.get(f"/sandbox/wallets/{wallet.key.pubkey()}")
    assert left.json() == {"usdc": "30", "sol": "0"}
    assert counter.strays == []


async def test_of_several_wallets_one_is_chosen_by_keyboard_alone(counter: Counter) -> None:
    page = await counter.page()
    first, second = (BrowserWallet(counter.box, name) for name in ("First", "Second"))
    await second.fund("50")
    await first.put_into(page, declines=True)
    await second.put_into(page)
    checkout = await counter.checkout("5.00")
    await page.goto(checkout["redirect_url"])
    button = page.get_by_role("button", name="Pay in this browser")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="First")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url(thanks())
    assert second.did == ["signed", "sent"]


async def test_whoever_declines_is_told_that_nothing_was_paid_and_tries_again(counter: Counter) -> None:
    wallet, page = BrowserWallet(counter.box), await counter.page()
    await wallet.fund("50")
    await wallet.put_into(page, declines=True)
    await page.goto((await counter.checkout())["redirect_url"])
    await page.get_by_role("button", name="Pay with Test Wallet").click()
    await expect(page.get_by_role("alert")).to_contain_text("Test Wallet did not sign, and nothing was paid.")
    await page.get_by_role("button", name="Show the code again").click()
    await expect(page.locator("#notice")).to_be_hidden()
    await expect(page.get_by_role("button", name="Pay with Test Wallet")).to_be_enabled()
    assert wallet.did == []


async def test_a_refusal_is_the_same_sentence_for_wallet_and_page_in_the_customers_language(counter: Counter) -> None:
    wallet, page = BrowserWallet(counter.box), await counter.page()
    await wallet.fund("1.5")
    await wallet.put_into(page)
    await page.goto((await counter.checkout("20.00", locale="fr-FR"))["redirect_url"])
    await page.get_by_role("button", name=re.compile("Payer avec Test Wallet")).click()
    sentence = "This wallet has {there} USDC, the payment needs {needed}. Add USDC, or pay from another wallet."
    told = translate(Language.fr, sentence, there="1,50", needed="20,00")
    await expect(page.get_by_role("alert")).to_have_text(told)
    assert wallet.did == []


async def test_without_a_wallet_there_is_no_button_and_one_of_another_chain_is_none(counter: Counter) -> None:
    page = await counter.page()
    foreign = """window.addEventListener("wallet-standard:app-ready", ({ detail }) => detail.register({
      version: "1.0.0", name: "Elsewhere", icon: "data:image/png;base64,", chains: ["sui:mainnet"], accounts: [],
      features: { "standard:connect": {}, "solana:signTransaction": {} } }))"""
    await page.add_init_script(foreign)
    await page.goto((await counter.checkout())["redirect_url"])
    await expect(page.locator("#qr svg")).to_be_visible()
    await expect(page.locator("#wallet-pay")).to_be_hidden()
