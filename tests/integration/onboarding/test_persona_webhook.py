"""Persona's webhook: the merchant is away, and the check is over all the same; nothing of what it says is believed."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.identity.webhook import IdentitySignatureInvalid, check_signature
from app.sandbox.persona_webhook import SECRET
from tests.box import Box, open_box
from tests.integration.onboarding.merchant import NEW_SHOP, Merchant
from tests.waiting import wait_until


@pytest.fixture
async def box(database_url: str, tmp_path: Path) -> Any:
    async with open_box(database_url, tmp_path, identity_provider="persona") as opened:
        yield opened


def sign(body: bytes, secret: str = SECRET, at: str = "1790000000") -> str:
    signature = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hex()
    return f"t={at},v1={signature}"


def event_of(inquiry: str, name: str = "inquiry.approved", event: str = "evt_1", shop: str | None = NEW_SHOP) -> bytes:
    attributes = {
        "name": name,
        "payload": {"data": {"type": "inquiry", "id": inquiry, "attributes": {"reference-id": shop, "name": "Ada"}}},
    }
    return json.dumps({"data": {"type": "event", "id": event, "attributes": attributes}}).encode()


async def post(box: Box, body: bytes, signature: str | None) -> httpx.Response:
    headers = {} if signature is None else {"Persona-Signature": signature}
    return await box.house.public.post("/webhooks/persona", content=body, headers=headers)


async def begin(box: Box, merchant: Merchant) -> str:
    """The id of the merchant's inquiry."""
    await merchant.ask("/identity", {})
    [inquiry] = (await box.outside.get("/sandbox/persona")).json()["inquiries"]
    return str(inquiry["id"])


async def decide(box: Box, inquiry: str, status: str) -> None:
    assert (await box.outside.post(f"/sandbox/persona/{inquiry}", json={"status": status})).status_code == 200


async def identity(box: Box) -> str:
    query = "SELECT identity FROM onboardings o JOIN merchants m ON m.id = o.merchant_id WHERE m.shop = $1"
    [row] = await box.house.rows(query, NEW_SHOP)
    return str(row["identity"])


async def until(box: Box, status: str) -> None:
    async def is_so() -> bool:
        return await identity(box) == status

    await wait_until(is_so, what=f"the identity is {status}")


async def processed(box: Box, count: int) -> None:
    async def are() -> bool:
        rows = await box.house.rows("SELECT id FROM inbox_events WHERE source = 'persona' AND processed_at IS NOT NULL")
        return len(rows) == count

    await wait_until(are, what=f"{count} events are processed")


async def test_a_check_that_ends_while_the_merchant_is_away_is_over_here_too(box: Box, merchant: Merchant) -> None:
    inquiry = await begin(box, merchant)
    await decide(box, inquiry, "approved")
    await until(box, "approved")
    # A merchant who is declined later takes no more payments, and Shopify hears of it.
    await merchant.go_through()
    await decide(box, inquiry, "declined")
    await until(box, "declined")
    [row] = await box.house.rows("SELECT status FROM merchants WHERE shop = $1", NEW_SHOP)
    assert row["status"] == "inactive"


@pytest.mark.parametrize("fault", ["status", "lost_answer", "duplicate", "broken_json", "wrong_signature"])
async def test_an_event_that_gets_lost_or_comes_twice_is_one(box: Box, merchant: Merchant, fault: str) -> None:
    inquiry = await begin(box, merchant)
    await box.fault("persona_webhook", fault, times=1)
    await decide(box, inquiry, "approved")
    await until(box, "approved")
    await processed(box, 1)
    events = await box.house.rows("SELECT detail FROM events WHERE kind = 'identity' ORDER BY id")
    assert [event["detail"]["after"] for event in events] == ["pending", "approved"]


async def test_persona_away_when_it_is_asked_is_asked_again(box: Box, merchant: Merchant) -> None:
    inquiry = await begin(box, merchant)
    await box.fault("persona", "status", times=1)
    await decide(box, inquiry, "approved")

    async def has_failed() -> bool:
        rows = await box.house.rows("SELECT last_error FROM jobs WHERE kind = 'inbox_event'")
        return [row["last_error"] for row in rows] == ["identity_unavailable"]

    await wait_until(has_failed, what="the first try failed")
    await box.advance(10)
    await until(box, "approved")


async def test_what_an_event_says_is_not_believed_and_not_kept(box: Box, merchant: Merchant) -> None:
    inquiry = await begin(box, merchant)
    body = event_of(inquiry)
    assert (await post(box, body, sign(body))).status_code == 200
    await processed(box, 1)
    assert await identity(box) == "pending"
    [kept] = await box.house.rows("SELECT payload FROM inbox_events WHERE source = 'persona'")
    assert kept["payload"] == inquiry.encode()


async def test_an_event_of_somebody_elses_inquiry_or_of_another_kind_changes_nothing(
    box: Box, merchant: Merchant
) -> None:
    await begin(box, merchant)
    others = [
        event_of("acc_1", "account.created", "evt_1"),
        event_of("inq_another", event="evt_2", shop="customer-1"),
        event_of("inq_another", event="evt_3", shop=None),
        event_of("inq_another", event="evt_4"),
    ]
    for body in others:
        assert (await post(box, body, sign(body))).status_code == 200
    await processed(box, 1)
    assert len(await box.house.rows("SELECT id FROM inbox_events WHERE source = 'persona'")) == 1
    assert (await identity(box)) == "pending"


@pytest.mark.parametrize("signature", [None, "", "t=1,v1=", "v1=00", sign(b"{}"), sign(event_of("inq_1"), "stranger")])
async def test_a_webhook_that_is_not_personas_is_refused(box: Box, signature: str | None) -> None:
    answer = await post(box, event_of("inq_1"), signature)
    assert (answer.status_code, answer.json()["reason"]) == (401, "identity_signature_invalid")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":{}}', b"\xff", event_of("inq 1"), event_of("inq_1", event="")])
async def test_a_signed_webhook_that_can_not_be_read_is_refused(box: Box, body: bytes) -> None:
    answer = await post(box, body, sign(body))
    assert (answer.status_code, answer.json()["reason"]) == (400, "request_invalid")


async def test_without_a_secret_there_is_no_webhook(database_url: str, tmp_path: Path) -> None:
    async with open_box(database_url, tmp_path, worker=False, persona_webhook_secrets="") as box:
        body = event_of("inq_1")
        answer = await post(box, body, sign(body))
        assert (answer.status_code, answer.json()["reason"]) == (404, "identity_webhook_off")


def test_while_the_secret_changes_either_signature_and_either_secret_is_enough() -> None:
    body = b"{}"
    both = f"{sign(body, 'old')} {sign(body, 'new')}"
    check_signature(both, body, ["new"])
    check_signature(sign(body, "old"), body, ["new", "old"])
    with pytest.raises(IdentitySignatureInvalid):
        check_signature(both, body, ["another"])
    with pytest.raises(IdentitySignatureInvalid):
        check_signature(both.replace("t=1790000000", "t=1790000001"), body, ["new", "old"])


def test_more_signatures_than_persona_sends_are_refused_unread() -> None:
    """Else a stranger has the body digested as often as a header can ask for it: seconds, with nothing signed."""
    body = b"{}"
    check_signature(f"t=1,v1=00 {sign(body)}", body, [SECRET])
    with pytest.raises(IdentitySignatureInvalid):
        check_signature(f"t=1,v1=00 t=2,v1=00 {sign(body)}", body, [SECRET])
