"""The portal's refunds: what waits comes first, each with its whole story, and trouble is dealt with by a person."""

import re
from typing import Any

import pytest

from app.portal import actions
from app.portal.attention import count_attention, read_attention
from app.portal.finder import find_payment
from app.portal.history import NotInShop
from app.portal.overview import read_overview
from app.portal.refunds import list_refunds, list_refunds_of, read_refund
from app.portal.words import REFUND_EXCEPTIONS, REFUND_STATUSES, describe_refund
from app.records import Merchant, RefundException, RefundStatus
from app.refunds import lifecycle
from tests.box import Box
from tests.integration.portal.test_pages import HTML, check_page
from tests.integration.portal_records.conftest import merchant_of


async def pay_back(box: Box, refund: dict[str, Any]) -> str:
    """Pay a refund from the payout wallet; the signature."""
    wallet = (await box.outside.get("/sandbox/merchant")).json()["wallet"]
    answer = await box.pay(wallet, refund["link"])
    assert answer.status_code == 200, answer.text
    await box.until_refund(refund, "completed")
    return str(answer.json()["signature"])


def test_every_status_and_exception_of_a_refund_has_words() -> None:
    assert set(REFUND_STATUSES) == set(RefundStatus)
    assert set(REFUND_EXCEPTIONS) == set(RefundException)


async def test_open_refunds_come_first_and_closed_ones_keep_their_story(box: Box) -> None:
    system, merchant = box.house.system, await merchant_of(box)
    checkout = await box.paid("20.00")
    closed = await box.refund(checkout, "1.00")
    signature = await pay_back(box, closed)
    first, second = await box.refund(checkout, "2.00"), await box.refund(checkout, "3.00")
    too_much = await box.refund(checkout, "50.00")
    page = await list_refunds(system, merchant.id)
    waiting = [line.id for line in page.open if line.status == "pending"]
    assert waiting == [first["row"]["id"], second["row"]["id"]] == [line.id for line in page.open][:2]
    await box.until_refund(too_much, "rejected")
    page = await list_refunds(system, merchant.id)
    assert [line.shopify_id for line in page.closed] == [too_much["id"], closed["id"]]
    assert [describe_refund(line).label for line in page.closed] == ["Declined", "Refunded"]
    assert (await count_attention(system, merchant)).refunds == 2
    story = await read_refund(system, merchant, closed["row"]["id"])
    assert {event.kind for event in story.events} >= {"created", "issued", "fate", "moved"}
    assert [(told.mutation.name, [call.outcome for call in told.calls]) for told in story.told] == [
        ("refundSessionResolve", ["acknowledged"])
    ]
    assert (story.payment.id, [issued.signature for issued in story.issued]) == (checkout["payment"], [signature])
    assert len(await list_refunds_of(system, merchant.id, checkout["payment"])) == 4
    # Whatever is pasted of a refund leads to its payment.
    for text in (closed["gid"], closed["id"], signature):
        finding = await find_payment(system, merchant, text)
        assert finding.line is not None, text
        assert finding.line.id == checkout["payment"], text
    month = (await read_overview(system, merchant.id)).month
    assert (month.refunds, month.refunded_usdc) == (1, 1_000_000)


async def test_the_pages_of_refunds_are_shown_and_deny_only_what_is_open(box: Box) -> None:
    checkout = await box.paid("20.00")
    refund = await box.refund(checkout, "5.00")
    page = f"/portal/refunds/{refund['row']['id']}"
    async with box.house.portal() as client:
        client.headers.update(HTML)
        for path in ("/portal/refunds", page, f"/portal/payments/{checkout['payment']}", "/portal"):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            check_page(answer)
        html = (await client.get(page)).text
        # The balance is looked at first, and said.
        assert "holds 20.00 USDC, enough for this refund" in html
        assert refund["link"] in html
        for message in ("", " ", "x" * 501):
            assert (await client.post(f"{page}/deny", data={"message": message})).status_code == 400
        before = (await client.get(f"/portal/api/refunds/{refund['row']['id']}")).json()
        answer = await client.post(f"{page}/deny", data={"message": "Not <b>sent</b> back."})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{page}?done=denied")
        await box.until_refund(refund, "rejected")
        html = (await client.get(page)).text
        assert "Not &lt;b&gt;sent&lt;/b&gt; back." in html
        assert not re.search(r"/deny\"", html)
        after = (await client.get(f"/portal/api/refunds/{refund['row']['id']}")).json()
        assert (before["status"], after["status"], before["mark"] != after["mark"]) == ("pending", "rejected", True)
    assert (await box.refund_at_shopify(refund))["merchant_message"] == "Not <b>sent</b> back."


async def test_too_little_in_the_payout_wallet_is_said_before_anything_is_tried(box: Box) -> None:
    checkout = await box.paid("20.00")
    both = [await box.refund(checkout, "12.00"), await box.refund(checkout, "8.00")]
    # Half of what came in has left for elsewhere.
    await pay_back(box, await box.refund(await box.paid("0.50"), "0.50"))
    await pay_back(box, both[0])
    async with box.house.portal() as client:
        page = f"/portal/refunds/{both[1]['row']['id']}"
        assert "holds 8.00 USDC, enough" in (await client.get(page, headers=HTML)).text
        another = await box.refund(await box.paid("8.00"), "8.00")
        await pay_back(box, another)
        assert "holds 8.00 USDC, enough" in (await client.get(page, headers=HTML)).text


async def test_a_stuck_refund_asks_for_attention_and_is_sent_again(box: Box) -> None:
    system, merchant = box.house.system, await merchant_of(box)
    refund = await box.refund(await box.paid("20.00"), "5.00")
    refund_id = refund["row"]["id"]
    await box.fault("shopify", "status", value=503)
    async with box.house.portal() as client:
        deny = await client.post(f"/portal/api/refunds/{refund_id}/deny", json={"message": "No."})
        assert deny.status_code == 200
        async with system.database.transaction() as connection:
            await lifecycle.stick(connection, refund_id, "shopify_refused", at=system.clock.now())
        attention = await read_attention(system, merchant)
        assert ([line.id for line in attention.refunds], attention.count) == ([refund_id], 1)
        assert "Refund of 5.00 USD" in (await client.get("/portal/attention", headers=HTML)).text
        await box.mend()
        answer = await client.post(f"/portal/refunds/{refund_id}/resend")
        assert answer.status_code == 303
        assert (await client.post(f"/portal/refunds/{refund_id}/resend")).status_code == 409
    await box.advance(6)
    await box.until_refund(refund, "rejected")
    assert (await count_attention(system, merchant)).attention == 0
    assert (await box.refund_at_shopify(refund))["state"] == "rejected"


async def test_a_stuck_refund_that_nobody_knows_the_end_of_is_dealt_with_by_a_person(box: Box) -> None:
    system, merchant = box.house.system, await merchant_of(box)
    refund = await box.refund(await box.paid("20.00"), "5.00")
    refund_id = refund["row"]["id"]
    async with system.database.transaction() as connection:
        await lifecycle.stick(connection, refund_id, "landed_unverified", at=system.clock.now())
    story = await read_refund(system, merchant, refund_id)
    assert (story.can_resend, story.can_attend) == (False, True)
    with pytest.raises(actions.NothingToDo):
        await actions.resend_refund(system, merchant, refund_id)
    await actions.attend_refund(system, merchant, refund_id, note="paid by hand")
    with pytest.raises(actions.NothingToDo):
        await actions.attend_refund(system, merchant, refund_id)
    assert (await count_attention(system, merchant)).attention == 0
    assert describe_refund((await read_refund(system, merchant, refund_id)).line).label == "Dealt with"


async def test_another_shops_refund_is_not_found_in_any_way(box: Box) -> None:
    refund = await box.refund(await box.paid("20.00"), "5.00")
    refund_id = refund["row"]["id"]
    await box.house.rows(
        """INSERT INTO merchants (shop, display_name, status, created_at, updated_at)
        VALUES ('other.myshopify.com', 'Other', 'inactive', now(), now())"""
    )
    [row] = await box.house.rows("SELECT * FROM merchants WHERE shop = 'other.myshopify.com'")
    stranger, system = Merchant.from_row(row), box.house.system
    with pytest.raises(NotInShop):
        await read_refund(system, stranger, refund_id)
    assert await list_refunds_of(system, stranger.id, refund["row"]["payment_id"]) == []
    async with box.house.portal("other.myshopify.com") as client:
        for path in (f"/portal/refunds/{refund_id}", f"/portal/api/refunds/{refund_id}"):
            assert (await client.get(path)).status_code == 404
        for action in ("deny", "resend", "attend"):
            answer = await client.post(f"/portal/refunds/{refund_id}/{action}", data={"message": "No.", "note": "x"})
            assert answer.status_code == 404, action
        assert refund_id not in (await client.get("/portal/refunds", headers=HTML)).text
    assert (await box.refund_row(refund))["status"] == "pending"
