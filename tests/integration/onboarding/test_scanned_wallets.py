"""A code shows a payout wallet: a wallet scans it, signs and sends; the merchant, signed in, says that it is theirs."""

import html
import re
from base64 import b64decode, b64encode

import httpx
import pytest
from solders.keypair import Keypair

from app.onboarding.scanned_wallets import LANDING
from app.records import Cluster
from chain.payout_account import build_found_message, derive_reference, wire_of
from tests.box import Box, open_browser
from tests.integration.onboarding.merchant import Merchant
from tests.integration.onboarding.test_onboarding import give_sol, has_account
from tests.integration.onboarding.test_onboarding_pages import Forms
from tests.waiting import wait_until


class Desk:
    """The onboarding's page, and what a wallet does that scans the code on it."""

    def __init__(self, box: Box, browser: httpx.AsyncClient, merchant: Merchant) -> None:
        self.box = box
        self.forms = Forms(box, browser)
        self.merchant = merchant

    async def begin(self) -> str:
        """The link that the code holds."""
        await self.forms.load()
        return link_in(await self.forms.send("scan"))

    async def ask(self, link: str, account: str, **headers: str) -> httpx.Response:
        path = link.removeprefix(f"solana:{self.box.house.settings.public_url}")
        return await self.box.house.public.post(path, json={"account": account}, headers=headers)

    async def sign(self, link: str, wallet: Keypair) -> None:
        """The wallet fetches the transaction, signs it as it is, and sends it."""
        answer = await self.ask(link, str(wallet.pubkey()))
        assert answer.status_code == 200, answer.text
        await self.send(b64decode(answer.json()["transaction"])[65:], wallet)

    async def send(self, message: bytes, wallet: Keypair) -> None:
        node = self.box.house.system.clusters[Cluster.live].node
        signature = await node.send_transaction(wire_of(message, bytes(wallet.sign_message(message))))

        async def confirmed() -> bool:
            return await node.transaction(signature, "confirmed") is not None

        await wait_until(confirmed, 20, "the wallet's transaction is confirmed")

    async def note(self, link: str, wallet: Keypair, memo: str | None = None) -> bytes:
        """The message that the code asks for, or one like it with another memo."""
        [kept] = await self.box.house.rows("SELECT content FROM wallet_challenges WHERE wallet IS NULL")
        parts = self.box.house.system.clusters[Cluster.live]
        blockhash = (await parts.node.latest_blockhash("confirmed")).hash
        reference = derive_reference(link.rpartition("/")[2])
        return build_found_message(wallet.pubkey(), parts.mint, memo or kept["content"].decode(), reference, blockhash)

    async def signers(self) -> list[str]:
        found: list[str] = (await self.merchant.ask("/scan"))["signers"]
        return found


def link_in(page: str) -> str:
    [link] = re.findall(r'href="(solana:[^"]+)"', page)
    return html.unescape(link)


@pytest.fixture
def desk(box: Box, browser: httpx.AsyncClient, merchant: Merchant) -> Desk:
    return Desk(box, browser, merchant)


async def test_a_wallet_that_scans_the_code_is_proved_when_the_merchant_says_that_it_is_theirs(
    box: Box, desk: Desk, merchant: Merchant
) -> None:
    link = await desk.begin()
    before = await merchant.ask("/scan")
    wallet = await box.wallet("0", sol="1")
    paid = await box.pay(wallet, link)
    assert paid.json()["message"] == "Shows that this wallet is yours. It pays nobody."
    after = await merchant.ask("/scan")
    assert after["signers"] == [wallet]
    assert after["mark"] != before["mark"]
    page = await desk.forms.load()
    assert f'name="wallet" value="{wallet}"' in page
    # Nothing counts yet.
    assert (await merchant.ask())["wallet"]["proved"] is None
    page = await desk.forms.send("scan/take", wallet=wallet)
    assert "that is proved" in page
    known = (await merchant.ask())["wallet"]
    assert (known["proved"], known["proved_by"], known["account_fits"]) == (wallet, "scanned", True)
    [event] = await box.house.rows("SELECT detail FROM events WHERE kind = 'wallet_proved'")
    assert (event["detail"]["wallet"], event["detail"]["proof"]) == (wallet, "scanned")
    assert await box.violations() == []


async def test_the_wallet_opens_its_own_usdc_account_and_pays_for_it(box: Box, desk: Desk, merchant: Merchant) -> None:
    await give_sol(box, merchant.address)
    link = await desk.begin()
    assert not await has_account(box, merchant.address)
    await desk.sign(link, merchant.wallet)
    assert await has_account(box, merchant.address)
    node = box.house.system.clusters[Cluster.live].node
    assert await node.balance(merchant.wallet.pubkey()) == 10**9 - 5_000 - await node.minimum_rent(165)
    await desk.forms.send("scan/take", wallet=merchant.address)
    assert "account" not in (await merchant.ask())["missing"]


async def test_whoever_else_has_seen_the_code_does_not_become_the_payout_wallet(
    box: Box, desk: Desk, merchant: Merchant
) -> None:
    link, stranger = await desk.begin(), Keypair()
    for wallet in (stranger, merchant.wallet):
        await give_sol(box, str(wallet.pubkey()))
        await desk.sign(link, wallet)
    assert await desk.signers() == [str(stranger.pubkey()), merchant.address]
    page = await desk.forms.load()
    assert "2 wallets have signed" in page
    await desk.forms.send("scan/take", wallet=merchant.address)
    assert (await merchant.ask())["wallet"]["proved"] == merchant.address


async def test_a_wallet_that_has_not_signed_is_not_taken(box: Box, desk: Desk, merchant: Merchant) -> None:
    await desk.begin()
    assert "has not signed" in await desk.forms.send("scan/take", 422, wallet=merchant.address)
    assert (await merchant.ask())["wallet"]["proved"] is None


async def test_a_transaction_counts_by_its_memo_and_not_by_the_reference_alone(
    box: Box, desk: Desk, merchant: Merchant
) -> None:
    await give_sol(box, merchant.address)
    link = await desk.begin()
    await desk.send(await desk.note(link, merchant.wallet, "another memo"), merchant.wallet)
    assert await desk.signers() == []


async def test_a_code_is_used_once_and_a_newer_one_takes_its_place(box: Box, desk: Desk, merchant: Merchant) -> None:
    await give_sol(box, merchant.address)
    first = await desk.begin()
    second = link_in(await desk.forms.send("scan"))
    assert (await desk.ask(first, merchant.address)).status_code == 410
    await desk.sign(second, merchant.wallet)
    await desk.forms.send("scan/take", wallet=merchant.address)
    assert (await desk.ask(second, merchant.address)).status_code == 410
    assert "has been used" in await desk.forms.send("scan/take", 410, wallet=merchant.address)
    assert (await merchant.ask("/scan"))["mark"] is None


async def test_a_code_ends_with_its_time_and_what_was_fetched_before_still_counts(
    box: Box, desk: Desk, merchant: Merchant
) -> None:
    await give_sol(box, merchant.address)
    link = await desk.begin()
    await box.advance(box.house.settings.wallet_challenge_seconds + 1)
    late = await desk.ask(link, merchant.address, **{"Accept-Language": "de"})
    assert (late.status_code, late.json()["reason"]) == (410, "scan_over")
    assert "Code" in late.json()["message"]
    assert "time is over" in await desk.forms.load()
    await desk.send(await desk.note(link, merchant.wallet), merchant.wallet)
    assert await desk.signers() == [merchant.address]
    await box.advance(LANDING.seconds)
    assert await desk.signers() == []
    assert "Scan a code with your wallet" in await desk.forms.load()


async def test_what_can_not_be_a_payout_wallet_is_told_so_in_the_wallet(box: Box, desk: Desk) -> None:
    link = await desk.begin()
    parts = box.house.system.clusters[Cluster.live]
    for address in (str(next(iter(parts.fee_payers.addresses))), str(parts.mint), "hello", ""):
        answer = await desk.ask(link, address)
        assert (answer.status_code, answer.json()["reason"]) == (422, "scanning_wallet_unfit"), address
    poor = await desk.ask(link, str(Keypair().pubkey()))
    assert (poor.status_code, poor.json()["reason"]) == (422, "too_little_sol_to_show")
    assert "this wallet has 0.00" in poor.json()["message"]
    unreadable = await desk.ask(link, "x" * 10_000)
    assert unreadable.status_code in (413, 422)


@pytest.mark.parametrize("nonce", ["A" * 22, "nothing", "%00", "../refund/x"])
async def test_an_unknown_code_is_over_and_a_wallet_in_a_browser_can_read_it(box: Box, nonce: str) -> None:
    address = f"/transactions/wallet/{nonce}"
    for answer in (
        await box.house.public.get(address),
        await box.house.public.post(address, json={"account": str(Keypair().pubkey())}),
    ):
        assert answer.status_code in (404, 410)
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_wallet_is_told_whose_payout_wallet_it_is_about(desk: Desk, box: Box) -> None:
    link = await desk.begin()
    path = link.removeprefix(f"solana:{box.house.settings.public_url}")
    shown = (await box.house.public.get(path, headers={"Accept-Language": "en"})).json()
    assert shown["label"].startswith("Payout wallet of ")
    assert (await box.house.public.get(path, headers={"Accept-Language": "fr"})).json()["label"] != shown["label"]


async def test_another_shop_sees_and_takes_nothing_of_it(box: Box, desk: Desk, merchant: Merchant) -> None:
    await give_sol(box, merchant.address)
    await desk.sign(await desk.begin(), merchant.wallet)
    async with open_browser() as browser:
        other = Merchant(box, browser)
        await other.sign_in("other-shop.myshopify.com")
        assert (await other.ask("/scan")) == {"signers": [], "mark": None}
        forms = Forms(box, browser)
        await forms.load()
        await forms.send("scan/take", 410, wallet=merchant.address)


async def test_while_the_chain_can_not_be_asked_the_page_says_so_and_nothing_is_taken(
    box: Box, desk: Desk, merchant: Merchant
) -> None:
    await give_sol(box, merchant.address)
    link = await desk.begin()
    await desk.sign(link, merchant.wallet)
    await box.fault("rpc", "status", value=503)
    assert (await merchant.ask("/scan", status=503))["reason"] == "chain_unreachable"
    assert "The chain cannot be asked right now" in await desk.forms.load()
    assert (await desk.ask(link, merchant.address)).status_code == 503
    await desk.forms.send("scan/take", 503, wallet=merchant.address)
    await box.mend()

    async def is_back() -> bool:
        return await desk.signers() == [merchant.address]

    await wait_until(is_back, 20, "the chain can be asked again")
    await desk.forms.send("scan/take", wallet=merchant.address)


async def test_a_code_is_followed_only_where_it_is_shown_and_leads_to_a_page_that_opens(
    desk: Desk, merchant: Merchant
) -> None:
    await desk.begin()
    page = await desk.forms.send("identity")
    assert "standing.js" in page
    assert 'data-page="/portal/onboarding"' in page
    page = await desk.forms.send("wallet", wallet=merchant.address)
    assert "Sign this text" in page
    assert "standing.js" not in page
    assert "data-follow" not in page


async def test_a_code_is_no_text_to_sign(box: Box, desk: Desk, merchant: Merchant) -> None:
    await merchant.ask("/wallet", {"wallet": merchant.address, "proof": "scanned"}, 400)
    nonce = (await desk.begin()).rpartition("/")[2]
    [kept] = await box.house.rows("SELECT content FROM wallet_challenges")
    signed = b64encode(bytes(merchant.wallet.sign_message(kept["content"]))).decode()
    await merchant.ask("/proof", {"nonce": nonce, "signed": signed}, 422)
    assert (await merchant.ask())["wallet"]["proved"] is None
