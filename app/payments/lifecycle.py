"""The lifecycle of a payment: the allowed moves."""

from app import metrics
from app.lifecycle import Lifecycle
from app.page_feed import notify_page
from app.records import Payment, PaymentStatus, RecordKind

S = PaymentStatus

# From each status, the statuses it may move to. The README's diagram is drawn from this table.
MOVES: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    S.pending: frozenset({S.paid, S.rejecting, S.expired, S.superseded, S.stuck}),
    S.paid: frozenset({S.completed, S.stuck}),
    S.completed: frozenset(),
    S.rejecting: frozenset({S.rejected, S.paid, S.superseded, S.stuck}),
    S.rejected: frozenset(),
    S.expired: frozenset({S.pending, S.paid, S.superseded, S.stuck}),
    S.superseded: frozenset(),
    S.stuck: frozenset({S.paid, S.completed, S.rejecting, S.superseded}),
}

# A payment is born in one of these.
BIRTHS = frozenset({S.pending, S.superseded})

# In these somebody may still pay it.
UNPAID = frozenset({S.pending, S.expired, S.rejecting})


PAYMENTS = Lifecycle(
    kind=RecordKind.payment,
    record=Payment,
    moves=MOVES,
    births=BIRTHS,
    stuck=S.stuck,
    settable=frozenset(
        {
            "redirect_url",
            "paid_signature",
            "paid_wallet",
            "paid_at",
            "stuck_reason",
            "reject_reason",
            "attended_at",
            "exception",
            "expires_at",
            "quote_expires_at",
        }
    ),
    moved=metrics.payments_moved_total,
    tell=notify_page,
)
FINAL = PAYMENTS.final
sources, move, mark, stick, attend = PAYMENTS.sources, PAYMENTS.move, PAYMENTS.mark, PAYMENTS.stick, PAYMENTS.attend
