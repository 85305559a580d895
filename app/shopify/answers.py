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


class _Subject(msgspec.Struct):
    """What a mutation is about: a session with a state, or the app's configuration, which is ready or not."""

    state: _State | None = None
    next_action: _NextAction | None = msgspec.field(name="nextAction", default=None)
    ready: bool | None = None

    @property
    def code(self) -> str | None:
        if self.ready is not None:
            return "READY" if self.ready else "NOT_READY"
        return self.state.code if self.state else None


class _UserError(msgspec.Struct):
    message: str
    code: str | None = None


class _Extensions(msgspec.Struct):
    code: str | None = None


class _TopError(msgspec.Struct):
    message: str = ""
    extensions: _Extensions | None = None


class _Body(msgspec.Struct):
    # Payloads are read when it is known which of their fields is the subject.
    data: dict[str, dict[str, msgspec.Raw] | None] | None = None
    errors: list[_TopError] = []


@dataclass(frozen=True)
class Wanted:
    """What acknowledges a mutation: its name, the field of its payload that is the subject, the subject's state."""

    mutation: str
    subject: str
    state: str


@dataclass(frozen=True)
class Acknowledged:
    """No user errors, and the subject is in the state that was asked for."""

    redirect_url: str | None = None


@dataclass(frozen=True)
class Retry:
    """Trouble that passes: try the same again, identical."""

    error: str
    retry_after_seconds: int = 0

    @property
    def is_throttled(self) -> bool:
        """Shopify refused the call for the number of them."""
        return self.error == "http_429" or "throttled" in self.error


@dataclass(frozen=True)
class Conflict:
    """A user error. Shopify does not say which of several causes it has, so our ledger must judge.

    `code` is None for resolve, reject and configure, whose errors have none.
    """

    message: str
    code: str | None = None


@dataclass(frozen=True)
class Refused:
    """It will never succeed as it is: a person must look."""

    error: str


Reading = Acknowledged | Retry | Conflict | Refused

_body_decoder = msgspec.json.Decoder(_Body)
_subject_decoder = msgspec.json.Decoder(_Subject | None)
_errors_decoder = msgspec.json.Decoder(list[_UserError])
_PASSING_CODES = frozenset({"THROTTLED", "INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})
_NOTHING = msgspec.Raw(b"null")
_NO_ERRORS = msgspec.Raw(b"[]")


def read_answer(answer: Answer, wanted: Wanted) -> Reading:
    """What the answer to a mutation means (facts/shopify.md sections 3.5, 3.6 and 4)."""
    if answer.status is None:
        return Retry(answer.body.decode())
    if answer.status != 200:
        # Also 401: the token may be refreshed or the app installed anew within the ladder's day.
        return Retry(f"http_{answer.status}", answer.retry_after_seconds)
    try:
        body = _body_decoder.decode(answer.body)
        payload = (body.data or {}).get(wanted.mutation)
        if payload is None:
            return _read_errors(body.errors, answer.retry_after_seconds)
        errors = _errors_decoder.decode(payload.get("userErrors", _NO_ERRORS))
        subject = _subject_decoder.decode(payload.get(wanted.subject, _NOTHING))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Retry("answer_unreadable", answer.retry_after_seconds)
    if errors:
        return Conflict(_clean(errors[0].message), errors[0].code)
    if subject is None or subject.code is None:
        return Retry("answer_incomplete")
    if subject.code != wanted.state:
        return Refused(f"state_{subject.code.lower()}")
    context = subject.next_action.context if subject.next_action else None
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
