"""What Shopify's answers mean: acknowledged, try again, a conflict, or refused for good."""

from dataclasses import dataclass

import msgspec

from app.shopify.client import Answer


class _Location(msgspec.Struct):
    redirect_url: str | None = msgspec.field(name="redirectUrl", default=None)


class _NextAction(msgspec.Struct):
    context: _Location | None = None


class _State(msgspec.Struct):
    code: str | None = None


class _Session(msgspec.Struct):
    state: _State | None = None
    next_action: _NextAction | None = msgspec.field(name="nextAction", default=None)


class _UserError(msgspec.Struct):
    message: str


class _Payload(msgspec.Struct):
    payment_session: _Session | None = msgspec.field(name="paymentSession", default=None)
    user_errors: list[_UserError] = msgspec.field(name="userErrors", default_factory=list)


class _Extensions(msgspec.Struct):
    code: str | None = None


class _TopError(msgspec.Struct):
    message: str = ""
    extensions: _Extensions | None = None


class _Body(msgspec.Struct):
    data: dict[str, _Payload | None] | None = None
    errors: list[_TopError] = []


@dataclass(frozen=True)
class Acknowledged:
    """No user errors, and the session is in the state that was asked for."""

    redirect_url: str | None


@dataclass(frozen=True)
class Retry:
    """Trouble that passes: try the same again, identical."""

    error: str
    retry_after_seconds: int = 0


@dataclass(frozen=True)
class Conflict:
    """A user error. Shopify does not say which of three causes it has, so our ledger must judge."""

    message: str


@dataclass(frozen=True)
class Refused:
    """It will never succeed as it is: a person must look."""

    error: str


Reading = Acknowledged | Retry | Conflict | Refused

_body_decoder = msgspec.json.Decoder(_Body)
_PASSING_CODES = frozenset({"THROTTLED", "INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})


def read_answer(answer: Answer, field: str, wanted_state: str) -> Reading:
    """What an answer to a payment session's mutation means (facts/shopify.md sections 3.5, 3.6 and 4).

    `field` is the mutation's name in GraphQL, `wanted_state` the session's state that acknowledges it.
    """
    if answer.status is None:
        return Retry(answer.body.decode())
    if answer.status != 200:
        # Also 401: the token may be refreshed or the app installed anew within the ladder's day.
        return Retry(f"http_{answer.status}", answer.retry_after_seconds)
    try:
        body = _body_decoder.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Retry("answer_unreadable", answer.retry_after_seconds)
    payload = (body.data or {}).get(field)
    if payload is None:
        return _read_errors(body.errors, answer.retry_after_seconds)
    if payload.user_errors:
        return Conflict(_clean(payload.user_errors[0].message))
    session = payload.payment_session
    if session is None or session.state is None or session.state.code is None:
        return Retry("answer_incomplete")
    if session.state.code != wanted_state:
        return Refused(f"state_{session.state.code.lower()}")
    context = session.next_action.context if session.next_action else None
    return Acknowledged(_clean(context.redirect_url) if context and context.redirect_url else None)


def _clean(text: str) -> str:
    """PostgreSQL's text holds no NUL."""
    return text.replace("\x00", "")


def _read_errors(errors: list[_TopError], retry_after_seconds: int) -> Reading:
    if not errors:
        return Retry("answer_incomplete")
    codes = {error.extensions.code for error in errors if error.extensions and error.extensions.code}
    if codes & _PASSING_CODES or any("access denied" in error.message.lower() for error in errors):
        # A missing scope comes back with a new consent, so it stays on the ladder too.
        return Retry("_".join(sorted(codes)).lower() or "access_denied", retry_after_seconds)
    if any("throttled" in error.message.lower() or "internal error" in error.message.lower() for error in errors):
        return Retry("shopify_internal", retry_after_seconds)
    return Refused(f"graphql: {errors[0].message[:200]}")
