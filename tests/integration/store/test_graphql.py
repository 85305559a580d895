"""Shopify's GraphQL server: versions, validation, tokens, scopes, cost and throttling."""

import re
from typing import Any

import pytest

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from tests.integration.store.harness import PENDING, REJECT, RESOLVE, TOKEN, World

VERSIONS = ["2026-01", "2026-04", "2026-07", "2026-10"]
CONFIGURE = """
mutation PaymentsAppConfigure($handle: String, $ready: Boolean!) {
  paymentsAppConfigure(externalHandle: $handle, ready: $ready) {
    paymentsAppConfiguration { externalHandle ready }
    userErrors { field message }
  }
}
"""
REJECT_WITH_SOURCE = REJECT.replace("code reason merchantMessage", "code reason merchantMessage source")


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_mutation_on_a_payment_session_fits_every_version(world: World, version: str) -> None:
    reason = {"code": "PROCESSING_ERROR", "merchantMessage": "No luck"}
    expires = {"expires": "2026-01-01T00:00:00Z", "reason": "NETWORK_ACTION_REQUIRED"}
    one, two = await world.open(), await world.open()
    resolved = await world.ask(RESOLVE, {"id": one["gid"]}, version)
    assert resolved["data"]["paymentSessionResolve"]["paymentSession"]["state"] == {"code": "RESOLVED"}
    rejected = await world.ask(REJECT, {"id": two["gid"], "reason": reason}, version)
    state = rejected["data"]["paymentSessionReject"]["paymentSession"]["state"]
    assert state == {"code": "REJECTED", "reason": "PROCESSING_ERROR", "merchantMessage": "No luck"}
    pending = await world.ask(PENDING, {"id": (await world.open())["gid"]} | expires, version)
    assert pending["data"]["paymentSessionPending"]["userErrors"][0]["code"] == "EXPIRED_PENDING_EXPIRES_AT"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", [RESOLVE, REJECT, CONFIGURE], ids=["resolve", "reject", "configure"])
async def test_asking_for_the_code_of_a_plain_user_error_is_refused(world: World, document: str, version: str) -> None:
    answer = await world.ask(document.replace("userErrors { field", "userErrors { code field"), version=version)
    assert set(answer) == {"errors"}
    assert "'code'" in answer["errors"][0]["message"]
    assert answer["errors"][0]["extensions"]["code"] == "undefinedField"


async def test_the_source_of_a_rejection_exists_only_from_2026_04(world: World) -> None:
    checkout = await world.open()
    reason = {"code": "PROCESSING_ERROR", "source": "PROVIDER"}
    old = await world.ask(REJECT, {"id": checkout["gid"], "reason": reason}, "2026-01")
    assert "source" in old["errors"][0]["message"]
    assert "data" not in old
    undefined = await world.ask(REJECT_WITH_SOURCE, {"id": checkout["gid"], "reason": reason}, "2026-01")
    assert undefined["errors"][0]["extensions"]["code"] == "undefinedField"
    assert (await world.show(checkout))["state"] == "open"
    new = await world.ask(REJECT_WITH_SOURCE, {"id": checkout["gid"], "reason": reason}, "2026-04")
    assert new["data"]["paymentSessionReject"]["paymentSession"]["state"]["source"] == "PROVIDER"


async def test_fraud_suspected_exists_only_from_2026_04_and_risky_is_deprecated_then(world: World) -> None:
    async def reject(code: str, version: str) -> Any:
        checkout = await world.open()
        return await world.post(REJECT, {"id": checkout["gid"], "reason": {"code": code}}, version)

    assert "FRAUD_SUSPECTED" in (await reject("FRAUD_SUSPECTED", "2026-01")).json()["errors"][0]["message"]
    assert "errors" not in (await reject("FRAUD_SUSPECTED", "2026-04")).json()
    old, new = await reject("RISKY", "2026-01"), await reject("RISKY", "2026-10")
    assert "errors" not in old.json() | new.json()
    assert "X-Shopify-API-Deprecated-Reason" not in old.headers
    assert "rejection-reason" in new.headers["X-Shopify-API-Deprecated-Reason"]


@pytest.mark.parametrize(
    ("requested", "served"), [("2026-07", "2026-07"), ("2025-10", "2026-01"), ("2022-04", "2026-01"), ("unstable",) * 2]
)
async def test_the_answer_names_the_version_served(world: World, requested: str, served: str) -> None:
    answer = await world.post("{ publicApiVersions { handle supported } }", version=requested)
    assert answer.headers["X-Shopify-API-Version"] == served
    assert ("X-Shopify-API-Deprecated-Reason" in answer.headers) == (requested != served)
    supported = [v["handle"] for v in answer.json()["data"]["publicApiVersions"] if v["supported"]]
    assert supported == VERSIONS


@pytest.mark.parametrize("version", ["2026-02", "2031-01", "latest"])
async def test_a_version_that_never_was_is_not_found(world: World, version: str) -> None:
    answer = await world.post("{ publicApiVersions { handle } }", version=version)
    assert (answer.status_code, answer.json()) == (404, {"errors": "Not Found"})


async def test_another_shop_is_not_found(world: World) -> None:
    answer = await world.post("{ publicApiVersions { handle } }", shop="other.myshopify.com")
    assert answer.status_code == 404


async def test_a_wrong_token_is_unauthorized_in_shopifys_words(world: World, faults: Faults) -> None:
    words = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
    wrong = await world.post("{ publicApiVersions { handle } }", token="shpat_other")
    assert (wrong.status_code, wrong.json()) == (401, words)
    faults.set("shopify", "unauthorized", times=1)
    revoked = await world.post("{ publicApiVersions { handle } }")
    assert (revoked.status_code, revoked.json()) == (401, words)
    assert (await world.post("{ publicApiVersions { handle } }")).status_code == 200


async def test_a_missing_scope_nulls_the_mutation_and_names_its_path(make_world: Any, faults: Faults) -> None:
    async with make_world(scopes=frozenset({"write_payment_gateways"})) as world:
        checkout = await world.open()
        denied = await world.ask(RESOLVE, {"id": checkout["gid"]})
        allowed = await world.ask(CONFIGURE, {"handle": "wallet", "ready": True})
        faults.set("shopify", "access_denied", times=1)
        switched = await world.ask(CONFIGURE, {"handle": "wallet", "ready": True})
        assert (await world.show(checkout))["mutations"] == []
    assert denied["data"] == {"paymentSessionResolve": None}
    assert "access denied" in denied["errors"][0]["message"]
    assert denied["errors"][0]["path"] == ["paymentSessionResolve"]
    assert allowed["data"]["paymentsAppConfigure"]["userErrors"] == []
    assert switched["errors"][0]["path"] == ["paymentsAppConfigure"]


async def test_every_answer_carries_its_cost_and_a_request_id(world: World) -> None:
    checkout = await world.open()
    answer = await world.post(
        RESOLVE.replace("state { ... on PaymentSessionStateResolved { code } }", ""), {"id": checkout["gid"]}
    )
    cost = answer.json()["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (13, 10)
    throttle = cost["throttleStatus"]
    assert (throttle["maximumAvailable"], throttle["restoreRate"]) == (546_000, 27_300)
    assert 545_990 <= throttle["currentlyAvailable"] <= 546_000
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])


async def test_a_throttled_call_does_nothing_and_shows_the_bucket(world: World, faults: Faults) -> None:
    checkout = await world.open()
    faults.set("shopify", "throttled", times=1)
    answer = await world.ask(RESOLVE, {"id": checkout["gid"]})
    assert answer["errors"][0]["message"] == "Throttled"
    assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert "data" not in answer
    assert answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] == 0
    assert (await world.show(checkout))["mutations"] == []


async def test_the_bucket_empties_and_fills_again_with_time(world: World, faults: Faults, clock: VirtualClock) -> None:
    checkout = await world.open()
    faults.set("shopify", "small_bucket", 30)
    answers = [await world.ask(RESOLVE, {"id": checkout["gid"]}) for _ in range(4)]
    throttled = ["errors" in answer for answer in answers]
    assert throttled[0] is False
    assert throttled[-1] is True
    clock.advance(30)
    assert "errors" not in await world.ask(RESOLVE, {"id": checkout["gid"]})


async def test_an_internal_error_may_come_before_or_after_the_deed(world: World, faults: Faults) -> None:
    before, after = await world.open(), await world.open()
    faults.set("shopify", "internal_error", times=1)
    answer = await world.post(RESOLVE, {"id": before["gid"]})
    error = answer.json()["errors"][0]
    assert error["extensions"] == {
        "code": "INTERNAL_SERVER_ERROR",
        "requestId": answer.headers["x-request-id"],
    }
    faults.set("shopify", "internal_error", "after", times=1)
    assert "data" not in await world.ask(RESOLVE, {"id": after["gid"]})
    assert [(await world.show(c))["state"] for c in (before, after)] == ["open", "resolved"]


async def test_configuring_without_a_handle_breaks_the_server(world: World) -> None:
    answer = await world.ask(CONFIGURE, {"ready": True})
    assert answer["data"] == {"paymentsAppConfigure": None}
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    done = await world.ask(CONFIGURE, {"handle": "wallet", "ready": False})
    configuration = done["data"]["paymentsAppConfigure"]["paymentsAppConfiguration"]
    assert configuration == {"externalHandle": "wallet", "ready": False}


@pytest.mark.parametrize(
    "query",
    [
        "mutation {",
        "mutation { paymentSessionResolve { userErrors { message } } }",
        "mutation { paymentSessionSettle(id: 1) { id } }",
        "mutation($id: ID!, $x: Int) { paymentSessionResolve(id: $id) { userErrors { message } } }",
        'mutation { paymentSessionRedirect(id: "1", redirectUrl: "soon") { userErrors { message } } }',
        "mutation { paymentSessionResolve(id: 1) { paymentSession { state { code } } } }",
    ],
)
async def test_a_document_that_does_not_fit_is_answered_200_with_errors_alone(world: World, query: str) -> None:
    answer = await world.ask(query, {"id": "gid://shopify/PaymentSession/x"})
    assert set(answer) == {"errors"}
    assert answer["errors"][0]["locations"]


async def test_a_variable_that_does_not_fit_is_an_invalid_variable(world: World) -> None:
    variables = {"id": "gid://shopify/PaymentSession/x", "expires": "tomorrow", "reason": "NETWORK_ACTION_REQUIRED"}
    answer = await world.ask(PENDING, variables)
    assert answer["errors"][0]["extensions"]["code"] == "INVALID_VARIABLE"
    assert "tomorrow" in answer["errors"][0]["message"]
    assert "data" not in await world.ask(RESOLVE, {})


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"query": 5}', b'{"query": "\\ud800"}'])
async def test_a_body_without_a_query_is_a_bad_request(world: World, content: bytes) -> None:
    path = "/shops/sandbox.myshopify.com/payments_apps/api/2026-10/graphql.json"
    answer = await world.http.post(path, content=content, headers={"X-Shopify-Access-Token": TOKEN})
    assert answer.status_code == 400
    assert answer.json() == {"errors": {"query": "Required parameter missing or invalid"}}


@pytest.mark.parametrize("kind", ["refund", "capture", "void"])
@pytest.mark.parametrize("verb", ["Resolve", "Reject"])
async def test_sessions_that_were_never_opened_are_not_found(world: World, kind: str, verb: str) -> None:
    reason = ", reason: {code: PROCESSING_ERROR}" if verb == "Reject" else ""
    gid = f"gid://shopify/{kind.capitalize()}Session/x"
    name = f"{kind}Session{verb}"
    answer = await world.ask(
        f'mutation {{ {name}(id: "{gid}"{reason}) {{ {kind}Session {{ id }} userErrors {{ code field message }} }} }}'
    )
    assert answer["data"][name][f"{kind}Session"] is None
    assert answer["data"][name]["userErrors"][0]["code"] == f"{kind.upper()}_SESSION_NOT_FOUND"
