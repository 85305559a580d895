"""How it stands with a payment, in a merchant's words: what happened, and what there is to do about it."""

from dataclasses import dataclass
from enum import StrEnum

from app.payments.resend import REJECTS
from app.portal.listing import PaymentLine
from app.portal.refunds import RefundLine
from app.records import PaymentException, PaymentStatus, RecordKind, RefundException, RefundStatus

S, E = PaymentStatus, PaymentException


class Tone(StrEnum):
    """How a standing is coloured; its label says the same to who sees no colours."""

    good = "good"
    busy = "busy"
    quiet = "quiet"
    warn = "warn"
    bad = "bad"


@dataclass(frozen=True)
class Standing:
    """A label of a word or two, what it means, and what the merchant should do (None: nothing)."""

    label: str
    tone: Tone
    sentence: str
    advice: str | None = None


STATUSES: dict[PaymentStatus, Standing] = {
    S.pending: Standing("Waiting", Tone.quiet, "The customer has not paid yet."),
    S.paid: Standing(
        "Confirming", Tone.busy, "The money is in your wallet. Shopify is being told, and has not confirmed it yet."
    ),
    S.completed: Standing("Paid", Tone.good, "The money is in your wallet, and Shopify has confirmed the payment."),
    S.rejecting: Standing(
        "Refusing", Tone.warn, "The customer's wallet did not pass screening. Shopify is told once nothing can be paid."
    ),
    S.rejected: Standing(
        "Refused", Tone.quiet, "The customer's wallet did not pass screening, so the payment was refused at Shopify."
    ),
    S.expired: Standing(
        "Expired", Tone.quiet, "The customer did not pay in time. Nothing was paid; they may still come back."
    ),
    S.superseded: Standing(
        "Replaced", Tone.quiet, "The customer paid the same order in another attempt, so nothing is due here."
    ),
    S.stuck: Standing(
        "Needs you", Tone.bad, "Settle cannot finish this payment alone.", "Look at what happened below."
    ),
}

# Why a payment is stuck (its reason code): what happened, and what to do.
STUCK: dict[str, tuple[str, str]] = {
    "retries_spent": (
        "The money is in your wallet, but Shopify did not confirm it within 24 hours of tries.",
        "Check whether the order is marked as paid in Shopify. If it is not, send the confirmation again.",
    ),
    "shopify_refused": (
        "The money is in your wallet, but Shopify refused to mark the order as paid.",
        "Check the order in Shopify. Send the confirmation again, or mark the order as paid by hand.",
    ),
    "shopify_conflict": (
        "Shopify says that this payment has already ended in another way.",
        "Compare with the order in Shopify: if it was cancelled, send the money back to the customer.",
    ),
    "app_uninstalled": (
        "The app was uninstalled before Shopify confirmed this payment.",
        "Check whether the order is marked as paid in Shopify. If it is not, send the confirmation again.",
    ),
    "vanished": (
        "The payment was seen on the chain and then disappeared before it was final. The money is not in your wallet.",
        "Do not ship this order unless the customer pays again.",
    ),
    "landed_unverified": (
        "A transaction landed that is not exactly the one that was handed out, so it does not count as paid.",
        "Look at it in the explorer, and at your wallet, before you decide about the order.",
    ),
    "landed_unknown": (
        "A transaction of Settle's landed that is not in its records. It may have paid this order.",
        "Look at it in the explorer, and at your wallet, before you decide about the order.",
    ),
    "dead_but_landed": (
        "A transaction landed after the chain had reported that it never could.",
        "Look at it in the explorer, and at your wallet, before you decide about the order.",
    ),
}

# The same for a payment that was to be refused, and for which no money came.
STUCK_UNPAID = (
    "The customer's wallet did not pass screening, and Shopify could not be told that the payment is refused.",
    "No money came. Send the answer again, or cancel the order in Shopify if it still waits for a payment.",
)

EXCEPTIONS: dict[PaymentException, Standing] = {
    E.none: Standing("None", Tone.quiet, "Nothing is unusual."),
    E.late: Standing(
        "Paid late",
        Tone.warn,
        "The customer paid after the payment had expired. The money is in your wallet, and Shopify is told of it.",
        "Check that the order still stands before you ship it.",
    ),
    E.vanished: Standing(
        "Vanished",
        Tone.bad,
        "The payment was seen on the chain and then disappeared before it was final. The money is not in your wallet.",
        "Do not ship this order unless the customer pays again.",
    ),
    E.duplicate: Standing(
        "Paid twice",
        Tone.bad,
        "Money arrived for an order that was already paid or refused. Shopify does not know of it.",
        "Send it back to the customer's wallet, then note it here.",
    ),
}


def describe(line: PaymentLine) -> Standing:
    """How it stands with a payment. What is unusual about it comes before its status."""
    unattended = line.attended_at is None
    if line.status is S.stuck:
        sentence, advice = _explain_stuck(line)
        if unattended:
            return Standing(STATUSES[S.stuck].label, Tone.bad, sentence, advice)
        return Standing("Dealt with", Tone.quiet, f"{sentence} You have noted that this is dealt with.")
    if line.exception is E.none:
        return STATUSES[line.status]
    standing = EXCEPTIONS[line.exception]
    if unattended:
        return standing
    if line.exception is E.duplicate:
        return Standing("Sent back", Tone.quiet, f"{standing.sentence} You have noted that it was sent back.")
    if line.exception is E.late:
        return STATUSES[line.status]
    return Standing("Dealt with", Tone.quiet, f"{standing.sentence} You have noted that this is dealt with.")


def _explain_stuck(line: PaymentLine) -> tuple[str, str]:
    if line.signature is None and line.stuck_reason in REJECTS:
        return STUCK_UNPAID
    standing = STATUSES[S.stuck]
    return STUCK.get(line.stuck_reason or "", (standing.sentence, standing.advice or ""))


R, X = RefundStatus, RefundException

REFUND_STATUSES: dict[RefundStatus, Standing] = {
    R.pending: Standing(
        "Waiting for you",
        Tone.warn,
        "Shopify asks you to give this money back to the customer.",
        "Approve it with a wallet, or deny it.",
    ),
    R.paid: Standing(
        "Confirming",
        Tone.busy,
        "The money is back with the customer. Shopify is being told, and has not confirmed it yet.",
    ),
    R.completed: Standing("Refunded", Tone.good, "The money is back with the customer, and Shopify has confirmed it."),
    R.denying: Standing(
        "Denying",
        Tone.busy,
        "You denied this refund. Shopify is told as soon as nothing that was handed out for it can land any more.",
    ),
    R.rejecting: Standing(
        "Declining", Tone.busy, "This refund cannot be made, and Shopify is being told why. There is nothing to do."
    ),
    R.rejected: Standing("Denied", Tone.quiet, "Shopify knows that this refund is not made. No money moved."),
    R.stuck: Standing("Needs you", Tone.bad, "Settle cannot finish this refund alone.", "Look at what happened below."),
}
REFUND_STUCK: dict[str, tuple[str, str]] = {
    "retries_spent": (
        "Shopify did not confirm this refund within 24 hours of tries.",
        "Check the order in Shopify, then send the answer again.",
    ),
    "shopify_refused": (
        "Shopify refused to take note of this refund.",
        "Check the order in Shopify, then send the answer again, or mark the refund by hand.",
    ),
    "shopify_conflict": (
        "Shopify says that this refund has already ended in another way.",
        "Compare with the order in Shopify before you do anything else.",
    ),
    "app_uninstalled": (
        "The app was uninstalled before Shopify confirmed this refund.",
        "Check the order in Shopify, then send the answer again.",
    ),
    "vanished": (
        "The refund was seen on the chain and then disappeared. The customer does not have the money.",
        "Pay the customer back by hand, and check the order in Shopify.",
    ),
    "landed_unverified": (
        "A transaction landed that is not exactly the one that was handed out, so it does not count as the refund.",
        "Look at it in the explorer before you decide about the refund.",
    ),
}
REFUND_EXCEPTIONS: dict[RefundException, Standing] = {
    X.none: Standing("None", Tone.quiet, "Nothing is unusual."),
    X.vanished: Standing("Vanished", Tone.bad, *REFUND_STUCK["vanished"]),
    X.paid_after_reject: Standing(
        "Paid after all",
        Tone.bad,
        "Shopify was told that this refund is denied, and then its transaction landed: the customer has the money.",
        "Mark the refund in Shopify by hand, outside Settle.",
    ),
}


def describe_refund(line: RefundLine) -> Standing:
    """How it stands with a refund. What is unusual about it comes before its status."""
    if line.status is R.stuck:
        sentence, advice = REFUND_STUCK.get(
            line.stuck_reason or "", (REFUND_STATUSES[R.stuck].sentence, REFUND_STATUSES[R.stuck].advice or "")
        )
        standing = Standing(REFUND_STATUSES[R.stuck].label, Tone.bad, sentence, advice)
    elif line.exception is not X.none:
        standing = REFUND_EXCEPTIONS[line.exception]
    elif line.status is R.rejected and line.usdc is None:
        return Standing("Declined", Tone.quiet, REFUND_STATUSES[R.rejected].sentence)
    else:
        return REFUND_STATUSES[line.status]
    if line.attended_at is None:
        return standing
    return Standing("Dealt with", Tone.quiet, f"{standing.sentence} You have noted that this is dealt with.")


# Why a shop takes payments, or takes none (more).
MERCHANT_MOVES: dict[str, str] = {
    "onboarded": "Everything was set up.",
    "installed_again": "The app was installed again.",
    "uninstalled": "The app was uninstalled.",
    "identity_declined": "The identity could not be confirmed.",
    "paused": "It was paused at the portal.",
}

# What kept Shopify from hearing of something, as jobs note it.
TROUBLES: dict[str, str] = {
    "no_token": "Settle has no access to the shop; open it from the Shopify admin to renew it",
    "token_missing": "Settle has no access to the shop; open it from the Shopify admin to renew it",
    "token_unavailable": "Settle's access could not be renewed",
    "answer_unreadable": "Shopify's answer could not be read",
    "answer_incomplete": "Shopify's answer was not complete",
    "access_denied": "Shopify denied access",
    "shopify_internal": "Shopify had trouble of its own",
    "internal_server_error": "Shopify had trouble of its own",
    "service_unavailable": "Shopify had trouble of its own",
    "timeout": "Shopify took too long",
    "throttled": "Shopify asked to be asked less often",
    "interrupted": "Settle was stopped in the middle of it",
}
_CONFLICT, _HTTP = "conflict: ", "http_"


def explain_move(record: RecordKind, reason: str | None) -> str | None:
    """Why a record moved, by the reason code of its event."""
    if reason is None:
        return None
    if record is RecordKind.merchant:
        return MERCHANT_MOVES.get(reason, reason)
    known = (REFUND_STUCK if record is RecordKind.refund else STUCK).get(reason)
    return known[0] if known else reason


def explain_trouble(error: str) -> str:
    """Why a try to tell Shopify came to nothing, by what the job noted. What has no words is the connection's."""
    if error.startswith(_HTTP):
        return f"Shopify answered with HTTP {error.removeprefix(_HTTP)}"
    if error.startswith(_CONFLICT):
        return f"Shopify said: {error.removeprefix(_CONFLICT)}"
    return TROUBLES.get(error, "Shopify could not be reached")
