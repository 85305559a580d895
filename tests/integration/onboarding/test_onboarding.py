"""From a fresh install to taking payments: wallet, account, terms, identity; and Shopify is told, both ways."""

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from app.jobs.worker import Worker
from app.onboarding.configuration import resend_configurations
from app.records import Cluster
from chain.addresses import token_account
from tests.box import Box, open_box, open_browser
from tests.integration.onboarding.merchant import NEW_SHOP, Merchant, fund
from tests.waiting import wait_until

ALL = ["wallet", "account", "terms", "identity"]


async def give_sol(box: Box, address: str) -> None:
    await box.world._devnets["live"].airdrop(address, 10**9)


async def has_account(box: Box, address: str) -> bool:
    parts = box.house.system.clusters[Cluster.live]
    account = token_account(Pubkey.from_string(address), parts.mint)
    return (await parts.node.accounts([account], "confirmed")).accounts[0] is not None


async def gateway(box: Box) -> Any:
    return (await box.outside.get("/sandbox/admin/gateway")).json()


async def work(box: Box) -> None:
    await Worker(box.house.system).drain()


async def row(box: Box, shop: str = NEW_SHOP) -> Any:
    [found] = await box.house.rows("SELECT * FROM merchants WHERE shop = $1", shop)
    return found


async def test_a_merchant_who_has_done_everything_takes_payments_and_shopify_knows(
    box: Box, merchant: Merchant
) -> None:
    state = await merchant.ask()
    assert (state["missing"], state["active"], state["shopify"]) == (ALL, False, None)
    state = await merchant.go_through()
    assert (state["missing"], state["active"]) == ([], True)
    assert state["wallet"]["in_use"] == state["wallet"]["proved"] == merchant.address
    await work(box)
    assert await gateway(box) == {"external_handle": NEW_SHOP, "ready": True}
    state = await merchant.ask()
    assert state["shopify"]["ready"] is True
    assert state["shopify"]["acknowledged_at"]
    assert (await row(box))["status"] == "active"
    assert await box.violations() == []


@pytest.mark.parametrize("left_out", ALL)
async def test_whoever_has_left_something_out_is_told_what_and_stays_closed(
    box: Box, merchant: Merchant, left_out: str
) -> None:
    await (give_sol if left_out == "account" else fund)(box, merchant.address)
    if left_out != "wallet":
        await merchant.prove()
    if left_out != "terms":
        await merchant.accept()
    if left_out != "identity":
        await merchant.ask("/identity", {})
    refused = await merchant.ask("/finish", {}, 409)
    assert refused["reason"] == "onboarding_incomplete"
    assert left_out in refused["message"]
    await work(box)
    assert await gateway(box) is None
    assert (await row(box))["status"] == "inactive"


async def test_the_text_to_sign_names_us_the_shop_the_wallet_the_time_and_a_number_used_once(
    box: Box, merchant: Merchant
) -> None:
    one, other = await merchant.challenge(), await merchant.challenge()
    domain = box.house.settings.public_url.removeprefix("http://")
    for part in (domain, NEW_SHOP, merchant.address, one["nonce"], "Time: 20"):
        assert part in one["content"]
    assert one["nonce"] != other["nonce"]


async def test_a_signature_is_taken_in_base58_and_in_base64(merchant: Merchant) -> None:
    for encode in (str, lambda signature: b64encode(bytes(signature)).decode()):
        asked = await merchant.challenge()
        signature = merchant.wallet.sign_message(asked["content"].encode())
        state = await merchant.ask("/proof", {"nonce": asked["nonce"], "signed": encode(signature)})
        assert (state["wallet"]["proved"], state["wallet"]["proved_by"]) == (merchant.address, "message")


async def test_a_proof_works_once_even_when_it_was_wrong(merchant: Merchant) -> None:
    asked = await merchant.challenge()
    good = merchant.sign(asked["content"])
    await merchant.ask("/proof", {"nonce": asked["nonce"], "signed": good})
    again = await merchant.ask("/proof", {"nonce": asked["nonce"], "signed": good}, 422)
    assert again["reason"] == "proof_invalid"
    asked = await merchant.challenge()
    await merchant.ask("/proof", {"nonce": asked["nonce"], "signed": str(Keypair().sign_message(b"x"))}, 422)
    await merchant.ask("/proof", {"nonce": asked["nonce"], "signed": merchant.sign(asked["content"])}, 422)


async def test_a_proof_ends_with_its_time(box: Box, merchant: Merchant) -> None:
    asked = await merchant.challenge()
    await box.advance(box.house.settings.wallet_challenge_seconds + 1)
    refused = await merchant.ask("/proof", {"nonce": asked["nonce"], "signed": merchant.sign(asked["content"])}, 422)
    assert "time is over" in refused["message"]


async def test_another_keys_signature_or_one_over_another_text_proves_nothing(box: Box, merchant: Merchant) -> None:
    for sign in (
        lambda text: str(Keypair().sign_message(text.encode())),
        lambda text: merchant.sign(text.replace(NEW_SHOP, "other.myshopify.com")),
        lambda text: merchant.sign(text + " "),
        lambda text: merchant.sign(text)[:-2],
        lambda _: "",
        lambda _: "x" * 4_097,
    ):
        asked = await merchant.challenge()
        status = 400 if len(sign(asked["content"])) > 4_096 else 422
        await merchant.ask("/proof", {"nonce": asked["nonce"], "signed": sign(asked["content"])}, status)
    assert (await merchant.ask())["wallet"]["proved"] is None


async def test_a_challenge_of_one_shop_is_nothing_at_another(box: Box, merchant: Merchant) -> None:
    asked = await merchant.challenge()
    async with open_browser() as browser:
        other = Merchant(box, browser)
        await other.sign_in("other-shop.myshopify.com")
        await other.ask("/proof", {"nonce": asked["nonce"], "signed": merchant.sign(asked["content"])}, 422)
    assert (
        await box.house.rows("SELECT FROM onboardings WHERE wallet IS NOT NULL AND wallet = $1", merchant.address) == []
    )


async def test_addresses_that_can_not_be_paid_or_are_ours_are_refused(box: Box, merchant: Merchant) -> None:
    parts = box.house.system.clusters[Cluster.live]
    checkout = await box.checkout()
    [group] = await box.house.rows("SELECT base, address FROM payment_groups")
    addresses = {
        "a program's address": str(token_account(merchant.wallet.pubkey(), parts.mint)),
        "the fee payer": str(next(iter(parts.fee_payers.addresses))),
        "an order's base": group["base"],
        "a single-use account": group["address"],
        "the mint": str(parts.mint),
        "no address": "hello",
        "nothing": "",
    }
    assert checkout
    for what, address in addresses.items():
        refused = await merchant.ask("/wallet", {"wallet": address, "proof": "message"}, 422)
        assert refused["reason"] == "wallet_unfit", what


async def test_a_wallet_without_an_account_makes_one_in_a_transaction_that_it_signs_and_pays(
    box: Box, merchant: Merchant
) -> None:
    await give_sol(box, merchant.address)
    asked = await merchant.challenge("transaction")
    wire = b64decode(asked["content"])
    # One signature, the merchant's: our fee payer is not in it.
    assert wire[0] == 1
    assert Pubkey.from_bytes(wire[69:101]) == merchant.wallet.pubkey()
    message = wire[65:]
    signed = b64encode(wire[:1] + bytes(merchant.wallet.sign_message(message)) + message).decode()
    state = await merchant.ask("/proof", {"nonce": asked["nonce"], "signed": signed})
    assert state["wallet"]["proved_by"] == "transaction"

    async def is_made() -> bool:
        return await has_account(box, merchant.address)

    await wait_until(is_made, 20, "the account is made")
    await merchant.accept()
    await merchant.ask("/identity", {})
    assert (await merchant.ask("/finish", {}))["active"] is True


async def test_a_transaction_that_is_not_ours_to_sign_proves_nothing_and_is_not_sent(
    box: Box, merchant: Merchant
) -> None:
    await give_sol(box, merchant.address)
    asked = await merchant.challenge("transaction")
    other = await merchant.challenge("transaction")
    message = b64decode(other["content"])[65:]
    signed = b64encode(b"\x01" + bytes(merchant.wallet.sign_message(message)) + message).decode()
    await merchant.ask("/proof", {"nonce": asked["nonce"], "signed": signed}, 422)
    assert not await has_account(box, merchant.address)


async def test_terms_of_another_version_are_not_accepted_and_the_version_and_time_are_kept(
    box: Box, merchant: Merchant
) -> None:
    await merchant.ask("/terms", {"terms": "0", "privacy": "1"}, 409)
    state = await merchant.accept()
    assert state["terms"]["accepted"] == state["privacy"]["accepted"] == "1"
    assert state["terms"]["accepted_at"]
    [event] = await box.house.rows("SELECT detail FROM events WHERE kind = 'terms_accepted'")
    assert event["detail"] == {"version": "1, 1"}


async def test_a_writing_call_without_the_sessions_token_does_nothing(box: Box, merchant: Merchant) -> None:
    for step in ("/wallet", "/proof", "/terms", "/identity", "/finish", "/pause"):
        refused = await merchant.ask(step, {}, 403, csrf=False)
        assert refused["reason"] == "csrf_invalid"
    assert await box.house.rows("SELECT FROM onboardings WHERE wallet_proof IS NULL") == []


async def test_another_wallet_needs_its_own_proof_and_touches_no_open_payment(box: Box, merchant: Merchant) -> None:
    await merchant.go_through()
    first = merchant.address
    body = await _open_payment(box)
    merchant.wallet = Keypair()
    await fund(box, merchant.address)
    # Not proved: nothing changes.
    assert (await merchant.ask("/finish", {}))["wallet"]["in_use"] == first
    await merchant.prove()
    assert (await row(box))["wallet"] == first
    await merchant.ask("/finish", {})
    assert (await row(box))["wallet"] == merchant.address
    await _open_payment(box)
    wallets = await box.house.rows("SELECT merchant_wallet FROM payments ORDER BY created_at")
    assert [payment["merchant_wallet"] for payment in wallets] == [first, merchant.address]
    assert body
    # Shopify need not hear of a wallet.
    await work(box)
    assert len(await box.house.rows("SELECT FROM app_configurations")) == 1


async def _open_payment(box: Box) -> Any:
    answer = await box.outside.post(
        "/sandbox/checkouts",
        json={"amount": "5.00", "currency": "USD", "options": {"headers": {"Shopify-Shop-Domain": NEW_SHOP}}},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_pause_closes_the_shop_and_tells_shopify_and_its_end_opens_it_again(
    box: Box, merchant: Merchant
) -> None:
    await merchant.go_through()
    await work(box)
    state = await merchant.ask("/pause", {})
    assert (state["active"], state["missing"]) == (False, [])
    assert state["paused_at"]
    await work(box)
    assert (await gateway(box))["ready"] is False
    refused = await box.outside.post(
        "/sandbox/checkouts",
        json={"amount": "5.00", "currency": "USD", "options": {"headers": {"Shopify-Shop-Domain": NEW_SHOP}}},
    )
    assert refused.status_code == 502
    await merchant.ask("/finish", {})
    await work(box)
    assert (await gateway(box))["ready"] is True


async def test_what_was_decided_last_is_what_shopify_hears_however_late(box: Box, merchant: Merchant) -> None:
    await box.fault("shopify", "status", value=503)
    await merchant.go_through()
    await work(box)
    await merchant.ask("/pause", {})
    await work(box)
    await box.mend()
    await box.advance(60)
    await work(box)
    assert (await gateway(box))["ready"] is False
    calls = await box.house.rows(
        "SELECT m.variables, c.outcome FROM shopify_calls c JOIN shopify_mutations m ON m.id = c.mutation_id"
    )
    assert {call["outcome"] for call in calls if call["variables"]["ready"]} == {"retry"}


async def test_shopify_that_never_answers_alarms_and_is_told_by_one_command(box: Box, merchant: Merchant) -> None:
    await box.fault("shopify", "internal_error")
    await merchant.go_through()
    for _ in range(17):
        await work(box)
        await box.advance(15_000)
    [job] = await box.house.rows("SELECT status, attempts FROM jobs WHERE kind = 'app_ready'")
    assert tuple(job) == ("dead", 17)
    assert 'settle_alarms_total{reason="configure_given_up"}' in (await box.house.public.get("/metrics")).text
    await box.mend()
    assert len(await resend_configurations(box.house.system)) == 1
    assert await resend_configurations(box.house.system) == []
    await work(box)
    assert (await gateway(box))["ready"] is True


async def test_the_way_back_leads_to_shopifys_page_of_the_gateway(box: Box, merchant: Merchant, browser: Any) -> None:
    url = (await merchant.ask())["return_url"]
    client_id = box.house.settings.shopify_client_id
    assert url.endswith(f"/{NEW_SHOP}/services/payments_partners/gateways/{client_id}/settings")
    back = await browser.get(f"{box.house.settings.public_url}/portal/onboarding/return", follow_redirects=False)
    assert (back.status_code, back.headers["location"]) == (303, url)
    assert (await browser.get(url)).status_code == 200


async def test_a_shop_that_comes_back_is_ready_at_shopify_again(box: Box, merchant: Merchant) -> None:
    await merchant.go_through()
    await work(box)
    await box.outside.post("/sandbox/admin/uninstall", json={"shop": NEW_SHOP})

    async def is_gone() -> bool:
        await work(box)
        return (await row(box))["uninstalled_at"] is not None

    await wait_until(is_gone, 20, "the shop is gone")
    await box.advance(60)
    await merchant.sign_in()
    assert (await row(box))["status"] == "active"
    configurations = await box.house.rows("SELECT ready FROM app_configurations ORDER BY id")
    assert [one["ready"] for one in configurations] == [True, True]


async def test_the_operator_who_vouches_is_in_the_history(box: Box, merchant: Merchant) -> None:
    state = await merchant.ask("/identity", {})
    assert state["identity"] == {"provider": "none", "status": "approved", "url": None}
    [event] = await box.house.rows("SELECT detail FROM events WHERE kind = 'identity'")
    assert event["detail"] == {"by": "none", "before": "unstarted", "after": "approved"}


class TestPersona:
    """The identity check by Persona's inquiries."""

    @pytest.fixture
    async def box(self, database_url: str, tmp_path: Path) -> Any:
        async with open_box(database_url, tmp_path, worker=False, identity_provider="persona") as opened:
            yield opened

    async def test_the_merchant_goes_through_personas_page_and_comes_back_approved(
        self, box: Box, merchant: Merchant, browser: httpx.AsyncClient
    ) -> None:
        state = await merchant.ask("/identity", {})
        assert (state["identity"]["provider"], state["identity"]["status"]) == ("persona", "pending")
        assert "identity" in state["missing"]
        done = await browser.post(state["identity"]["url"])
        assert done.url.path == "/portal"
        state = await merchant.ask("/identity", {})
        assert state["identity"] == {"provider": "persona", "status": "approved", "url": None}
        # One inquiry, under the shop's name.
        [inquiry] = (await box.outside.get("/sandbox/persona")).json()["inquiries"]
        assert inquiry["reference"] == NEW_SHOP

    @pytest.mark.parametrize(
        ("persona", "status"),
        [
            ("completed", "pending"),
            ("needs_review", "pending"),
            ("declined", "declined"),
            ("failed", "declined"),
            ("expired", "unstarted"),
        ],
    )
    async def test_every_end_that_persona_knows(self, box: Box, merchant: Merchant, persona: str, status: str) -> None:
        await merchant.ask("/identity", {})
        [inquiry] = (await box.outside.get("/sandbox/persona")).json()["inquiries"]
        await box.outside.post(f"/sandbox/persona/{inquiry['id']}", json={"status": persona})
        state = await merchant.ask("/identity", {})
        assert state["identity"]["status"] == status
        assert "identity" in state["missing"]
        # One that is over is begun anew; one that is not is looked at again.
        await merchant.ask("/identity", {})
        count = len((await box.outside.get("/sandbox/persona")).json()["inquiries"])
        assert count == (1 if status == "pending" else 2)

    @pytest.mark.parametrize("fault", ["status", "drop", "broken_json", "lost_answer"])
    async def test_persona_in_trouble_changes_nothing(self, box: Box, merchant: Merchant, fault: str) -> None:
        await box.fault("persona", fault)
        assert (await merchant.ask("/identity", {}, 503))["reason"] == "identity_unavailable"
        assert (await merchant.ask())["identity"]["status"] == "unstarted"
        await box.mend()
        assert (await merchant.ask("/identity", {}))["identity"]["status"] == "pending"

    async def test_a_merchant_who_is_declined_later_takes_no_more_payments(self, box: Box, merchant: Merchant) -> None:
        await merchant.ask("/identity", {})
        [inquiry] = (await box.outside.get("/sandbox/persona")).json()["inquiries"]
        await box.outside.post(f"/sandbox/persona/{inquiry['id']}", json={"status": "approved"})
        await merchant.go_through()
        await work(box)
        await box.outside.post(f"/sandbox/persona/{inquiry['id']}", json={"status": "declined"})
        state = await merchant.ask("/identity", {})
        assert (state["active"], state["missing"]) == (False, ["identity"])
        await work(box)
        assert (await gateway(box))["ready"] is False
        await merchant.ask("/finish", {}, 409)
