"""Draws docs/mapping.md: our statuses beside what customer and merchant see, Shopify knows and the chain says.

What pages say is read from the code that says it; tests/unit/test_mapping.py holds the customer's stages to it. Every
enum must be complete here: a value that is missing fails the drawing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from app.payments.view import SENTENCES, Stage
from app.portal.finder import FATES
from app.portal.words import EXCEPTIONS, REFUND_EXCEPTIONS, REFUND_STATUSES, STATUSES, Standing
from app.records import Fate, PaymentException, PaymentStatus, RefundException, RefundStatus

E = TypeVar("E", bound=StrEnum)

S, R, X, Y, F = PaymentStatus, RefundStatus, PaymentException, RefundException, Fate

# What the customer's page may show in each status.
STAGES: Mapping[PaymentStatus, tuple[Stage, ...]] = {
    S.pending: (
        Stage.unpriced,
        Stage.waiting,
        Stage.connected,
        Stage.approve,
        Stage.received,
        Stage.already_paid,
        Stage.expired,
        Stage.closed,
    ),
    S.paid: (Stage.paid,),
    S.completed: (Stage.done,),
    S.rejecting: (Stage.approve, Stage.received, Stage.refused),
    S.rejected: (Stage.refused, Stage.paid_twice),
    S.expired: (Stage.approve, Stage.received, Stage.already_paid, Stage.expired, Stage.closed),
    S.superseded: (Stage.already_paid, Stage.paid_twice),
    S.stuck: (Stage.paid, Stage.review),
}
_OPEN = "session open"
AT_SHOPIFY: Mapping[PaymentStatus, str] = {
    S.pending: f"{_OPEN}; `pending` once it was told that finality is far",
    S.paid: f"{_OPEN}: resolve is being sent, or its answer was lost",
    S.completed: "resolved",
    S.rejecting: f"{_OPEN}: told nothing yet, or reject is being sent",
    S.rejected: "rejected",
    S.expired: f"{_OPEN}, on purpose: told nothing",
    S.superseded: f"{_OPEN}: of one order, one session is resolved",
    S.stuck: "not what we wanted it to know: `settle find` has every answer",
}
ON_CHAIN: Mapping[PaymentStatus, str] = {
    S.pending: "nothing landed, or it is not yet at the required commitment",
    S.paid: "one issued transaction landed without error, exact, at the required commitment",
    S.completed: "the same",
    S.rejecting: "what was issued may still land",
    S.rejected: "nothing landed, and nothing can",
    S.expired: "nothing landed, and nothing can",
    S.superseded: "another session's transaction landed; ours can not any more, for they share the account",
    S.stuck: "by reason: landed (`retries_spent`), gone (`vanished`), not what we issued (`landed_unverified`)",
}
EXCEPTIONAL: Mapping[PaymentException, tuple[str, str]] = {
    X.none: ("-", "-"),
    X.late: ("resolved all the same", "landed after the end that we had set"),
    X.vanished: ("told nothing, or told of money that is not there", "seen, and gone before it was final"),
    X.duplicate: ("knows nothing of this money", "landed on an order that was rejected or paid before"),
}
REFUND_AT_SHOPIFY: Mapping[RefundStatus, str] = {
    R.pending: "refund session open",
    R.paid: "open: resolve is being sent",
    R.completed: "resolved",
    R.denying: "open: told nothing until nothing can land",
    R.rejecting: "open: reject is being sent",
    R.rejected: "rejected, with the merchant's message",
    R.stuck: "not what we wanted it to know",
}
REFUND_ON_CHAIN: Mapping[RefundStatus, str] = {
    R.pending: "nothing landed; what was issued may",
    R.paid: "the merchant's transaction to the wallet that paid landed, exact",
    R.completed: "the same",
    R.denying: "what was issued may still land: then it is `paid`",
    R.rejecting: "nothing was ever issued",
    R.rejected: "nothing landed, and nothing can",
    R.stuck: "by reason, as with payments",
}
# A customer has no page for a refund: this is how it reaches them.
REFUND_CUSTOMER: Mapping[RefundStatus, str] = {
    R.pending: "nothing yet",
    R.paid: "the USDC is in the wallet that paid",
    R.completed: "the same, and Shopify's order says refunded",
    R.denying: "nothing yet",
    R.rejecting: "nothing",
    R.rejected: "nothing: the order says that the refund failed",
    R.stuck: "by reason",
}
REFUND_EXCEPTIONAL: Mapping[RefundException, tuple[str, str]] = {
    Y.none: ("-", "-"),
    Y.vanished: ("resolved of money that is not there, or open", "seen, and gone before it was final"),
    Y.paid_after_reject: ("rejected", "landed although no node knew it when it was called dead"),
}
FATE_ON_CHAIN: Mapping[Fate, str] = {
    F.live: "null, or seen and not final; its blockhash may still be good",
    F.landed: "`err` is null, at the required commitment or above",
    F.failed: "`err` says why; nothing moved but the fee",
    F.dead: "finalized height past its last block and a margin, and null with history from the same node",
}


def draw_payments() -> str:
    return _table(
        ("payment", "customer's page", "portal", "Shopify", "chain"),
        [(f"`{s}`", _headings(STAGES[s]), _label(STATUSES[s]), AT_SHOPIFY[s], ON_CHAIN[s]) for s in S],
    )


def draw_payment_exceptions() -> str:
    return _table(
        ("beside it", "portal", "Shopify", "chain"),
        [(f"`{x}`", _label(EXCEPTIONS[x]) if x is not X.none else "-", *EXCEPTIONAL[x]) for x in X],
    )


def draw_refunds() -> str:
    return _table(
        ("refund", "customer", "portal", "Shopify", "chain"),
        [
            (f"`{r}`", REFUND_CUSTOMER[r], _label(REFUND_STATUSES[r]), REFUND_AT_SHOPIFY[r], REFUND_ON_CHAIN[r])
            for r in R
        ],
    )


def draw_refund_exceptions() -> str:
    return _table(
        ("beside it", "portal", "Shopify", "chain"),
        [(f"`{y}`", _label(REFUND_EXCEPTIONS[y]) if y is not Y.none else "-", *REFUND_EXCEPTIONAL[y]) for y in Y],
    )


def draw_fates() -> str:
    return _table(
        ("transaction", "portal's finder", "chain"),
        [(f"`{fate}`", FATES[fate], FATE_ON_CHAIN[fate]) for fate in F],
    )


def _headings(stages: tuple[Stage, ...]) -> str:
    """What the page says in big letters, each once."""
    return "; ".join(dict.fromkeys(f'"{SENTENCES[stage][0]}"' for stage in stages))


def _label(standing: Standing) -> str:
    return f'"{standing.label}"'


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
