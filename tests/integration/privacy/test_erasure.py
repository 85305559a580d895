"""Erasing: nothing that tells of the person is left in any column of any table, and what counts is as it was."""

import secrets
from typing import Any

import asyncpg
import httpx
import pytest
from solders.pubkey import Pubkey

from app.privacy.erasure import erasing
from app.privacy.nobody import NOBODY
from app.privacy.requests import DAYS, SPARE_DAYS
from app.records import RECORDS
from tests.box import Box
from tests.house import SHOP
from tests.integration.install.test_webhooks import delivered, send
from tests.waiting import wait_until

ALICE = {"email": "alice@customers.example", "phone_number": "+1 613-555-0127", "locale": "fr-CA"}
BOB = {"email": "bob@customers.example", "phone_number": "+16135550199", "locale": "pt-BR"}
SAME_ALICE = {"id": 7, "email": " Alice@Customers.example", "phone": None}
DAY = 86_400


async def pay(box: Box, customer: dict[str, Any], amount: str = "12.34") -> dict[str, Any]:
    """A whole payment of this customer, with a wallet of its own."""
    checkout = await box.checkout(amount, options={"body": {"customer": customer}})
    checkout["wallet"] = await box.wallet()
    assert (await box.pay(checkout["wallet"], checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    checkout["next_url"] = (await box.at_shopify(checkout))["next_url"]
    return checkout


async def give_back(box: Box, checkout: dict[str, Any]) -> None:
    """A refund of a part, paid by the merchant."""
    refund = await box.refund(checkout, "2.00")
    wallet = (await box.outside.get("/sandbox/merchant")).json()["wallet"]
    assert (await box.pay(wallet, refund["link"])).status_code == 200
    await box.until_refund(refund, "completed")


async def final(box: Box) -> None:
    """Wait until what landed is final."""

    async def all_final() -> bool:
        return not await box.house.rows("SELECT FROM issued_transactions WHERE NOT final")

    await wait_until(all_final, 20, "everything is final")


async def ask(box: Box, topic: str, outcome: str | None = None, **payload: Any) -> Any:
    """Ask as Shopify does, and wait until it is done (or, without an outcome, noted). Returns the request's row."""
    webhook = await send(box, topic=topic, payload=payload)
    await delivered(box, webhook["number"])

    async def done() -> Any:
        rows = await box.house.rows(
            "SELECT r.* FROM privacy_requests r JOIN inbox_events i ON i.id = r.inbox_id WHERE i.event_id = $1",
            webhook["webhook_id"],
        )
        return rows[0] if rows and (outcome is None or rows[0]["outcome"] is not None) else None

    row = await wait_until(done, 20, f"{topic} is done")
    assert row is not None
    if outcome is not None:
        assert row["outcome"] == outcome
    return row


async def dump(box: Box) -> list[tuple[str, str, str]]:
    """Table, column and text of everything in the database; bytes as text and as they are."""
    found = []
    for record in RECORDS:
        for row in await box.house.rows(f"SELECT * FROM {record.TABLE}"):
            for column in record.COLUMNS:
                value = row[column]
                if isinstance(value, bytes):
                    found.append((record.TABLE, column, value.hex()))
                    found.append((record.TABLE, column, value.decode(errors="replace")))
                elif value is not None:
                    found.append((record.TABLE, column, str(value)))
    return found


def places(content: list[tuple[str, str, str]], canaries: list[str]) -> set[tuple[str, str]]:
    """The columns in which any of these texts stands."""
    return {(table, column) for table, column, text in content if any(canary in text for canary in canaries)}


async def canaries_of(box: Box, checkout: dict[str, Any]) -> list[str]:
    """Everything by which a customer could be known: as it is, and as it may be stored."""
    [row] = await box.house.rows("SELECT * FROM payments WHERE id = $1", checkout["payment"])
    [issued] = await box.house.rows(
        "SELECT network_address FROM issued_transactions WHERE payment_id = $1", checkout["payment"]
    )
    known = [
        checkout["wallet"],
        bytes(Pubkey.from_string(checkout["wallet"])).hex(),
        row["locale"],
        row["cancel_url"],
        row["redirect_url"],
        row["email_digest"],
        row["phone_digest"],
        issued["network_address"],
    ]
    assert all(known), known
    return [*known, checkout["next_url"]]


def annotated(whose: set[str]) -> set[tuple[str, str]]:
    return {(record.TABLE, name) for record in RECORDS for name, of in record.PERSONAL.items() if of in whose}


async def test_after_a_customers_redact_no_column_holds_anything_of_that_customer_and_all_of_the_others(
    box: Box,
) -> None:
    alice, again, bob = await pay(box, ALICE), await pay(box, ALICE, "5.00"), await pay(box, BOB)
    for checkout in (alice, bob):
        await give_back(box, checkout)
    await final(box)
    hers = [*await canaries_of(box, alice), *await canaries_of(box, again)]
    his = await canaries_of(box, bob)
    before = await dump(box)
    # Whatever holds such a text says so in the schema.
    assert places(before, hers) <= annotated({"customer"})
    assert {("payments", "paid_wallet"), ("issued_transactions", "wallet"), ("events", "detail")} <= places(
        before, hers
    )
    amounts = "SELECT id, amount, usdc, status, paid_signature, paid_at FROM payments ORDER BY id"
    counts = await box.house.rows(amounts)
    request = await ask(box, "customers/redact", "erased", customer=SAME_ALICE, orders_to_redact=[1, 2])
    assert request["payments"] == 2
    after = await dump(box)
    assert places(after, [text for text in hers if text not in his]) == set()
    assert places(after, his) == places(before, his)
    assert await box.house.rows(amounts) == counts
    assert await box.violations() == []
    # Nor does the webhook that asked stay.
    assert places(after, ["Alice@Customers.example", "alice@customers.example"]) == set()
    # Asked again, nothing is kept.
    await ask(box, "customers/redact", "nothing_kept", customer=SAME_ALICE)


async def test_what_is_under_way_is_erased_when_it_has_ended_and_at_the_latest_before_the_deadline(box: Box) -> None:
    done = await pay(box, ALICE)
    await final(box)
    await box.fault("shopify", "status", value=503)
    paid = await box.checkout(options={"body": {"customer": ALICE}})
    assert (await box.pay(await box.wallet(), paid["link"])).status_code == 200
    await box.until_status(paid, "paid")
    request = await ask(box, "customers/redact", customer=SAME_ALICE)

    async def wallet_of(checkout: dict[str, Any]) -> str:
        [row] = await box.house.rows("SELECT paid_wallet FROM payments WHERE id = $1", checkout["payment"])
        return str(row["paid_wallet"])

    async def is_erased(checkout: dict[str, Any]) -> bool:
        return await wallet_of(checkout) == NOBODY

    await wait_until(lambda: is_erased(done), 10, "what has ended is erased at once")
    assert not await is_erased(paid)
    assert (request["due_at"] - request["asked_at"]).days == DAYS
    # Shopify never comes back: before the time is over it is erased all the same.
    await box.advance((DAYS - SPARE_DAYS) * DAY)
    done_one = "SELECT FROM privacy_requests WHERE outcome = 'erased'"
    await wait_until(lambda: box.house.rows(done_one), 20, "the deadline is kept")
    assert await is_erased(paid)
    [row] = await box.house.rows("SELECT * FROM privacy_requests")
    assert row["done_at"] < row["due_at"]


async def test_who_is_owed_a_refund_is_erased_when_it_is_paid_however_late_that_is(box: Box) -> None:
    checkout = await pay(box, ALICE)
    refund = await box.refund(checkout, "2.00")
    await final(box)
    await ask(box, "customers/redact", customer=SAME_ALICE)
    await box.advance((DAYS + 1) * DAY)

    async def looked_again() -> bool:
        return bool(
            await box.house.rows("SELECT FROM jobs WHERE kind = 'privacy_request' AND last_error = 'under_way'")
        )

    await wait_until(looked_again, 10, "it was looked at")
    [row] = await box.house.rows("SELECT paid_wallet FROM payments")
    assert row["paid_wallet"] == checkout["wallet"]
    text = (await box.house.public.get("/metrics")).text
    [left] = [line for line in text.splitlines() if line.startswith("settle_privacy_due_seconds")]
    assert float(left.split()[1]) < 0
    wallet = (await box.outside.get("/sandbox/merchant")).json()["wallet"]
    assert (await box.pay(wallet, refund["link"])).status_code == 200
    await box.until_refund(refund, "completed")
    await final(box)
    # It is looked at once a day, or a little later, so that not all are at once.
    await box.advance(3 * DAY)
    await wait_until(lambda: box.house.rows("SELECT FROM privacy_requests WHERE outcome = 'erased'"), 10)
    [row] = await box.house.rows("SELECT paid_wallet FROM payments")
    assert row["paid_wallet"] == NOBODY
    # The merchant's pages say so, and send nobody anything.
    async with box.house.portal() as client:
        for path in ("/portal/payments", f"/portal/payments/{checkout['payment']}"):
            page = await client.get(path, headers={"Accept": "text/html"})
            assert page.status_code == 200
            assert NOBODY not in page.text
        assert "erased at the customer" in page.text


async def test_a_request_without_address_and_number_or_of_a_stranger_finds_nothing(box: Box) -> None:
    await pay(box, ALICE)
    for customer in (
        {},
        {"email": None, "phone": None},
        {"email": "", "phone": ""},
        {"email": "eve@customers.example"},
    ):
        await ask(box, "customers/redact", "nothing_kept", customer=customer)
    await ask(box, "customers/data_request", "nothing_kept", customer={"email": 7, "phone": [1]})
    [row] = await box.house.rows("SELECT locale FROM payments")
    assert row["locale"] == "fr-CA"


async def test_a_customer_is_found_by_the_number_alone_however_it_is_written(box: Box) -> None:
    await pay(box, ALICE)
    await final(box)
    await ask(box, "customers/redact", "erased", customer={"id": 7, "phone": "1 (613) 555 0127"})


async def test_a_refund_for_an_erased_customer_is_refused_with_a_sentence_and_pays_nobody(box: Box) -> None:
    alice = await pay(box, ALICE)
    await final(box)
    await ask(box, "customers/redact", "erased", customer=SAME_ALICE)
    refund = secrets.token_urlsafe(18)
    answer = await box.house.shopify.post(
        "/shopify/refund",
        json={
            "id": refund,
            "gid": f"gid://shopify/RefundSession/{refund}",
            "payment_id": alice["id"],
            "amount": "1.00",
            "currency": "USD",
            "test": False,
            "merchant_locale": "en",
            "proposed_at": "2026-11-20T12:00:00Z",
        },
        headers={"Shopify-Shop-Domain": SHOP, "Shopify-Api-Version": "2026-10"},
    )
    assert (answer.status_code, answer.json()["reason"]) == (410, "payee_erased")
    assert await box.house.rows("SELECT FROM refunds") == []


async def test_after_a_shop_redact_no_column_holds_anything_of_shop_and_customers_and_the_amounts_stay(
    box: Box, browser: httpx.AsyncClient
) -> None:
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    alice, bob = await pay(box, ALICE), await pay(box, BOB)
    await give_back(box, alice)
    await ask(box, "customers/data_request", "exported", customer=SAME_ALICE)
    await final(box)
    [merchant] = await box.house.rows("SELECT * FROM merchants")
    [account] = await box.house.rows("SELECT DISTINCT destination FROM payments")
    opened = box.house.system.keyring.open
    shops = [
        SHOP,
        merchant["wallet"],
        account["destination"],
        merchant["display_name"],
        *(bytes(merchant[name]).hex() for name in ("token_sealed", "refresh_sealed", "customer_key_sealed")),
        opened(merchant["token_sealed"]),
    ]
    everybodys = [*shops, *await canaries_of(box, alice), *await canaries_of(box, bob)]
    before = await dump(box)
    assert places(before, everybodys) <= annotated({"customer", "shop"})
    counted = "SELECT id, amount, usdc, status, paid_signature, paid_at FROM payments ORDER BY id"
    counts = await box.house.rows(counted)
    await box.outside.post("/sandbox/admin/uninstall", json={})
    # Not at once: the merchant may come back.
    await wait_until(lambda: box.house.rows("SELECT FROM merchants WHERE uninstalled_at IS NOT NULL"))
    assert await box.house.rows("SELECT FROM privacy_requests WHERE kind = 'shop_redact'") == []
    await box.advance(48 * 3_600 + 1)
    await wait_until(lambda: box.house.rows("SELECT FROM privacy_requests WHERE outcome = 'erased'"), 20)
    assert places(await dump(box), everybodys) == set()
    assert await box.house.rows(counted) == counts
    assert await box.violations() == []
    # A page of before still says what it may, and what comes later for the shop finds nothing.
    assert (await box.status(alice))["stage"] == "done"
    assert (await box.house.public.get(f"/pay/{bob['payment']}", headers={"Accept": "text/html"})).status_code == 200
    webhook = await send(box, topic="customers/redact", payload={"customer": SAME_ALICE})
    await delivered(box, webhook["number"])
    # The shop that comes back is a new one.
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    [back] = await box.house.rows("SELECT * FROM merchants WHERE shop = $1", SHOP)
    assert (back["id"] == merchant["id"], back["wallet"], back["status"]) == (False, None, "inactive")


async def test_a_shop_that_is_back_before_its_redact_comes_is_not_erased(box: Box, browser: httpx.AsyncClient) -> None:
    await box.outside.post("/sandbox/admin/uninstall", json={})
    await wait_until(lambda: box.house.rows("SELECT FROM merchants WHERE uninstalled_at IS NOT NULL"))
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    await box.advance(48 * 3_600 + 1)
    await wait_until(lambda: box.house.rows("SELECT FROM privacy_requests WHERE outcome = 'installed_again'"), 20)
    checkout = await pay(box, ALICE)
    assert (await box.status(checkout))["status"] == "completed"


async def test_a_shop_is_erased_though_the_news_of_its_uninstall_was_lost(box: Box, browser: httpx.AsyncClient) -> None:
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    await pay(box, ALICE)
    await final(box)
    await box.fault("shopify", "webhook_wrong_hmac")
    await box.outside.post("/sandbox/admin/uninstall", json={})

    async def refused() -> bool:
        webhooks = (await box.outside.get("/sandbox/webhooks")).json()["webhooks"]
        return bool(webhooks[0]["tries"])

    await wait_until(refused)
    await box.mend()
    await ask(box, "shop/redact")

    async def waiting() -> bool:
        return bool(await box.house.rows("SELECT FROM jobs WHERE last_error = 'cannot_tell'"))

    # A refused token may be our own fault, so nothing is erased at once.
    await wait_until(waiting, 10, "it is waited for")
    [merchant] = await box.house.rows("SELECT shop FROM merchants")
    assert merchant["shop"] == SHOP
    await box.advance((DAYS - SPARE_DAYS) * DAY)
    await wait_until(lambda: box.house.rows("SELECT FROM privacy_requests WHERE outcome = 'erased'"), 20)
    [merchant] = await box.house.rows("SELECT * FROM merchants")
    assert (merchant["status"], merchant["token_sealed"], merchant["wallet"]) == ("inactive", None, None)
    assert merchant["shop"] == f"erased-{merchant['id']}"


async def test_the_database_lets_erasing_change_nothing_but_what_tells_of_a_person(box: Box) -> None:
    await pay(box, ALICE)
    for statement in (
        "UPDATE payments SET amount = amount + 1",
        "UPDATE payments SET paid_signature = NULL, paid_wallet = NULL, paid_at = NULL, status = 'pending'",
        "UPDATE issued_transactions SET usdc = 1",
        "UPDATE events SET to_status = 'paid'",
        "UPDATE events SET at = now()",
        "UPDATE shopify_mutations SET name = 'x'",
        "UPDATE shopify_calls SET http_status = 200 + attempt",
        "DELETE FROM events",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            async with erasing(box.house.system.database) as connection:
                await connection.execute(statement)
    # And outside of it not even that.
    for statement in ("UPDATE events SET detail = '{}'", f"UPDATE issued_transactions SET wallet = '{NOBODY}'"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await box.house.rows(statement)
