"""What can not be given back is answered 201, and then rejected at Shopify with a sentence for the merchant."""

import json
from typing import Any

import pytest

from tests.box import Box
from tests.house import SHOP, VERSION
from tests.waiting import wait_until

REJECT = "refundSessionReject"


def applied(known: dict[str, Any]) -> list[str]:
    """The mutations that changed Shopify's session."""
    return [mutation["name"] for mutation in known["mutations"] if mutation["applied"]]


async def test_more_than_what_is_left_is_stored_answered_and_rejected(box: Box) -> None:
    checkout = await box.paid("12.34")
    await box.refund(checkout, "10.00")
    above = await box.refund(checkout, "2.35")
    assert (above["row"]["status"], above["row"]["usdc"]) == ("rejecting", None)
    # Our own answer arrives first: so long nothing is sent.
    assert (await box.refund_at_shopify(above))["mutations"] == []
    await box.advance(4)
    await box.until_refund(above, "rejected")
    known = await box.refund_at_shopify(above)
    assert (known["state"], known["reason"], known["alarms"]) == ("rejected", "PROCESSING_ERROR", [])
    assert known["merchant_message"] == "This refund is larger than what is left of the payment, 2.34 USD."
    assert applied(known) == [REJECT]
    # What was left still is.
    assert (await box.refund(checkout, "2.34"))["row"]["usdc"] == 2_340_000


@pytest.mark.parametrize(
    ("fault", "value"),
    [("status", 503), ("lost_answer", None), ("internal_error", "after"), ("not_received", None), ("conflict", None)],
)
async def test_a_fault_of_shopifys_delays_the_reject_and_no_more(box: Box, fault: str, value: Any) -> None:
    checkout = await box.paid()
    above = await box.refund(checkout, "99.00")
    await box.fault("shopify", fault, value=value, times=1)
    await box.advance(4)
    await _tried(box, 1)
    await box.advance(6)
    await box.until_refund(above, "rejected")
    known = await box.refund_at_shopify(above)
    assert applied(known) == [REJECT]
    assert len({json.dumps(mutation["variables"]) for mutation in known["mutations"]}) == 1


async def test_a_lost_reject_is_done_also_for_a_shopify_that_calls_the_repetition_an_invalid_state(box: Box) -> None:
    checkout = await box.paid()
    above = await box.refund(checkout, "99.00")
    await box.fault("shopify", "lost_answer", times=1)
    await box.fault("shopify", "strict_repeat")
    await box.advance(4)
    await _tried(box, 1)
    await box.advance(6)
    await box.until_refund(above, "rejected")
    assert applied(await box.refund_at_shopify(above)) == [REJECT]


@pytest.mark.parametrize(("kind", "mutation"), [("capture", "captureSessionReject"), ("void", "voidSessionReject")])
async def test_a_capture_or_void_is_stored_answered_and_declined_whatever_is_repeated(
    box: Box, kind: str, mutation: str
) -> None:
    checkout = await box.paid()
    demand = {"amount": "5.00"} if kind == "capture" else {}
    await box.fault("shopify", "duplicate_session", value=20, times=1)
    answer = await box.outside.post(f"/sandbox/checkouts/{checkout['id']}/{kind}s", json=demand)
    assert answer.status_code == 201, answer.text
    session = f"/sandbox/{kind}s/{answer.json()['id']}"
    assert len(await box.house.rows("SELECT id FROM declined_sessions")) == 1
    await box.fault("shopify", "lost_answer", times=1)
    await box.advance(4)
    await _tried(box, 1)
    await box.advance(6)

    async def is_declined() -> bool:
        return bool(
            await box.house.rows(
                "SELECT FROM shopify_mutations WHERE acknowledged_at IS NOT NULL AND name = $1", mutation
            )
        )

    await wait_until(is_declined, 10, f"the {kind} is declined")
    known = (await box.outside.get(session)).json()
    assert (known["state"], known["reason"], applied(known)) == ("rejected", "PROCESSING_ERROR", [mutation])
    assert "nothing to capture" in known["merchant_message"] or "Refund it instead" in known["merchant_message"]
    # Again, at any time: the same answer, and nothing more is sent.
    assert (await box.outside.post(f"{session}/resend")).status_code == 201
    assert len(await box.house.rows("SELECT id FROM jobs WHERE kind = $1", f"{kind}_reject")) == 1
    other = await box.outside.post(f"{session}/resend", json={"options": {"body": {"payment_id": "another"}}})
    assert (other.status_code, other.json()["status"], other.json()["body"]["reason"]) == (
        502,
        409,
        "declined_conflict",
    )


async def test_a_capture_of_a_shop_that_nobody_knows_is_refused(box: Box) -> None:
    headers = {"Shopify-Shop-Domain": "nobody.myshopify.com", "Shopify-Api-Version": VERSION}
    body = {"id": "a", "gid": "gid://shopify/CaptureSession/a", "payment_id": "b"}
    answer = await box.house.shopify.post("/shopify/capture", json=body, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (404, "shop_unknown")
    unread = await box.house.shopify.post(
        "/shopify/void", content=b"[]", headers=headers | {"Shopify-Shop-Domain": SHOP}
    )
    assert (unread.status_code, unread.json()["reason"]) == (400, "request_invalid")


async def _tried(box: Box, tries: int) -> None:
    async def reached() -> bool:
        return bool(await box.house.rows("SELECT FROM jobs WHERE status = 'waiting' AND attempts >= $1", tries))

    await wait_until(reached, 10, f"{tries} tries failed")
