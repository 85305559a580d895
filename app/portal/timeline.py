"""A record's story in a merchant's words: events and calls to Shopify in one line of time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app import events
from app.money import format_usdc
from app.portal.history import Told
from app.portal.payout import Problem
from app.portal.words import EXCEPTIONS, REFUND_EXCEPTIONS, STATUSES, Tone, explain_move
from app.records import Event, PaymentException, PaymentStatus, RecordKind, RefundException, RefundStatus, ShopifyCall

S, R = PaymentStatus, RefundStatus


@dataclass(frozen=True)
class Moment:
    """Something that happened: a title, what else there is to say, and what it is about on the chain."""

    at: datetime
    title: str
    tone: Tone = Tone.quiet
    text: str | None = None
    signature: str | None = None
    wallet: str | None = None
    # What Shopify answered, as it came.
    answer: str | None = None


_MOVES: dict[str, str] = {
    S.pending: "The customer came back, and may pay again",
    S.paid: "Paid: the transaction was verified on the chain",
    S.completed: "Shopify confirmed the payment",
    S.rejecting: "The payment is being refused",
    S.rejected: "Shopify confirmed that the payment is refused",
    S.expired: "The payment expired",
    S.superseded: "The order was paid in another attempt",
    S.stuck: "Settle cannot go on alone",
}
_REFUND_MOVES: dict[str, tuple[str, Tone]] = {
    R.paid: ("Paid back: the transaction was verified on the chain", Tone.good),
    R.completed: ("Shopify confirmed the refund", Tone.good),
    R.denying: ("You denied the refund", Tone.warn),
    R.rejecting: ("The refund cannot be made", Tone.warn),
    R.rejected: ("Shopify confirmed that the refund is denied", Tone.quiet),
    R.stuck: ("Settle cannot go on alone", Tone.bad),
}
_FATES: dict[str, tuple[str, Tone]] = {
    "landed": ("A transaction landed on the chain", Tone.good),
    "failed": ("A transaction failed on the chain: no money moved", Tone.warn),
    "dead": ("A transaction was never sent in time: it can not land any more", Tone.quiet),
    "live": ("A transaction may land again", Tone.warn),
}
_OUTCOMES: dict[str, tuple[str, Tone]] = {
    "acknowledged": ("confirmed", Tone.good),
    "retry": ("no confirmation yet, Settle tries again", Tone.warn),
    "conflict": ("it says that the session has already ended", Tone.warn),
    "refused": ("refused", Tone.bad),
}
MUTATIONS: dict[str, str] = {
    "paymentSessionResolve": "Told Shopify that the order is paid",
    "paymentSessionReject": "Told Shopify that the payment is refused",
    "refundSessionResolve": "Told Shopify that the refund is paid",
    "refundSessionReject": "Told Shopify that the refund is denied",
}


def tell(happened: Sequence[Event], told: Sequence[Told] = ()) -> list[Moment]:
    """Everything that happened to a record and what Shopify was told of it, the latest first."""
    moments = [moment_of(event) for event in happened]
    moments += [moment_of_call(one.mutation.name, call) for one in told for call in one.calls]
    # The sort keeps the order of what happened at the same moment.
    moments.sort(key=lambda moment: moment.at)
    moments.reverse()
    return moments


def moment_of(event: Event) -> Moment:
    """An event, in words. One of a kind that is not known here is called by its name."""
    detail: Mapping[str, Any] = event.detail
    say = _SAYINGS.get(event.kind)
    if say is None:
        return Moment(event.at, event.kind.replace("_", " ").capitalize(), signature=detail.get("signature"))
    return say(event, detail)


def moment_of_call(name: str, call: ShopifyCall) -> Moment:
    """A call to Shopify, in words."""
    outcome, tone = _OUTCOMES.get(call.outcome, (call.outcome, Tone.quiet))
    status = f"HTTP {call.http_status}" if call.http_status else "no answer"
    request = f", Shopify's request {call.shopify_request_id}" if call.shopify_request_id else ""
    return Moment(
        call.started_at,
        f"{MUTATIONS.get(name, name)}: {outcome}",
        tone,
        text=f"Try {call.attempt}, {status}{request}",
        answer=call.answer or None,
    )


def _say_created(event: Event, _detail: Mapping[str, Any]) -> Moment:
    if event.record is RecordKind.refund:
        return Moment(event.at, "Shopify asked for the refund")
    if event.to_status == S.superseded:
        return Moment(event.at, "Shopify opened another payment for an order that was already paid")
    return Moment(event.at, "The customer chose to pay with Settle")


def _say_moved(event: Event, detail: Mapping[str, Any]) -> Moment:
    if event.record is RecordKind.merchant:
        ways = {"active": "Settle began to take payments", "inactive": "Settle stopped taking payments"}
        because = explain_move(event.record, detail.get("because"))
        return Moment(event.at, ways.get(event.to_status or "", "Moved"), text=because)
    text = explain_move(event.record, detail.get("reason"))
    if event.record is RecordKind.refund:
        title, tone = _REFUND_MOVES.get(event.to_status or "", (f"Moved to {event.to_status}", Tone.quiet))
        if event.from_status == R.stuck and "by" in detail:
            title = "Sent to Shopify once more"
        return Moment(event.at, title, tone, text=text, signature=detail.get("signature"))
    title = _MOVES.get(event.to_status or "", f"Moved to {event.to_status}")
    if event.from_status == S.stuck and "by" in detail:
        title = "Sent to Shopify once more" + (", asked for at the portal" if detail.get("by") == "portal" else "")
    known = STATUSES.get(S(event.to_status)) if event.to_status in set(S) else None
    tone = known.tone if known else Tone.quiet
    return Moment(event.at, title, tone, text=text, signature=detail.get("signature"))


def _say_quoted(event: Event, detail: Mapping[str, Any]) -> Moment:
    usdc = detail.get("usdc")
    return Moment(event.at, "The price was fixed", text=f"{format_usdc(usdc)} USDC" if usdc else None)


def _say_issued(event: Event, detail: Mapping[str, Any]) -> Moment:
    usdc = detail.get("usdc")
    refund = event.record is RecordKind.refund
    return Moment(
        event.at,
        "A wallet got a transaction that pays it"
        if refund
        else "A wallet scanned the code and got a transaction to sign",
        text=f"{format_usdc(usdc)} USDC" if usdc else None,
        signature=detail.get("signature"),
        wallet=detail.get("wallet"),
    )


def _say_adopted(event: Event, detail: Mapping[str, Any]) -> Moment:
    return replace(_say_issued(event, detail), title="A transaction that Settle's records had lost was found again")


def _say_fate(event: Event, detail: Mapping[str, Any]) -> Moment:
    fate = str(detail.get("fate"))
    title, tone = _FATES.get(fate, (fate, Tone.quiet))
    if fate == "landed":
        title += ", for good" if detail.get("final") else ", not final yet"
    error = detail.get("error")
    return Moment(
        event.at,
        title,
        Tone.bad if fate == "landed" and error else tone,
        text=f"Error: {error}" if error else None,
        signature=detail.get("signature"),
    )


def _say_marked(event: Event, detail: Mapping[str, Any]) -> Moment:
    word, known = detail.get("exception"), None
    if event.record is RecordKind.refund and word in set(RefundException):
        known = REFUND_EXCEPTIONS[RefundException(word)]
    elif word in set(PaymentException):
        known = EXCEPTIONS[PaymentException(word)]
    title = known.label if known else str(word)
    return Moment(
        event.at, title, known.tone if known else Tone.warn, text=known.sentence if known else None,
        signature=detail.get("signature"),
    )  # fmt: skip


def _say_attended(event: Event, detail: Mapping[str, Any]) -> Moment:
    sent_back = detail.get("how") == "sent_back"
    title = "You noted that the money was sent back" if sent_back else "You noted that this is dealt with"
    return Moment(event.at, title, text=detail.get("note"), signature=detail.get("signature"))


def _say_screened_out(event: Event, detail: Mapping[str, Any]) -> Moment:
    categories: Sequence[str] = detail.get("categories") or ()
    text = f"Flagged for: {', '.join(categories)}" if categories else None
    return Moment(event.at, "The wallet did not pass screening", Tone.warn, text=text, wallet=detail.get("wallet"))


FIELDS: dict[str, str] = {
    "display_name": "The shop's name",
    "support_url": "Where customers get help",
    "logo": "The logo",
    "wallet": "The payout wallet",
    "language": "The language of last resort",
}


PAYOUT: dict[Problem, tuple[str, Tone]] = {
    Problem.missing: ("The payout wallet's USDC account was gone", Tone.bad),
    Problem.frozen: ("The payout wallet's USDC account was frozen by its issuer", Tone.bad),
    Problem.foreign: ("The payout wallet's USDC account had changed hands", Tone.bad),
}
_PAYOUT_FITS = ("The payout wallet's USDC account can receive again", Tone.good)


def _say_changed(event: Event, detail: Mapping[str, Any]) -> Moment:
    name = FIELDS.get(str(detail.get("field")), str(detail.get("field")))
    before, after = detail.get("before"), detail.get("after")
    title = f"{name} was {'changed' if after else 'removed'}"
    if detail.get("field") == "payout_problem":
        return _say_payout(event, after)
    said = [f"from {before}" if before else "", f"to {after}" if after else ""]
    by = ", at the portal" if detail.get("by") == "portal" else ""
    return Moment(event.at, title + by, text=" ".join(filter(None, said)) or None)


def _say_payout(event: Event, problem: str | None) -> Moment:
    title, tone = PAYOUT[Problem(problem)] if problem in set(Problem) else _PAYOUT_FITS
    return Moment(event.at, title, tone)


def _say_proved(event: Event, detail: Mapping[str, Any]) -> Moment:
    return Moment(event.at, "A payout wallet was proved", wallet=detail.get("wallet"))


def _say_reconciled(event: Event, detail: Mapping[str, Any]) -> Moment:
    title, tone = FOUND.get(str(detail.get("found")), _FOUND_OTHER)
    return Moment(event.at, title, tone, signature=detail.get("signature"))


FOUND = {
    "job_lost": ("Nothing was left to move it on, which must not happen; Settle began it anew", Tone.warn),
    "watch_lost": ("A transaction was not looked for any more, which must not happen; Settle looks again", Tone.warn),
}
_FOUND_OTHER = ("Our books contradict the chain or Shopify: whoever runs Settle was alarmed", Tone.bad)


def _simply(title: str, tone: Tone = Tone.quiet) -> Callable[[Event, Mapping[str, Any]], Moment]:
    return lambda event, detail: Moment(event.at, title, tone, signature=detail.get("signature"))


_SAYINGS: dict[str, Callable[[Event, Mapping[str, Any]], Moment]] = {
    events.CREATED: _say_created,
    events.MOVED: _say_moved,
    events.QUOTED: _say_quoted,
    events.ISSUED: _say_issued,
    events.ADOPTED: _say_adopted,
    events.FATE: _say_fate,
    events.MARKED: _say_marked,
    events.ATTENDED: _say_attended,
    events.CHANGED: _say_changed,
    events.INSTALLED: _simply("Settle was installed in Shopify"),
    events.UNINSTALLED: _simply("Settle was uninstalled in Shopify", Tone.warn),
    events.WALLET_PROVED: _say_proved,
    events.TERMS_ACCEPTED: _simply("Terms and privacy notice were accepted"),
    events.IDENTITY: _simply("The identity check went on"),
    events.CONFIGURED: _simply("Shopify was told whether the shop is ready"),
    events.ACCESS_LOST: _simply("Shopify took Settle's access away: open Settle from the admin to renew it", Tone.bad),
    events.REFUSED: _simply("Shopify asked for something that cannot be done, and was told why", Tone.warn),
    events.SIGNED_IN: _simply("Somebody signed in from Shopify's admin"),
    events.SCREENED_OUT: _say_screened_out,
    events.PINNED: _simply("The order got another account on the chain; nothing changes for the customer"),
    events.CONFLICT: _simply("Shopify sent the same payment with other content; nothing was changed", Tone.warn),
    events.RETRIED: _simply("What Settle had given up was begun anew by its operator"),
    events.RECONCILED: _say_reconciled,
    events.DISPUTED: _simply("Shopify says that this payment is closed, and our records that it is open", Tone.warn),
}
