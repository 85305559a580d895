"""The lifecycle of a refund: the allowed moves."""

from app import metrics
from app.database import Connection
from app.lifecycle import Lifecycle
from app.records import RecordKind, Refund, RefundStatus

S = RefundStatus

# From each status, the statuses it may move to. The README's diagram is drawn from this table.
MOVES: dict[RefundStatus, frozenset[RefundStatus]] = {
    S.pending: frozenset({S.paid, S.denying, S.stuck}),
    S.paid: frozenset({S.completed, S.stuck}),
    S.completed: frozenset(),
    S.denying: frozenset({S.rejected, S.paid, S.stuck}),
    S.rejecting: frozenset({S.rejected, S.stuck}),
    S.rejected: frozenset(),
    # Sent again it is where it was before: on its way to the resolve, or to the reject.
    S.stuck: frozenset({S.paid, S.denying, S.rejecting}),
}

# A refund is born in one of these.
BIRTHS = frozenset({S.pending, S.rejecting})

# In these somebody may still pay it.
UNPAID = frozenset({S.pending, S.denying})


async def _tell_nobody(_connection: Connection, _refund_id: str) -> None:
    """No page waits for a refund."""


REFUNDS = Lifecycle(
    kind=RecordKind.refund,
    record=Refund,
    moves=MOVES,
    births=BIRTHS,
    stuck=S.stuck,
    settable=frozenset(
        {
            "paid_signature",
            "paid_wallet",
            "paid_at",
            "stuck_reason",
            "attended_at",
            "exception",
            "merchant_message",
        }
    ),
    moved=metrics.refunds_moved_total,
    tell=_tell_nobody,
)
sources, move, mark, stick = REFUNDS.sources, REFUNDS.move, REFUNDS.mark, REFUNDS.stick
