"""What Shopify does with a mutation on a payment session: OPEN -> PENDING -> RESOLVED | REJECTED, once per name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store.books import Books, Mutation, Session, write_time
from app.sandbox.store.switches import TARGET

RESOLVE, REJECT, PENDING = "paymentSessionResolve", "paymentSessionReject", "paymentSessionPending"

# Shopify's own words, as seen in the wild: one text for every cause.
CONFLICT = (
    "Payment session has already been resolved with a different authentication, has already been rejected, "
    "or the response to start_payment_session request has not been received."
)
NOT_FOUND = "Payment session not found."
FINAL = ("resolved", "rejected")
PENDING_LIMIT_DAYS = 7

# Mutations that an offsite payments app may call but never gets anything from: name -> error code and message.
UNSUPPORTED = {
    "paymentSessionConfirm": (
        "CONFIRMATION_NOT_SUPPORTED",
        "Confirmation flow requirements are not configured for this payments app.",
    ),
    "paymentSessionRedirect": ("REDIRECT_NOT_SUPPORTED_FOR_OFFSITE", "Redirect is not expected for offsite payments."),
    "paymentSessionModal": (
        "UNSUPPORTED_PAYMENT_METHOD_FOR_MODAL",
        "Modal is not supported for this payment method.",
    ),
}
# The code by which each mutation says that there is no such session; resolve and reject have no codes at all.
_NOT_FOUND_CODE = {PENDING: "NOT_FOUND"} | dict.fromkeys(UNSUPPORTED, "PAYMENT_SESSION_NOT_FOUND")


class InvalidGlobalId(ValueError):
    """The id given is not of the form gid://shopify/PaymentSession/..."""


class Refused(Exception):
    """The mutation changes nothing and is answered with a userError."""

    def __init__(self, message: str, code: str | None = None, field: str = "id") -> None:
        super().__init__(message)
        self.error: dict[str, Any] = {"field": [field], "message": message}
        if code:
            self.error["code"] = code


@dataclass(frozen=True)
class Call:
    """A mutation on a session as it arrived: its name, its arguments, and the API version asked for."""

    name: str
    version: str
    arguments: dict[str, Any]


class Sessions:
    """Applies mutations to the sessions in the books; every answer is a GraphQL payload (unions carry __typename)."""

    def __init__(self, books: Books, clock: VirtualClock, faults: Faults, public_url: str) -> None:
        self._books = books
        self._clock = clock
        self._faults = faults
        self._public_url = public_url
        self._changes: dict[str, Callable[[Session, Call], Session]] = {
            RESOLVE: self._resolve,
            REJECT: self._reject,
            PENDING: self._pend,
        }

    def receive(self, call: Call) -> dict[str, Any]:
        """Answer a mutation and keep both in the books. Raises InvalidGlobalId."""
        session = self._books.session(_session_id(call.arguments["id"]))
        if session is None:
            if self._faults.take(TARGET, "unknown_session"):
                raise InvalidGlobalId(call.arguments["id"])
            return _refusal(Refused(NOT_FOUND, _NOT_FOUND_CODE.get(call.name)))
        with self._books.transaction():
            earlier = self._books.applied_mutation(session.id, call.name)
            applied = False
            try:
                self._refuse_early(session, call)
                if earlier:
                    answer = self._repeat(session, call, earlier)
                else:
                    session = self._change(session, call)
                    answer, applied = {"paymentSession": _payload(session), "userErrors": []}, True
            except Refused as refused:
                answer = _refusal(refused)
            mutation = Mutation(call.name, call.version, call.arguments, answer, applied, self._now())
            self._books.add_mutation(session.id, mutation)
        return answer

    def _refuse_early(self, session: Session, call: Call) -> None:
        if call.name in UNSUPPORTED:
            code, message = UNSUPPORTED[call.name]
            raise Refused(message, code)
        switched = self._faults.take(TARGET, "conflict", "not_received")
        if switched or not session.answered:
            raise Refused(CONFLICT, "PENDING_INVALID_STATE" if call.name == PENDING else None)

    def _repeat(self, session: Session, call: Call, earlier: Mutation) -> dict[str, Any]:
        other_reason = call.name == REJECT and call.arguments["reason"] != earlier.variables["reason"]
        if other_reason and self._faults.take(TARGET, "strict_reject"):
            raise Refused(CONFLICT)
        if call.name == PENDING and session.state in FINAL and self._faults.take(TARGET, "strict_pending"):
            raise Refused("Payment session has already been resolved or rejected.", "PENDING_INVALID_STATE")
        return earlier.answer

    def _change(self, session: Session, call: Call) -> Session:
        if session.state in FINAL or self._has_run_out(session):
            if call.name == PENDING:
                raise Refused("Payment session has already been resolved or rejected.", "PENDING_INVALID_STATE")
            raise Refused(CONFLICT)
        changed = self._changes[call.name](session, call)
        expected = session.headers["Shopify-Api-Version"]
        if call.version != expected:
            self._alarm(session, f"{call.name} came with API version {call.version}, the session went with {expected}")
        self._books.set_state(changed)
        if changed.state != "rejected":
            self._books.place_order(changed, paid=changed.state == "resolved", at=self._now())
        return changed

    def _resolve(self, session: Session, call: Call) -> Session:
        others = [
            s for s in self._books.sessions_of_group(session.group) if s.state == "resolved" and s.id != session.id
        ]
        if others:
            if self._faults.take(TARGET, "strict_group"):
                raise Refused(CONFLICT)
            for one, other in ((session, others[0]), (others[0], session)):
                self._alarm(one, f"two sessions of one group are resolved: this one and {other.id}")
        return replace(
            session,
            state="resolved",
            authorization_expires_at=call.arguments.get("authorizationExpiresAt"),
            next_url=f"{self._public_url}/checkouts/{session.id}/thank-you",
        )

    def _reject(self, session: Session, call: Call) -> Session:
        reason = call.arguments["reason"]
        return replace(
            session,
            state="rejected",
            reason=reason["code"],
            merchant_message=reason.get("merchantMessage"),
            source=reason.get("source"),
            next_url=f"{self._public_url}/checkouts/{session.id}",
        )

    def _pend(self, session: Session, call: Call) -> Session:
        written = call.arguments["pendingExpiresAt"]
        ahead = datetime.fromisoformat(written) - self._clock.now()
        switched = self._faults.peek(TARGET, "pending_limit")
        days = int(switched[0].value or 3) if switched else PENDING_LIMIT_DAYS
        if ahead <= timedelta(0):
            message = "Pending expiry date can't be a time in the past."
            raise Refused(message, "EXPIRED_PENDING_EXPIRES_AT", "pendingExpiresAt")
        if ahead > timedelta(days=days):
            message = "Pending expiry date has exceeded the limit."
            raise Refused(message, "OUT_OF_RANGE_PENDING_EXPIRES_AT", "pendingExpiresAt")
        return replace(
            session,
            state="pending",
            reason=call.arguments["reason"],
            pending_expires_at=written,
            next_url=f"{self._public_url}/checkouts/{session.id}/thank-you",
        )

    def _has_run_out(self, session: Session) -> bool:
        if session.state != "pending" or not session.pending_expires_at:
            return False
        over = datetime.fromisoformat(session.pending_expires_at) < self._clock.now()
        return over and bool(self._faults.peek(TARGET, "pending_expires"))

    def _alarm(self, session: Session, text: str) -> None:
        self._books.raise_alarm(session.id, text, self._now())

    def _now(self) -> str:
        return write_time(self._clock.now())


def _session_id(gid: str) -> str:
    prefix = "gid://shopify/PaymentSession/"
    if not gid.startswith(prefix):
        raise InvalidGlobalId(gid)
    return gid.removeprefix(prefix)


def _refusal(refused: Refused) -> dict[str, Any]:
    return {"paymentSession": None, "userErrors": [refused.error]}


def _payload(session: Session) -> dict[str, Any]:
    state: dict[str, Any] = {"code": session.state.upper()}
    if session.state == "pending":
        state |= {"reason": session.reason}
    if session.state == "rejected":
        state |= {
            "reason": session.reason,
            "merchantMessage": session.merchant_message,
            "source": session.source,
        }
    return {
        "id": session.gid,
        "state": {"__typename": f"PaymentSessionState{session.state.capitalize()}"} | state,
        "nextAction": {
            "action": "REDIRECT",
            "context": {"__typename": "PaymentSessionActionsRedirect", "redirectUrl": session.next_url},
        },
        "authorizationExpiresAt": session.authorization_expires_at,
        "pendingExpiresAt": session.pending_expires_at,
    }
