"""What follows a payment: refund, capture and void sessions as Shopify sends them, and the app's mutations on them."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store.books import Books, FollowUp, Mutation, Session, write_time
from app.sandbox.store.checkouts import MERCHANT_LOCALE, Options
from app.sandbox.store.delivery import Answer, Parcel, Sender, judge_follow_up
from app.sandbox.store.sessions import Call, InvalidGlobalId, Refused
from app.sandbox.store.switches import TARGET

# Each kind, and how it is written in names of types.
KINDS: Mapping[str, str] = {"refund": "Refund", "capture": "Capture", "void": "Void"}


@dataclass(frozen=True)
class Demand:
    """What the merchant wants of a payment; `amount` is sent exactly as written here, None (a void): not at all."""

    kind: str
    amount: str | None
    options: Options


class FollowUps:
    """Makes follow-ups of sessions in the books, sends them, and applies the app's mutations on them."""

    def __init__(self, books: Books, sender: Sender, clock: VirtualClock, faults: Faults) -> None:
        self._books = books
        self._sender = sender
        self._clock = clock
        self._faults = faults

    async def open(self, session: Session, demand: Demand) -> tuple[FollowUp, Answer]:
        """A new one in state open, and what the app answered to it."""
        follow_up = self._make(session, demand)
        return follow_up, await self._send(follow_up, follow_up.body, follow_up.headers)

    async def resend(self, follow_up: FollowUp, options: Options) -> Answer:
        """Send it once more under its id: byte for byte, or with the options laid over it."""
        body, headers = options.bend(follow_up.body, follow_up.headers)
        return await self._send(follow_up, body, headers)

    async def _send(self, follow_up: FollowUp, body: str, headers: dict[str, str]) -> Answer:
        def accept(_answer: Answer, _at: str) -> None:
            self._books.set_follow_up_answered(follow_up.id)

        return await self._sender.send(
            Parcel(follow_up.id, f"/shopify/{follow_up.kind}", body, headers, judge=judge_follow_up, accept=accept)
        )

    def _make(self, session: Session, demand: Demand) -> FollowUp:
        new_id = secrets.token_urlsafe(18)
        gid = f"gid://shopify/{KINDS[demand.kind]}Session/{new_id}"
        body: dict[str, Any] = {"id": new_id, "gid": gid, "payment_id": session.id}
        if demand.amount is not None:
            body |= {"amount": demand.amount, "currency": session.currency}
        body |= {
            "test": session.test,
            "merchant_locale": MERCHANT_LOCALE,
            "proposed_at": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        text, headers = demand.options.bend(json.dumps(body, ensure_ascii=False), session.headers)
        if demand.amount is not None and self._faults.take(TARGET, "numeric_amount"):
            text = text.replace(f'"amount": "{demand.amount}"', f'"amount": {demand.amount}', 1)
        follow_up = FollowUp(
            id=new_id,
            kind=demand.kind,
            gid=gid,
            payment=session.id,
            amount=demand.amount,
            headers=headers,
            body=text,
            answered=False,
            state="open",
            reason=None,
            merchant_message=None,
        )
        self._books.add_follow_up(follow_up)
        return follow_up

    # the app's mutations

    def receive(self, kind: str, call: Call) -> dict[str, Any]:
        """Answer a mutation and keep both in the books: a GraphQL payload, unions with __typename.

        Raises InvalidGlobalId.
        """
        prefix = f"gid://shopify/{KINDS[kind]}Session/"
        gid = call.arguments["id"]
        if not gid.startswith(prefix):
            raise InvalidGlobalId(gid)
        follow_up = self._books.follow_up(kind, gid.removeprefix(prefix))
        if follow_up is None:
            not_found = Refused(f"{KINDS[kind]} session not found.", f"{kind.upper()}_SESSION_NOT_FOUND")
            return _refusal(kind, not_found)
        with self._books.transaction():
            earlier = self._books.applied_mutation(follow_up.id, call.name)
            applied = False
            try:
                self._refuse_early(follow_up)
                if earlier:
                    answer = self._repeat(follow_up, call, earlier)
                else:
                    answer, applied = _payload(self._change(follow_up, call)), True
            except Refused as refused:
                answer = _refusal(kind, refused)
            at = write_time(self._clock.now())
            self._books.add_mutation(
                follow_up.id, Mutation(call.name, call.version, call.arguments, answer, applied, at)
            )
        return answer

    def _refuse_early(self, follow_up: FollowUp) -> None:
        if self._faults.take(TARGET, "conflict"):
            raise _invalid_state(follow_up.kind)
        if self._faults.take(TARGET, "not_received") or not follow_up.answered:
            raise Refused(
                f"The response to the {follow_up.kind} session request has not been received.",
                f"{follow_up.kind.upper()}_SESSION_INVALID_STATE",
            )

    def _repeat(self, follow_up: FollowUp, call: Call, earlier: Mutation) -> dict[str, Any]:
        if follow_up.state == "rejected":
            other = call.arguments["reason"] != earlier.variables["reason"]
            if self._faults.take(TARGET, "strict_repeat") or (other and self._faults.take(TARGET, "strict_reject")):
                raise _invalid_state(follow_up.kind)
        return earlier.answer

    def _change(self, follow_up: FollowUp, call: Call) -> FollowUp:
        if follow_up.state != "open":
            raise _invalid_state(follow_up.kind)
        if call.name.endswith("Resolve"):
            changed = replace(follow_up, state="resolved")
        else:
            reason = call.arguments["reason"]
            changed = replace(
                follow_up, state="rejected", reason=reason["code"], merchant_message=reason.get("merchantMessage")
            )
        expected = follow_up.headers["Shopify-Api-Version"]
        if call.version != expected:
            self._alarm(follow_up, f"{call.name} came with API version {call.version}, expected was {expected}")
        self._books.set_follow_up_state(changed)
        if changed.kind == "refund" and changed.state == "resolved":
            self._check_sum(changed)
        return changed

    def _check_sum(self, follow_up: FollowUp) -> None:
        session = self._books.session(follow_up.payment)
        assert session is not None
        resolved = [f for f in self._books.follow_ups(session.id, "refund") if f.state == "resolved"]
        amounts = [Decimal(json.loads(f.body, parse_float=Decimal)["amount"]) for f in resolved]
        total = sum(amounts, Decimal(0))
        if total > Decimal(session.amount):
            self._alarm(follow_up, f"{total} of {session.amount} {session.currency} are given back")

    def _alarm(self, follow_up: FollowUp, text: str) -> None:
        self._books.raise_alarm(follow_up.id, text, write_time(self._clock.now()))


def _invalid_state(kind: str) -> Refused:
    return Refused(
        f"{KINDS[kind]} session has already been resolved or rejected.", f"{kind.upper()}_SESSION_INVALID_STATE"
    )


def _refusal(kind: str, refused: Refused) -> dict[str, Any]:
    return {f"{kind}Session": None, "userErrors": [refused.error]}


def _payload(follow_up: FollowUp) -> dict[str, Any]:
    state: dict[str, Any] = {"code": follow_up.state.upper()}
    if follow_up.state == "rejected":
        state |= {"reason": follow_up.reason, "merchantMessage": follow_up.merchant_message}
    type_name = f"{KINDS[follow_up.kind]}SessionState{follow_up.state.capitalize()}"
    return {
        f"{follow_up.kind}Session": {"id": follow_up.gid, "state": {"__typename": type_name} | state},
        "userErrors": [],
    }
