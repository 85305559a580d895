"""Shopify's door: POST /shopify/refund, sentence by sentence of facts/shopify.md section 2."""

import asyncio
import json
import secrets
from typing import Any

import httpx

from tests.box import Box
from tests.house import SHOP, VERSION


def refund_body(checkout: dict[str, Any], **changes: Any) -> dict[str, Any]:
    refund_id = secrets.token_urlsafe(18)
    body = {
        "id": refund_id,
        "gid": f"gid://shopify/RefundSession/{refund_id}",
        "payment_id": checkout["id"],
        "amount": "5.00",
        "currency": "USD",
        "test": False,
        "merchant_locale": "en",
        "proposed_at": "2026-11-20T12:00:00Z",
    }
    return body | changes


async def post(box: Box, body: Any, shop: str = SHOP) -> httpx.Response:
    headers = {"Shopify-Shop-Domain": shop, "Shopify-Api-Version": VERSION, "Shopify-Request-Id": "by-hand"}
    return await box.house.shopify.post("/shopify/refund", content=json.dumps(body).encode(), headers=headers)


async def test_a_refund_is_answered_201_with_an_empty_body_and_becomes_one_row(box: Box) -> None:
    checkout = await box.paid("12.34")
    body = refund_body(checkout)
    answer = await post(box, body)
    assert (answer.status_code, answer.content) == (201, b"")
    [refund] = await box.house.rows("SELECT * FROM refunds")
    assert (refund["shopify_id"], refund["gid"], refund["status"]) == (body["id"], body["gid"], "pending")
    assert (refund["payment_id"], refund["usdc"]) == (checkout["payment"], 5_000_000)
    assert refund["payee_wallet"] == checkout["wallet"]
    events = await box.house.rows("SELECT kind, to_status FROM events WHERE record = 'refund'")
    assert [tuple(event) for event in events] == [("created", "pending")]


async def test_200_simultaneous_identical_requests_give_one_row(box: Box) -> None:
    body = refund_body(await box.paid())
    answers = await asyncio.gather(*(post(box, body) for _ in range(200)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, b"")}
    assert len(await box.house.rows("SELECT id FROM refunds")) == 1
    assert len(await box.house.rows("SELECT id FROM events WHERE record = 'refund'")) == 1


async def test_many_at_once_share_out_the_payment_and_not_a_unit_more(box: Box) -> None:
    """Ten refunds of a tenth fit, however they arrive; of thirty, twenty are told that nothing is left."""
    checkout = await box.paid("1.00", "EUR")
    bodies = [refund_body(checkout, amount="0.10", currency="EUR") for _ in range(30)]
    answers = await asyncio.gather(*(post(box, body) for body in bodies))
    assert {answer.status_code for answer in answers} == {201}
    rows = await box.house.rows("SELECT status, usdc FROM refunds")
    assert sorted(row["status"] for row in rows) == ["pending"] * 10 + ["rejecting"] * 20
    [payment] = await box.house.rows("SELECT usdc FROM payments")
    assert sum(row["usdc"] or 0 for row in rows) == payment["usdc"]


async def test_the_same_amount_written_otherwise_is_the_same_request(box: Box) -> None:
    body = refund_body(await box.paid())
    assert (await post(box, body)).status_code == 201
    assert (await post(box, body | {"amount": 5.0, "surprise": True})).status_code == 201
    assert len(await box.house.rows("SELECT id FROM refunds")) == 1


async def test_other_content_under_a_known_id_is_a_conflict_that_changes_nothing(box: Box) -> None:
    body = refund_body(await box.paid())
    await post(box, body)
    before = await box.house.rows("SELECT * FROM refunds")
    changes = [{"amount": "5.01"}, {"currency": "EUR"}, {"test": True}, {"payment_id": "another"}]
    for number, change in enumerate(changes, start=1):
        answer = await post(box, body | change)
        assert (answer.status_code, answer.json()["reason"]) == (409, "refund_conflict")
        assert await box.house.rows("SELECT * FROM refunds") == before
        events = await box.house.rows("SELECT record_id FROM events WHERE record = 'refund' AND kind = 'conflict'")
        assert [event["record_id"] for event in events] == [before[0]["id"]] * number


async def test_what_can_not_be_is_refused_with_a_reason_and_an_event(box: Box) -> None:
    paid, unpaid = await box.paid(), await box.checkout()
    await box.house.rows(
        """INSERT INTO merchants (shop, display_name, status, wallet, token_sealed, created_at, updated_at)
        SELECT 'other.myshopify.com', 'Other', status, wallet, token_sealed, created_at, updated_at FROM merchants"""
    )
    other = "other.myshopify.com"
    cases = [
        (refund_body(paid, payment_id="nobody-knows-it"), SHOP, 404, "payment_unknown", "merchant"),
        (refund_body(paid), other, 404, "payment_unknown", "payment"),
        (refund_body(paid, currency="EUR"), SHOP, 422, "refund_currency_differs", "payment"),
        (refund_body(paid, test=True), SHOP, 422, "refund_test_differs", "payment"),
        (refund_body(unpaid), SHOP, 409, "payment_not_paid", "payment"),
    ]
    for body, shop, status, reason, record in cases:
        answer = await post(box, body, shop)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)
        [event] = await box.house.rows("SELECT * FROM events WHERE detail ->> 'refund' = $1", body["id"])
        assert (event["kind"], event["record"], event["detail"]["reason"]) == ("refused", record, reason)
        assert event["detail"]["shop"] == shop
    assert await box.house.rows("SELECT id FROM refunds") == []
    unknown = await post(box, refund_body(paid), "nobody.myshopify.com")
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "shop_unknown")


async def test_the_money_of_a_payment_that_vanished_can_not_be_given_back(box: Box) -> None:
    checkout = await box.paid()
    await box.house.rows("UPDATE payments SET exception = 'vanished'")
    answer = await post(box, refund_body(checkout))
    assert (answer.status_code, answer.json()["reason"]) == (409, "payment_not_paid")


async def test_a_payment_that_shopify_has_not_acknowledged_can_be_refunded_all_the_same(box: Box) -> None:
    await box.fault("shopify", "status", value=503)
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "paid")
    assert (await post(box, refund_body(checkout))).status_code == 201
    await box.mend()
    await box.advance(6)
    await box.until_status(checkout, "completed")


async def test_what_can_not_be_read_is_refused(box: Box) -> None:
    headers = {"Shopify-Shop-Domain": SHOP, "Shopify-Api-Version": VERSION}
    good = refund_body({"id": "known"})
    missing = [{name: value for name, value in good.items() if name != left_out} for left_out in list(good)[:6]]
    wrong = [good | {"gid": "gid://shopify/PaymentSession/a"}, good | {"amount": None}, good | {"test": "no"}]
    for body in [b"", b"{", b"[]", *(json.dumps(body).encode() for body in missing + wrong)]:
        answer = await box.house.shopify.post("/shopify/refund", content=body, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) in [(400, "request_invalid"), (400, "amount_invalid")], (
            body
        )
