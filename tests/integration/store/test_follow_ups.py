"""Refund, capture and void sessions at Shopify: sent as documented, ended once, honest about conflicts."""

import json
import re
from typing import Any

import pytest
from starlette.responses import Response

from app.sandbox.faults import Faults
from tests.integration.store.harness import FOLLOW_UP, World

KINDS = ("refund", "capture", "void")
REASON = {"code": "PROCESSING_ERROR", "merchantMessage": "No."}


async def open_one(world: World, kind: str, amount: str = "5.0", **more: Any) -> dict[str, Any]:
    checkout = await world.open("12.34")
    demand = more if kind == "void" else {"amount": amount} | more
    answer = await world.http.post(f"/sandbox/checkouts/{checkout['id']}/{kind}s", json=demand)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()) | {"checkout": checkout, "kind": kind}


async def end(world: World, one: dict[str, Any], verb: str, version: str = "2026-10", **reason: str) -> Any:
    kind = one["kind"]
    wants_reason = verb == "Reject"
    query = FOLLOW_UP % {
        "kind": kind,
        "verb": verb,
        "type": kind.capitalize(),
        "arguments": f", $reason: {kind.capitalize()}SessionRejectionReasonInput!" if wants_reason else "",
        "passed": ", reason: $reason" if wants_reason else "",
    }
    variables = {"id": one["gid"]} | ({"reason": REASON | reason} if wants_reason else {})
    return (await world.ask(query, variables, version))["data"][f"{kind}Session{verb}"]


async def known(world: World, one: dict[str, Any]) -> dict[str, Any]:
    return dict((await world.http.get(f"/sandbox/{one['kind']}s/{one['id']}")).json())


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_is_sent_with_the_documented_headers_and_body(world: World, kind: str) -> None:
    one = await open_one(world, kind)
    headers, _ = world.door.received[-1]
    body = world.door.sessions[-1]
    assert (headers["shopify-shop-domain"], headers["shopify-api-version"]) == ("sandbox.myshopify.com", "2026-10")
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", body["id"])
    assert body["gid"] == f"gid://shopify/{kind.capitalize()}Session/{body['id']}" == one["gid"]
    assert (body["payment_id"], body["test"], body["merchant_locale"]) == (one["checkout"]["id"], False, "en")
    assert {"amount", "currency"} & body.keys() == (set() if kind == "void" else {"amount", "currency"})
    assert body.get("amount") == (None if kind == "void" else "5.0")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["proposed_at"])
    assert (await known(world, one))["state"] == "open"


@pytest.mark.parametrize(
    ("status", "text", "is_good"), [(201, "", True), (201, "{}", True), (200, "", False), (201, '{"a":1}', False)]
)
async def test_only_201_with_nothing_in_it_is_an_answer(world: World, status: int, text: str, is_good: bool) -> None:
    checkout = await world.open()

    async def respond(_session: Any) -> Response:
        return Response(text, status)

    world.door.respond = respond
    answer = await world.http.post(f"/sandbox/checkouts/{checkout['id']}/refunds", json={"amount": "1.00"})
    assert answer.status_code == (201 if is_good else 502)
    # What is refused is sent again, byte for byte, as often as the store is patient.
    assert len({body for _, body in world.door.received[1:]}) == 1
    assert len(world.door.received[1:]) == (1 if is_good else 3)


@pytest.mark.parametrize("kind", KINDS)
async def test_one_name_is_processed_once_and_another_is_an_invalid_state(world: World, kind: str) -> None:
    one = await open_one(world, kind)
    first = await end(world, one, "Reject")
    assert first[f"{kind}Session"]["state"]["code"] == "REJECTED"
    assert await end(world, one, "Reject", merchantMessage="Another reason.") == first
    [error] = (await end(world, one, "Resolve"))["userErrors"]
    assert (error["code"], error["field"]) == (f"{kind.upper()}_SESSION_INVALID_STATE", ["id"])
    shown = await known(world, one)
    assert (shown["state"], shown["reason"], shown["merchant_message"]) == ("rejected", "PROCESSING_ERROR", "No.")
    assert [mutation["applied"] for mutation in shown["mutations"]] == [True, False, False]


async def test_a_strict_shopify_calls_the_repetition_an_invalid_state(world: World, faults: Faults) -> None:
    one = await open_one(world, "refund")
    await end(world, one, "Reject")
    faults.set("shopify", "strict_reject")
    assert (await end(world, one, "Reject"))["userErrors"] == []
    assert (await end(world, one, "Reject", merchantMessage="Other words."))["userErrors"] != []
    faults.set("shopify", "strict_repeat")
    assert (await end(world, one, "Reject"))["userErrors"] != []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_nobody_knows_is_not_found(world: World, kind: str) -> None:
    nobody = {"kind": kind, "gid": f"gid://shopify/{kind.capitalize()}Session/nobody"}
    [error] = (await end(world, nobody, "Resolve"))["userErrors"]
    assert error["code"] == f"{kind.upper()}_SESSION_NOT_FOUND"


async def test_a_mutation_before_the_apps_answer_changes_nothing(world: World) -> None:
    one = await open_one(world, "refund")
    answers: list[Any] = []

    async def respond(session: dict[str, Any]) -> Response:
        answers.append(await end(world, {"kind": "refund", "gid": session["gid"]}, "Resolve"))
        return Response(status_code=201)

    world.door.respond = respond
    path = f"/sandbox/checkouts/{one['checkout']['id']}/refunds"
    early = (await world.http.post(path, json={"amount": "1.00"})).json() | {"kind": "refund"}
    assert answers[0]["userErrors"][0]["code"] == "REFUND_SESSION_INVALID_STATE"
    assert (await known(world, early))["state"] == "open"
    assert (await end(world, early, "Resolve"))["userErrors"] == []


async def test_giving_back_more_than_was_paid_alarms_and_so_does_another_version(world: World) -> None:
    one = await open_one(world, "refund", "12.34")
    assert (await end(world, one, "Resolve"))["userErrors"] == []
    assert (await known(world, one))["alarms"] == []
    path = f"/sandbox/checkouts/{one['checkout']['id']}/refunds"
    more = (await world.http.post(path, json={"amount": "0.01"})).json() | {"kind": "refund"}
    await end(world, more, "Resolve", version="2026-01")
    alarms = (await known(world, more))["alarms"]
    assert [alarm.partition(" ")[0] for alarm in alarms] == ["refundSessionResolve", "12.35"]


async def test_nonsense_is_refused(world: World) -> None:
    checkout = await world.open()
    path = f"/sandbox/checkouts/{checkout['id']}"
    for kind, body in (("refunds", {}), ("refunds", {"amount": 5}), ("captures", {"amount": "0"}), ("voids", {"a": 1})):
        assert (await world.http.post(f"{path}/{kind}", content=json.dumps(body))).status_code == 422, (kind, body)
    assert (await world.http.post("/sandbox/checkouts/nobody/refunds", json={"amount": "1"})).status_code == 404
    for kind in KINDS:
        assert (await world.http.get(f"/sandbox/{kind}s/nobody")).status_code == 404
        assert (await world.http.post(f"/sandbox/{kind}s/nobody/resend")).status_code == 404
