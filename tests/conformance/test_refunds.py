"""Section 2 of the facts about Shopify, and what 3, 4 and 14 say of refunds, captures and voids: a test a sentence."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.shopify.versions import SUPPORTED
from tests.box import Box, open_box
from tests.house import SHOP, VERSION
from tests.integration.refunds.test_paying import RESOLVE, merchant
from tests.integration.refunds.test_rejecting import REJECT, applied
from tests.waiting import wait_until


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path) as opened:
        yield opened
        assert await opened.violations() == []


async def is_answered(box: Box, kind: str, body: dict[str, Any], **headers: str) -> tuple[int, bytes]:
    sent = {"Shopify-Shop-Domain": SHOP, "Shopify-Api-Version": VERSION, "Shopify-Request-Id": "r"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    answer = await box.house.shopify.post(
        f"/shopify/{kind}", json=body, headers={name: value for name, value in sent.items() if value}
    )
    return answer.status_code, answer.content


def session(kind: str, checkout: dict[str, Any], name: str) -> dict[str, Any]:
    body = {
        "id": name,
        "gid": f"gid://shopify/{kind.capitalize()}Session/{name}",
        "payment_id": checkout["id"],
        "amount": "1.00",
        "currency": "USD",
        "test": False,
        "merchant_locale": "en",
        "proposed_at": "2026-11-20T12:00:00Z",
    }
    if kind == "void":
        del body["amount"], body["currency"]
    return body


async def test_all_three_are_answered_201_with_an_empty_body_and_again_under_the_same_id(box: Box) -> None:
    checkout = await box.paid()
    for kind in ("refund", "capture", "void"):
        body = session(kind, checkout, f"{kind}-1")
        assert [await is_answered(box, kind, body) for _ in range(3)] == [(201, b"")] * 3


async def test_shop_and_version_are_required_and_names_of_headers_have_no_case(box: Box) -> None:
    checkout = await box.paid()
    for kind in ("refund", "capture", "void"):
        body = session(kind, checkout, f"{kind}-2")
        assert (await is_answered(box, kind, body, Shopify_Shop_Domain=""))[0] == 400
        assert (await is_answered(box, kind, body, Shopify_Api_Version=""))[0] == 400
        assert (await is_answered(box, kind, body, Shopify_Api_Version="2025-10"))[0] == 400
        assert (await is_answered(box, kind, body, Shopify_Request_Id=""))[0] == 201
    lower = {"shopify-shop-domain": SHOP, "shopify-api-version": VERSION}
    again = await box.house.shopify.post("/shopify/refund", json=session("refund", checkout, "low"), headers=lower)
    assert again.status_code == 201


async def test_an_amount_is_a_string_or_a_number_with_any_decimals(box: Box) -> None:
    checkout = await box.paid("10.00")
    ways: list[Any] = ["1", "1.0", "1.00", "1.000", 1, 1.0]
    for number, written in enumerate(ways):
        body = session("refund", checkout, f"amount-{number}") | {"amount": written, "unknown": {"field": 1}}
        assert await is_answered(box, "refund", body) == (201, b"")
    rows = await box.house.rows("SELECT amount, usdc FROM refunds")
    assert [(row["amount"], row["usdc"]) for row in rows] == [(1, 1_000_000)] * len(ways)


async def test_a_session_that_is_sent_again_because_the_answer_was_lost_is_one_refund(box: Box) -> None:
    checkout = await box.paid()
    await box.fault("shopify", "drop_session_answer", times=2)
    refund = await box.refund(checkout)
    assert len((await box.refund_at_shopify(refund))["deliveries"]) == 3
    assert len(await box.house.rows("SELECT id FROM refunds")) == 1


async def test_several_partial_refunds_are_sessions_of_their_own_each_ended_by_its_own_mutation(box: Box) -> None:
    checkout = await box.paid("10.00")
    refunds = [await box.refund(checkout, amount) for amount in ("2.50", "2.50", "5.00")]
    wallet = await merchant(box)
    for refund in refunds:
        assert (await box.pay(wallet, refund["link"])).status_code == 200
    for refund in refunds:
        await box.until_refund(refund, "completed")
        known = await box.refund_at_shopify(refund)
        assert (applied(known), known["alarms"]) == ([RESOLVE], [])
        assert known["mutations"][0]["variables"] == {"id": refund["gid"]}


async def test_a_manual_retry_with_a_new_id_can_not_give_the_same_money_back_twice(box: Box) -> None:
    checkout = await box.paid("10.00")
    first, second = await box.refund(checkout, "10.00"), await box.refund(checkout, "10.00")
    assert (first["row"]["status"], second["row"]["status"]) == ("pending", "rejecting")
    await box.advance(4)
    await box.until_refund(second, "rejected")
    known = await box.refund_at_shopify(second)
    assert (known["reason"], applied(known)) == ("PROCESSING_ERROR", [REJECT])


async def test_nothing_is_told_before_our_own_answer_has_arrived(box: Box) -> None:
    """Shopify's text names an answer that it has not received as a cause of conflicts."""
    checkout = await box.paid("10.00")
    above = await box.refund(checkout, "99.00")
    capture = await box.outside.post(f"/sandbox/checkouts/{checkout['id']}/captures", json={"amount": "1.00"})
    [job, other] = await box.house.rows("SELECT due_at - created_at AS wait FROM jobs WHERE kind <> 'payment_resolve'")
    grace = box.house.settings.shopify_answer_grace_seconds
    assert grace > 0
    assert {job["wait"].total_seconds(), other["wait"].total_seconds()} == {grace}
    # And where it has not arrived even then, the same words are sent until it has.
    await box.fault("shopify", "not_received", times=2)
    await box.advance(grace + 1)
    await box.advance(10)
    await box.until_refund(above, "rejected")

    async def is_declined() -> bool:
        known = (await box.outside.get(f"/sandbox/captures/{capture.json()['id']}")).json()
        return bool(known["state"] == "rejected")

    for _ in range(3):
        await box.advance(10)
        await asyncio.sleep(0)
    await wait_until(is_declined, 10, "the capture is declined")


@pytest.mark.parametrize("version", SUPPORTED)
async def test_a_session_is_ended_in_the_version_in_which_it_came(box: Box, version: str) -> None:
    """The documents, with their typed userErrors, are valid in each of them; the store checks that."""
    checkout = await box.paid()
    options = {"options": {"api_version": version}}
    paid, above = await box.refund(checkout, "1.00", **options), await box.refund(checkout, "99.00", **options)
    void = (await box.outside.post(f"/sandbox/checkouts/{checkout['id']}/voids", json=options)).json()
    capture = (
        await box.outside.post(f"/sandbox/checkouts/{checkout['id']}/captures", json={"amount": "1.00", **options})
    ).json()
    assert (await box.pay(await merchant(box), paid["link"])).status_code == 200
    await box.advance(4)
    await box.until_refund(paid, "completed")
    await box.until_refund(above, "rejected")
    for refund in (paid, above):
        assert (await box.refund_at_shopify(refund))["alarms"] == []
    for path in (f"/sandbox/voids/{void['id']}", f"/sandbox/captures/{capture['id']}"):

        async def is_declined(path: str = path) -> bool:
            return bool((await box.outside.get(path)).json()["state"] == "rejected")

        await wait_until(is_declined, 10, f"{path} is declined")
        assert (await box.outside.get(path)).json()["alarms"] == []


async def test_a_refund_stays_open_for_as_long_as_the_merchant_takes(box: Box) -> None:
    refund = await box.refund(await box.paid())
    for _ in range(4):
        await box.advance(7 * 86_400)
    assert (await box.refund_row(refund))["status"] == "pending"
    assert (await box.refund_at_shopify(refund))["mutations"] == []
    assert (await box.pay(await merchant(box), refund["link"])).status_code == 200
    await box.until_refund(refund, "completed")


async def test_two_names_are_never_sent_for_one_session(box: Box) -> None:
    """Of different names only the first is processed, so a second would be lost for good."""
    checkout = await box.paid()
    refunds = [await box.refund(checkout, "1.00") for _ in range(2)]
    async with box.house.portal(SHOP) as portal:
        path = f"/portal/api/refunds/{refunds[0]['row']['id']}/deny"
        assert (await portal.post(path, json={"message": "No."})).status_code == 200
    assert (await box.pay(await merchant(box), refunds[1]["link"])).status_code == 200
    await box.until_refund(refunds[0], "rejected")
    await box.until_refund(refunds[1], "completed")
    names = [{mutation["name"] for mutation in (await box.refund_at_shopify(one))["mutations"]} for one in refunds]
    assert names == [{REJECT}, {RESOLVE}]
