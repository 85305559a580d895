"""The portal tells a payment's whole story, says what can be done about trouble, and does it."""

import asyncio
import re
from html import unescape
from pathlib import Path

import pytest
from solders.account import Account
from solders.pubkey import Pubkey

from app import events
from app.errors import RequestInvalid
from app.payments import lifecycle
from app.portal import actions
from app.portal.attention import count_attention, list_concerns, read_attention
from app.portal.finder import find_payment
from app.portal.history import NotInShop, read_history
from app.portal.payout import Problem, refresh_payout
from app.portal.timeline import PAYOUT, tell
from app.portal.words import (
    EXCEPTIONS,
    MERCHANT_MOVES,
    REFUND_STUCK,
    STATUSES,
    STUCK,
    TROUBLES,
    describe,
    explain_move,
    explain_trouble,
)
from app.records import Cluster, Fate, PaymentException, PaymentStatus, RecordKind
from app.shopify.tokens import TokenMissing, TokenUnavailable
from chain.addresses import token_account
from chain.programs import TOKEN_ACCOUNT_FROZEN, TOKEN_ACCOUNT_STATE_OFFSET
from tests.box import Box
from tests.integration.portal_records.conftest import merchant_of
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


def test_every_status_and_exception_has_words() -> None:
    assert set(STATUSES) == set(PaymentStatus)
    assert set(EXCEPTIONS) == set(PaymentException)


def test_every_reason_that_the_operators_handbook_knows_is_explained_to_the_merchant() -> None:
    section = (ROOT / "docs" / "operating.md").read_text().partition("## Payments that need a person")[2]
    reasons = re.findall(r"^\| `(\w+)` \|", section.partition("\nRefunds are stuck")[0], re.MULTILINE)
    assert len(reasons) >= 6
    assert set(reasons) <= set(STUCK)


def test_every_reason_in_a_story_is_said_in_words() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "app").rglob("*.py") if "sandbox" not in path.parts)
    assert set(re.findall(r'because="(\w+)"', source)) | {events.UNINSTALLED} == set(MERCHANT_MOVES)
    shopify = "\n".join(path.read_text() for path in (ROOT / "app" / "shopify").glob("*.py"))
    noted = set(re.findall(r'Retry\("([a-z]\w+)"', shopify)) | {TokenMissing.reason, TokenUnavailable.reason}
    assert noted <= set(TROUBLES)
    assert set(PAYOUT) == set(Problem)
    for record, known in ((RecordKind.payment, STUCK), (RecordKind.refund, REFUND_STUCK)):
        assert {explain_move(record, reason) for reason in known} == {sentence for sentence, _ in known.values()}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("http_503", "Shopify answered with HTTP 503"),
        ("conflict: It has ended.", "Shopify said: It has ended."),
        ("ConnectTimeout", "Shopify could not be reached"),
        ("no_token", TROUBLES["no_token"]),
    ],
)
def test_what_kept_shopify_from_hearing_is_said_in_words(error: str, words: str) -> None:
    assert explain_trouble(error) == words


async def test_a_story_has_every_event_transaction_call_and_the_tries_to_come(box: Box) -> None:
    await box.fault("shopify", "status", value=503, times=1)
    checkout = await box.checkout("12.34")
    wallet = await box.wallet()
    # One transaction is fetched and forgotten, the other pays.
    await box.outside.post(f"/sandbox/wallets/{await box.wallet()}/fetch", json={"link": checkout["link"]})
    assert (await box.pay(wallet, checkout["link"])).status_code == 200
    merchant, system = await merchant_of(box), box.house.system

    async def refused() -> bool:
        jobs = await box.house.rows("SELECT FROM jobs WHERE attempts = 1 AND status = 'waiting'")
        return bool(jobs)

    await wait_until(refused, 20, "Shopify refused once")
    story = await read_history(system, merchant.id, checkout["payment"])
    assert [event.kind for event in story.events][:1] == ["created"]
    assert {"issued", "fate", "moved"} <= {event.kind for event in story.events}
    fates = {issued.wallet == wallet: issued.fate for issued in story.issued}
    assert fates == {True: Fate.landed, False: Fate.live}
    [told] = story.told
    assert (told.mutation.name, [call.http_status for call in told.calls]) == ("paymentSessionResolve", [503])
    [pending] = story.pending
    assert len(pending.tries) == 16
    assert (pending.tries[0], sorted(pending.tries)) == (pending.job.due_at, list(pending.tries))
    assert (story.can_resend, story.can_attend) == (False, False)
    assert describe(story.line).label == "Confirming"
    await box.advance(6)
    await box.until_status(checkout, "completed")
    story = await read_history(system, merchant.id, checkout["payment"])
    assert (describe(story.line).label, story.pending) == ("Paid", [])
    assert [call.outcome for call in story.told[0].calls] == ["retry", "acknowledged"]
    # When it was paid, not when Shopify confirmed it; and the order of things is that of time.
    moments = [event.at for event in story.events]
    assert moments == sorted(moments)
    paid = next(event.at for event in story.events if event.to_status == "paid")
    assert story.line.paid_at == paid


async def test_links_to_the_explorer_show_what_is_on_the_sandboxs_chain(box: Box) -> None:
    checkout = await box.paid("12.34")
    async with box.house.portal() as client:
        page = await client.get(f"/portal/payments/{checkout['payment']}", headers={"Accept": "text/html"})
    links = {unescape(link) for link in re.findall(r'href="(http[^"]+/sandbox/explorer/[^"]+)"', page.text)}
    pages = {link.rsplit("/", 2)[1]: (await box.outside.get(link)).text for link in links}
    assert "transferChecked" in pages["tx"]
    assert "USDC accounts" in pages["address"]
    evil = (await box.outside.get("/sandbox/explorer/tx/%3Cscript%3E")).text
    assert "<script>" not in evil


async def paid_but_unconfirmed(box: Box) -> str:
    """A payment that is paid, while Shopify does not answer; its id."""
    await box.fault("shopify", "status", value=503)
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "paid")
    return str(checkout["payment"])


async def test_a_stuck_payment_asks_for_attention_until_it_is_sent_again(box: Box) -> None:
    merchant, system = await merchant_of(box), box.house.system
    assert (await read_attention(system, merchant)).count == 0
    payment_id = await paid_but_unconfirmed(box)
    with pytest.raises(actions.NothingToDo):
        await actions.resend(system, merchant.id, payment_id)
    async with system.database.transaction() as connection:
        await lifecycle.stick(connection, payment_id, "shopify_refused", at=system.clock.now())
    attention = await read_attention(system, merchant)
    assert ([line.id for line in attention.payments], attention.count) == ([payment_id], 1)
    assert describe(attention.payments[0]).label == "Needs you"
    assert (await read_history(system, merchant.id, payment_id)).can_resend
    await box.mend()
    await actions.resend(system, merchant.id, payment_id)
    await box.advance(6)
    await box.until_status({"payment": payment_id}, "completed")
    assert (await count_attention(system, merchant)).attention == 0
    happened = (await read_history(system, merchant.id, payment_id)).events
    assert [event.detail.get("by") for event in happened if event.from_status == "stuck"] == ["portal"]
    assert "shopify_refused" not in " ".join(moment.text or "" for moment in tell(happened))


async def test_trouble_that_a_person_dealt_with_is_noted_once_and_new_trouble_shows_again(box: Box) -> None:
    merchant, system = await merchant_of(box), box.house.system
    payment_id, now = await paid_but_unconfirmed(box), system.clock.now()
    sent_back = actions.Attention.sent_back
    with pytest.raises(actions.NothingToDo):
        await actions.attend(system, merchant.id, payment_id, sent_back)
    async with system.database.transaction() as connection:
        await lifecycle.mark(connection, payment_id, PaymentException.duplicate, at=now)
    assert (await count_attention(system, merchant)).attention == 1
    with pytest.raises(RequestInvalid):
        await actions.attend(system, merchant.id, payment_id, sent_back, signature="abc")
    with pytest.raises(RequestInvalid):
        await actions.attend(system, merchant.id, payment_id, sent_back, note="x" * 501)
    signature = "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW"
    attempts = [actions.attend(system, merchant.id, payment_id, sent_back, signature=signature) for _ in range(5)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType"] + 4 * ["NothingToDo"]
    assert (await count_attention(system, merchant)).attention == 0
    story = await read_history(system, merchant.id, payment_id)
    assert [event.detail for event in story.events if event.kind == "attended"] == [
        {"by": "portal", "how": "sent_back", "signature": signature}
    ]
    assert describe(story.line).label == "Sent back"
    async with system.database.transaction() as connection:
        await lifecycle.stick(connection, payment_id, "retries_spent", at=now)
    assert (await count_attention(system, merchant)).attention == 1
    await actions.attend(system, merchant.id, payment_id, actions.Attention.settled_elsewhere, note="by hand")
    assert (await count_attention(system, merchant)).attention == 0


async def test_what_shopify_does_not_confirm_is_shown_and_what_nothing_will_move_is_counted(box: Box) -> None:
    merchant, system = await merchant_of(box), box.house.system
    payment_id = await paid_but_unconfirmed(box)
    assert (await read_attention(system, merchant)).unconfirmed == []
    await box.advance(700)
    attention = await read_attention(system, merchant)
    assert ([line.id for line in attention.unconfirmed], attention.count) == ([payment_id], 0)
    await box.mend()
    await box.until_status({"payment": payment_id}, "completed")
    # It must never be, so it is made by hand: a job that died and left its payment open.
    other = await box.checkout()
    await box.house.rows("UPDATE payments SET status = 'rejecting' WHERE id = $1", other["payment"])
    await box.house.rows(
        """INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
        VALUES ('payment_reject', 'payment', $1, 'dead', 17, now(), now(), now())""",
        other["payment"],
    )
    attention = await read_attention(system, merchant)
    assert ([line.id for line in attention.forgotten], attention.count) == ([other["payment"]], 1)
    await box.house.rows("UPDATE payments SET status = 'pending' WHERE id = $1", other["payment"])


async def test_customers_who_wait_for_a_price_are_shown_by_currency(box: Box) -> None:
    merchant, system = await merchant_of(box), box.house.system
    await box.fault("prices", "status", value=503)
    for currency in ("EUR", "EUR", "JPY", "USD"):
        await box.checkout("100", currency)
    assert (await read_attention(system, merchant)).unpriced == []
    await box.advance(90)
    attention = await read_attention(system, merchant)
    assert (attention.unpriced, attention.count) == ([("EUR", 2), ("JPY", 1)], 0)
    async with box.house.portal() as client:
        page = await client.get("/portal/attention", headers={"Accept": "text/html"})
    assert "2 payments in EUR, 1 payment in JPY" in page.text


async def test_a_lost_token_concerns_the_whole_shop(box: Box) -> None:
    await box.house.rows("UPDATE merchants SET token_lost_at = now()")
    attention = await read_attention(box.house.system, await merchant_of(box))
    assert (attention.concerns, attention.count) == (["token_lost"], 1)


def set_frozen(box: Box, wallet: str, frozen: bool) -> None:
    """What Circle can do to any account: nothing moves in or out of it."""
    parts = box.house.system.clusters[Cluster.live]
    cluster = box.world._devnets["live"].cluster
    address = token_account(Pubkey.from_string(wallet), parts.mint)
    account = cluster.bank.read(address)
    assert account is not None
    data = bytearray(account.data)
    data[TOKEN_ACCOUNT_STATE_OFFSET] = TOKEN_ACCOUNT_FROZEN if frozen else 1
    cluster.put_account(address, Account(account.lamports, bytes(data), account.owner))


async def test_a_payout_account_that_is_frozen_or_closed_concerns_the_shop_until_it_is_not(box: Box) -> None:
    merchant, system = await merchant_of(box), box.house.system
    merchant = await refresh_payout(system, merchant)
    assert (merchant.payout_problem, list_concerns(merchant)) == (None, [])
    for frozen, concern in ((True, "payout_frozen"), (False, None)):
        set_frozen(box, merchant.wallet or "", frozen)
        assert (await refresh_payout(system, merchant)).payout_problem == merchant.payout_problem
        await box.advance(61)
        merchant = await refresh_payout(system, merchant)
        assert list_concerns(merchant) == [concern][: concern is not None]
        assert (await count_attention(system, merchant)).attention == (concern is not None)
    events = await box.house.rows("SELECT detail FROM events WHERE record = 'merchant' ORDER BY id")
    assert [event["detail"]["after"] for event in events] == ["frozen", None]


async def test_the_finder_gives_one_answer_in_plain_words(box: Box) -> None:
    merchant, system = await merchant_of(box), box.house.system
    wallet = await box.wallet()
    lost = await box.checkout(group="the-order")
    won = await box.checkout(group="the-order")
    assert (await box.pay(wallet, won["link"])).status_code == 200
    await box.until_status(won, "completed")
    story = await read_history(system, merchant.id, won["payment"])
    assert [line.id for line in story.siblings] == [lost["payment"]]
    texts = (won["id"], won["gid"], won["redirect_url"], "the-order", wallet, story.line.signature or "",
        f"https://explorer.solana.com/tx/{story.line.signature}?cluster=custom", story.group.address)  # fmt: skip
    for text in texts:
        finding = await find_payment(system, merchant, text)
        assert finding.line is not None, text
        assert finding.line.id == won["payment"], text
    by_signature = await find_payment(system, merchant, story.line.signature or "")
    assert "landed" in (by_signature.sentence or "")
    # The attempt that lost is found as itself; the order as the attempt that counts, with the other beside it.
    assert (await find_payment(system, merchant, lost["id"])).line == story.siblings[0]
    assert [line.id for line in (await find_payment(system, merchant, "the-order")).others] == [lost["payment"]]
    unknown = {
        "z" * 24: "copy the payment id",
        "gid://shopify/RefundSession/none": "No refund",
        "4" * 88: "not handed out by Settle",
        "So11111111111111111111111111111111111111112": "never given",
        "77.77": "exactly this amount",
        "#1001": "order's number",
        merchant.wallet or "": "your own payout wallet",
    }
    for text, sentence in unknown.items():
        finding = await find_payment(system, merchant, text)
        assert finding.line is None, text
        assert sentence in (finding.sentence or ""), text


async def test_nothing_is_told_or_done_about_another_shops_payment(box: Box) -> None:
    system, payment_id = box.house.system, await paid_but_unconfirmed(box)
    async with system.database.transaction() as connection:
        await lifecycle.stick(connection, payment_id, "retries_spent", at=system.clock.now())
    stranger = (await merchant_of(box)).id + 1
    for attempt in (
        read_history(system, stranger, payment_id),
        actions.resend(system, stranger, payment_id),
        actions.attend(system, stranger, payment_id, actions.Attention.settled_elsewhere),
    ):
        with pytest.raises(NotInShop):
            await attempt
    assert (await box.status({"payment": payment_id}))["status"] == "stuck"
