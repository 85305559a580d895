"""What Shopify's answers mean: only the state that was asked for, without user errors, is an acknowledgement."""

import json
from typing import Any

import pytest

from app.shopify.answers import Acknowledged, Conflict, Reading, Refused, Retry, Wanted, read_answer
from app.shopify.client import Answer

FIELD = "paymentSessionResolve"
RESOLVED = Wanted(FIELD, "paymentSession", "RESOLVED")


def read(body: Any, status: int | None = 200, retry_after_seconds: int = 0) -> Reading:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(Answer(status, content, "request-1", retry_after_seconds), RESOLVED)


def payload(state: str | None = "RESOLVED", url: str | None = "https://shop.example/thanks", errors: Any = ()) -> Any:
    action = url and {"action": "REDIRECT", "context": {"redirectUrl": url}}
    session = state and {"id": "gid://x", "state": {"code": state}, "nextAction": action}
    return {"data": {FIELD: {"paymentSession": session, "userErrors": list(errors)}}}


def test_the_wanted_state_without_user_errors_is_acknowledged() -> None:
    assert read(payload()) == Acknowledged("https://shop.example/thanks")
    assert read(payload(url=None)) == Acknowledged(None)


def test_a_user_error_is_a_conflict_even_beside_a_state() -> None:
    error = {"field": ["id"], "message": "has already been rejected"}
    assert read(payload(state=None, errors=[error])) == Conflict("has already been rejected")
    assert read(payload(errors=[error])) == Conflict("has already been rejected")


def test_a_user_error_with_a_code_keeps_it() -> None:
    error = {"field": ["id"], "message": "not found", "code": "REFUND_SESSION_NOT_FOUND"}
    body = {"data": {"refundSessionResolve": {"refundSession": None, "userErrors": [error]}}}
    wanted = Wanted("refundSessionResolve", "refundSession", "RESOLVED")
    answer = Answer(200, json.dumps(body).encode())
    assert read_answer(answer, wanted) == Conflict("not found", "REFUND_SESSION_NOT_FOUND")


@pytest.mark.parametrize(("ready", "state"), [(True, "READY"), (False, "NOT_READY")])
def test_a_configuration_is_acknowledged_by_the_readiness_that_was_asked_for(ready: bool, state: str) -> None:
    configuration = {"externalHandle": "shop", "ready": ready}
    body = {"data": {"paymentsAppConfigure": {"paymentsAppConfiguration": configuration, "userErrors": []}}}
    answer = Answer(200, json.dumps(body).encode())
    for asked in ("READY", "NOT_READY"):
        reading = read_answer(answer, Wanted("paymentsAppConfigure", "paymentsAppConfiguration", asked))
        assert isinstance(reading, Acknowledged if asked == state else Refused)


def test_another_state_is_refused() -> None:
    assert read(payload(state="REJECTED")) == Refused("state_rejected")


@pytest.mark.parametrize("status", [401, 403, 404, 423, 429, 430, 500, 502, 503])
def test_every_other_status_is_tried_again(status: int) -> None:
    assert read(b"<html>", status, 7) == Retry(f"http_{status}", 7)


def test_no_answer_is_tried_again() -> None:
    assert read(b"ReadTimeout", None) == Retry("ReadTimeout")


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", {"data": None}, {}, {"data": {}}, payload(state=None)])
def test_an_answer_that_says_nothing_is_tried_again(body: Any) -> None:
    assert isinstance(read(body), Retry)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Throttled", "extensions": {"code": "THROTTLED"}},
        {"message": "Internal error. Looks like something went wrong", "extensions": {"code": "INTERNAL_SERVER_ERROR"}},
        {"message": "Internal error"},
        {"message": "paymentSessionResolve access denied", "path": [FIELD]},
    ],
)
def test_errors_that_pass_are_tried_again(error: Any) -> None:
    assert isinstance(read({"errors": [error], "data": {FIELD: None}}), Retry)


def test_a_document_that_shopify_does_not_understand_is_refused() -> None:
    error = {"message": "Field 'code' doesn't exist on type 'UserError'"}
    assert isinstance(read({"errors": [error]}), Refused)
