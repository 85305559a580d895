"""Shopify's door: POST /shopify/payment, sentence by sentence of facts/shopify.md section 1."""

import asyncio
import re
from typing import Any

import pytest

from tests.house import SHOP, House, session_body


async def test_a_session_is_answered_with_the_page_and_becomes_one_row(house: House) -> None:
    body = session_body(amount="10.0", currency="USD")
    answer = await house.post_session(body)
    assert answer.status_code == 200
    assert list(answer.json()) == ["redirect_url"]
    [payment] = await house.rows("SELECT * FROM payments")
    assert answer.json()["redirect_url"] == f"{house.settings.public_url}/pay/{payment['id']}"
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", payment["id"])
    assert payment["shopify_id"] == body["id"]
    assert payment["usdc"] == 10_000_000
    assert payment["status"] == "pending"
    assert payment["locale"] == "de"
    events = await house.rows("SELECT kind, to_status FROM events")
    assert [tuple(event) for event in events] == [("created", "pending")]


async def test_200_simultaneous_identical_requests_give_one_row_and_200_identical_answers(house: House) -> None:
    body = session_body()
    answers = await asyncio.gather(*(house.post_session(body) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(await house.rows("SELECT id FROM payments")) == 1
    assert len(await house.rows("SELECT id FROM events")) == 1
    assert len(await house.rows("SELECT id FROM payment_groups")) == 1


async def test_the_same_amount_written_otherwise_is_the_same_request(house: House) -> None:
    body = session_body(amount="10.0")
    first = await house.post_session(body)
    again = await house.post_session(body | {"amount": "10.00", "surprise": True})
    assert again.status_code == 200
    assert again.content == first.content


@pytest.mark.parametrize("change", [{"amount": "10.01"}, {"currency": "EUR"}])
async def test_other_content_under_a_known_id_is_a_conflict_that_changes_nothing(
    house: House, change: dict[str, Any]
) -> None:
    body = session_body(amount="10.00")
    await house.post_session(body)
    before = await house.rows("SELECT * FROM payments")
    answer = await house.post_session(body | change)
    assert answer.status_code == 409
    assert answer.json()["reason"] == "session_conflict"
    assert await house.rows("SELECT * FROM payments") == before
    [event] = await house.rows("SELECT * FROM events WHERE kind = 'conflict'")
    assert event["record_id"] == before[0]["id"]
    assert event["detail"]["amount"] == (body | change)["amount"]


async def test_another_shop_does_not_get_the_page_of_a_known_id(house: House) -> None:
    body = session_body()
    await house.post_session(body)
    await house.rows(
        """INSERT INTO merchants (shop, display_name, status, wallet, token_sealed, created_at, updated_at)
        SELECT 'other.myshopify.com', 'Other', status, wallet, token_sealed, created_at, updated_at FROM merchants"""
    )
    answer = await house.post_session(body, Shopify_Shop_Domain="other.myshopify.com")
    assert answer.status_code == 409
    assert "redirect_url" not in answer.json()


async def test_a_price_that_is_not_there_in_time_leaves_the_payment_without_a_quote(house: House) -> None:
    answer = await house.post_session(session_body(amount="1250", currency="JPY"))
    assert answer.status_code == 200
    [payment] = await house.rows("SELECT * FROM payments")
    assert payment["usdc"] is None
    assert payment["amount"] == 1250


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"kind": "authorization"}, 422, "kind_unsupported"),
        ({"amount": "0"}, 400, "amount_invalid"),
        ({"amount": "1e9"}, 400, "amount_invalid"),
        ({"amount": "999999999999999999"}, 422, "amount_too_large"),
        ({"currency": "usd"}, 400, "currency_invalid"),
        ({"id": None}, 400, "request_invalid"),
        ({"payment_method": None}, 400, "request_invalid"),
        ({"test": True}, 422, "test_mode_unavailable"),
    ],
)
async def test_what_can_not_be_taken_is_refused_with_a_reason_and_a_sentence(
    house: House, change: dict[str, Any], status: int, reason: str
) -> None:
    answer = await house.post_session(session_body(**change))
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.json()["message"].endswith(".")
    assert await house.rows("SELECT id FROM payments") == []


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Shopify_Shop_Domain": ""}, 400, "shop_invalid"),
        ({"Shopify_Shop_Domain": "evil.com/x.myshopify.com"}, 400, "shop_invalid"),
        ({"Shopify_Shop_Domain": "unknown.myshopify.com"}, 404, "shop_unknown"),
        ({"Shopify_Api_Version": ""}, 400, "api_version_unknown"),
        ({"Shopify_Api_Version": "2024-01"}, 400, "api_version_unknown"),
    ],
)
async def test_a_stranger_is_refused(house: House, headers: dict[str, str], status: int, reason: str) -> None:
    answer = await house.post_session(session_body(), **headers)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"null"])
async def test_what_is_no_json_object_is_refused(house: House, body: bytes) -> None:
    answer = await house.post_session(body)
    assert (answer.status_code, answer.json()["reason"]) == (400, "request_invalid")


async def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read(house: House) -> None:
    limit = house.settings.body_limit_bytes
    body = session_body(filler="")
    room = limit - len(str(body).encode())
    too_large = await house.post_session(session_body(filler="x" * limit))
    assert (too_large.status_code, too_large.json()["reason"]) == (413, "body_too_large")
    fits = await house.post_session(body | {"filler": "x" * (room - 200)})
    assert fits.status_code == 200


async def test_an_inactive_merchant_is_refused_even_if_it_was_active_a_moment_ago(house: House) -> None:
    known = session_body()
    assert (await house.post_session(known)).status_code == 200
    await house.rows("UPDATE merchants SET status = 'inactive'")
    answer = await house.post_session(session_body())
    assert (answer.status_code, answer.json()["reason"]) == (403, "merchant_inactive")
    await house.rows("UPDATE merchants SET status = 'active'")
    assert (await house.post_session(session_body())).status_code == 200


async def test_a_changed_payout_wallet_is_used_by_the_next_session_and_touches_no_open_one(house: House) -> None:
    await house.post_session(session_body())
    other = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"
    await house.rows("UPDATE merchants SET wallet = $1", other)
    await house.post_session(session_body())
    first, second = await house.rows("SELECT merchant_wallet FROM payments ORDER BY created_at")
    assert first["merchant_wallet"] != other
    assert second["merchant_wallet"] == other


async def test_an_initiation_takes_at_most_two_queries(house: House) -> None:
    # The first one also lets the connection learn our types.
    await house.post_session(session_body())
    house.system.merchants.forget(SHOP)
    for expected in (2, 1):
        house.queries.clear()
        assert (await house.post_session(session_body())).status_code == 200
        assert len(house.queries) == expected, house.queries


async def test_a_session_of_a_won_group_is_born_superseded(house: House) -> None:
    first = session_body()
    await house.post_session(first)
    await house.rows("UPDATE payment_groups SET winner_id = (SELECT id FROM payments)")
    answer = await house.post_session(session_body(group=first["group"]))
    assert answer.status_code == 200
    [late] = await house.rows("SELECT status FROM payments ORDER BY created_at DESC LIMIT 1")
    assert late["status"] == "superseded"
