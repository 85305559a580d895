"""The life of a payment session at Shopify: once per name, final when final, honest about conflicts."""

from datetime import timedelta
from typing import Any

import pytest

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from tests.integration.store.harness import PENDING, REJECT, RESOLVE, World

CONFLICT = (
    "Payment session has already been resolved with a different authentication, has already been rejected, "
    "or the response to start_payment_session request has not been received."
)
REASON = {"code": "PROCESSING_ERROR", "merchantMessage": "Screened out"}


class Session:
    """One opened checkout, and what is done to it."""

    def __init__(self, world: World, checkout: dict[str, Any]) -> None:
        self.world = world
        self.checkout = checkout

    async def resolve(self) -> Any:
        return (await self.world.ask(RESOLVE, {"id": self.checkout["gid"]}))["data"]["paymentSessionResolve"]

    async def reject(self, **reason: str) -> Any:
        variables = {"id": self.checkout["gid"], "reason": REASON | reason}
        return (await self.world.ask(REJECT, variables))["data"]["paymentSessionReject"]

    async def pend(self, clock: VirtualClock, days: float = 2) -> Any:
        expires = (clock.now() + timedelta(days=days)).isoformat()
        variables = {"id": self.checkout["gid"], "expires": expires, "reason": "NETWORK_ACTION_REQUIRED"}
        return (await self.world.ask(PENDING, variables))["data"]["paymentSessionPending"]

    async def known(self) -> dict[str, Any]:
        return await self.world.show(self.checkout)


@pytest.fixture
async def session(world: World) -> Session:
    return Session(world, await world.open())


def is_conflict(answer: Any) -> bool:
    return bool(answer["paymentSession"] is None and answer["userErrors"] == [{"field": ["id"], "message": CONFLICT}])


async def test_a_resolved_session_leads_to_the_thank_you_page_and_makes_the_order(session: Session) -> None:
    answer = await session.resolve()
    action = answer["paymentSession"]["nextAction"]
    assert action["action"] == "REDIRECT"
    assert action["context"]["redirectUrl"].endswith(f"/checkouts/{session.checkout['id']}/thank-you")
    known = await session.known()
    assert (known["state"], known["order"]["paid"], known["order"]["number"]) == ("resolved", True, 1001)
    assert known["next_url"] == action["context"]["redirectUrl"]


async def test_the_same_mutation_again_gives_the_same_answer_and_changes_nothing(session: Session) -> None:
    first = await session.resolve()
    assert await session.resolve() == first
    mutations = (await session.known())["mutations"]
    assert [(m["name"], m["applied"]) for m in mutations] == [
        ("paymentSessionResolve", True),
        ("paymentSessionResolve", False),
    ]
    assert mutations[0]["answer"]["userErrors"] == []
    assert mutations[0]["variables"] == {"id": session.checkout["gid"]}


async def test_a_rejected_session_leads_back_to_the_checkout_and_keeps_its_first_reason(session: Session) -> None:
    first = await session.reject()
    assert first["paymentSession"]["nextAction"]["context"]["redirectUrl"].endswith(session.checkout["id"])
    again = await session.reject(code="CARD_DECLINED")
    assert again == first
    known = await session.known()
    assert (known["state"], known["reason"]) == ("rejected", "PROCESSING_ERROR")
    assert (known["merchant_message"], known["order"]) == ("Screened out", None)


async def test_rejecting_again_for_another_reason_can_be_a_conflict(session: Session, faults: Faults) -> None:
    await session.reject()
    faults.set("shopify", "strict_reject")
    assert is_conflict(await session.reject(code="CARD_DECLINED"))
    assert not is_conflict(await session.reject())


async def test_only_the_first_of_two_names_is_processed(world: World, session: Session) -> None:
    await session.resolve()
    assert is_conflict(await session.reject())
    assert (await session.known())["state"] == "resolved"
    other = Session(world, await world.open())
    await other.reject()
    assert is_conflict(await other.resolve())
    known = await other.known()
    assert known["state"] == "rejected"
    assert [m["applied"] for m in known["mutations"]] == [True, False]


async def test_a_pending_session_has_an_unpaid_order_and_can_still_be_resolved(
    session: Session, clock: VirtualClock
) -> None:
    pending = await session.pend(clock)
    assert pending["paymentSession"]["state"] == {"code": "PENDING", "reason": "NETWORK_ACTION_REQUIRED"}
    known = await session.known()
    assert (known["state"], known["order"]["paid"]) == ("pending", False)
    assert not (await session.resolve())["userErrors"]
    known = await session.known()
    assert (known["state"], known["order"]["paid"]) == ("resolved", True)


async def test_a_pending_session_can_still_be_rejected(session: Session, clock: VirtualClock) -> None:
    await session.pend(clock)
    assert not (await session.reject())["userErrors"]
    assert (await session.known())["state"] == "rejected"


async def test_pending_after_the_end_is_an_invalid_state(session: Session, clock: VirtualClock) -> None:
    await session.resolve()
    assert (await session.pend(clock))["userErrors"][0]["code"] == "PENDING_INVALID_STATE"


async def test_pending_again_after_the_end_is_answered_as_before_unless_shopify_is_strict(
    session: Session, clock: VirtualClock, faults: Faults
) -> None:
    first = await session.pend(clock)
    await session.resolve()
    assert await session.pend(clock) == first
    faults.set("shopify", "strict_pending")
    assert (await session.pend(clock))["userErrors"][0]["code"] == "PENDING_INVALID_STATE"


async def test_an_expiry_too_far_ahead_is_out_of_range(session: Session, clock: VirtualClock, faults: Faults) -> None:
    assert (await session.pend(clock, days=8))["userErrors"][0]["code"] == "OUT_OF_RANGE_PENDING_EXPIRES_AT"
    faults.set("shopify", "pending_limit", 1)
    assert (await session.pend(clock, days=2))["userErrors"][0]["code"] == "OUT_OF_RANGE_PENDING_EXPIRES_AT"
    assert not (await session.pend(clock, days=0.5))["userErrors"]


async def test_a_pending_session_that_ran_out_can_be_closed_to_mutations(
    session: Session, clock: VirtualClock, faults: Faults
) -> None:
    await session.pend(clock, days=1)
    clock.advance(2 * 86400)
    faults.set("shopify", "pending_expires")
    assert is_conflict(await session.resolve())
    faults.clear()
    assert not (await session.resolve())["userErrors"]


async def test_a_mutation_before_the_session_was_answered_is_refused(world: World) -> None:
    refused = await world.http.post(
        "/sandbox/checkouts", json={"amount": "1", "currency": "USD", "options": {"omit": ["id"]}}
    )
    assert refused.status_code == 502
    early = Session(world, refused.json())
    assert is_conflict(await early.resolve())
    mended = {"options": {"body": {"id": refused.json()["id"]}}}
    await world.http.post(f"/sandbox/checkouts/{refused.json()['id']}/resend", json=mended)
    assert not (await early.resolve())["userErrors"]


@pytest.mark.parametrize("fault", ["conflict", "not_received"])
async def test_a_switched_conflict_changes_nothing(session: Session, faults: Faults, fault: str) -> None:
    faults.set("shopify", fault, times=1)
    assert is_conflict(await session.resolve())
    assert (await session.known())["state"] == "open"
    assert not (await session.resolve())["userErrors"]


async def test_a_second_resolved_session_of_a_group_raises_an_alarm_and_makes_no_second_order(
    world: World, session: Session
) -> None:
    other = Session(world, await world.open(group=session.checkout["group"]))
    await session.resolve()
    assert not (await other.resolve())["userErrors"]
    one, two = await session.known(), await other.known()
    assert one["order"] == two["order"] == {"number": 1001, "paid": True, "checkout": one["id"]}
    assert "two sessions of one group are resolved" in one["alarms"][0]
    assert one["id"] in two["alarms"][0]


async def test_a_second_resolved_session_of_a_group_can_be_a_conflict(
    world: World, session: Session, faults: Faults
) -> None:
    other = Session(world, await world.open(group=session.checkout["group"]))
    await session.resolve()
    faults.set("shopify", "strict_group")
    assert is_conflict(await other.resolve())
    assert (await other.known())["state"] == "open"


async def test_a_mutation_in_another_api_version_than_the_session_raises_an_alarm(world: World) -> None:
    checkout = await world.open()
    await world.ask(RESOLVE, {"id": checkout["gid"]}, "2026-07")
    assert "API version 2026-07" in (await world.show(checkout))["alarms"][0]


async def test_an_unknown_session_is_a_user_error_and_a_malformed_id_is_an_error(world: World) -> None:
    unknown = await world.ask(RESOLVE, {"id": "gid://shopify/PaymentSession/nobody"})
    assert unknown["data"]["paymentSessionResolve"] == {
        "paymentSession": None,
        "userErrors": [{"field": ["id"], "message": "Payment session not found."}],
    }
    checkout = await world.open()
    bare = await world.ask(RESOLVE, {"id": checkout["id"]})
    assert bare["data"] == {"paymentSessionResolve": None}
    assert "Invalid global id" in bare["errors"][0]["message"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("paymentSessionConfirm(id: $id)", "CONFIRMATION_NOT_SUPPORTED"),
        (
            'paymentSessionRedirect(id: $id, redirectUrl: "https://a.example")',
            "REDIRECT_NOT_SUPPORTED_FOR_OFFSITE",
        ),
        (
            'paymentSessionModal(id: $id, action: {qrCode: {code: "x"}})',
            "UNSUPPORTED_PAYMENT_METHOD_FOR_MODAL",
        ),
    ],
)
async def test_what_an_offsite_app_may_not_do_has_a_code_of_its_own(session: Session, call: str, code: str) -> None:
    document = f"mutation($id: ID!) {{ {call} {{ paymentSession {{ id }} userErrors {{ code }} }} }}"
    answer = await session.world.ask(document, {"id": session.checkout["gid"]})
    (payload,) = answer["data"].values()
    assert payload == {"paymentSession": None, "userErrors": [{"code": code}]}
    assert (await session.known())["state"] == "open"


async def test_all_checkouts_are_listed_with_their_states(session: Session) -> None:
    await session.resolve()
    listed = (await session.world.http.get("/sandbox/checkouts")).json()["checkouts"]
    assert [(c["id"], c["state"], c["alarms"]) for c in listed] == [(session.checkout["id"], "resolved", [])]
