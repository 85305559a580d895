"""The lifecycle of a payment: the allowed moves, and the one function that makes them."""

from datetime import datetime
from typing import Any

from app import events, metrics
from app.database import Connection
from app.logs import get_logger
from app.records import Payment, PaymentException, PaymentStatus, RecordKind

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
    S.stuck: frozenset({S.paid, S.completed}),
}

# A payment is born in one of these.
BIRTHS = frozenset({S.pending, S.superseded})

FINAL = frozenset(status for status, targets in MOVES.items() if not targets)

# Columns that a move may set along with the status.
_SETTABLE = frozenset(
    {
        "redirect_url", "paid_signature", "paid_wallet", "paid_at", "stuck_reason", "attended_at", "exception",
        "expires_at", "quote_expires_at",
    }
)  # fmt: skip


def sources(to: PaymentStatus) -> frozenset[PaymentStatus]:
    """The statuses from which a payment may move to this one."""
    return frozenset(status for status, targets in MOVES.items() if to in targets)


async def move(
    connection: Connection,
    payment_id: str,
    to: PaymentStatus,
    *,
    at: datetime,
    only_from: frozenset[PaymentStatus] | None = None,
    detail: dict[str, Any] | None = None,
    **changes: Any,
) -> Payment | None:
    """Move a payment by one guarded UPDATE, with its event, in the caller's transaction.

    Returns the payment after the move, or None when it is not (any more) in a status that may move there: somebody else
    was faster, so re-read and decide anew.
    """
    allowed = sources(to) if only_from is None else only_from & sources(to)
    assert changes.keys() <= _SETTABLE, changes
    assignments = "".join(f", {column} = ${number}" for number, column in enumerate(changes, start=5))
    row = await connection.fetchrow(
        f"""
        UPDATE payments SET status = $2, updated_at = $3{assignments}
        FROM (SELECT id AS old_id, status AS old_status FROM payments WHERE id = $1 FOR UPDATE) AS old
        WHERE id = old_id AND old_status = ANY($4) RETURNING payments.*, old_status
        """,  # noqa: S608  # the columns are ours, see _SETTABLE
        payment_id,
        to,
        at,
        list(allowed),
        *changes.values(),
    )
    if row is None:
        return None
    await events.write_event(
        connection,
        RecordKind.payment,
        payment_id,
        events.MOVED,
        at=at,
        from_status=row["old_status"],
        to_status=to,
        **(detail or {}),
    )
    await notify_page(connection, payment_id)
    metrics.payments_moved_total.labels(to=to).inc()
    get_logger().info(
        "payment_moved", payment_id=payment_id, from_status=row["old_status"], to_status=to, **(detail or {})
    )
    return Payment.from_row(row)


async def mark(
    connection: Connection, payment_id: str, exception: PaymentException, *, at: datetime, **detail: Any
) -> None:
    """Set a payment's exception, with its event. It stands beside the status and moves nothing."""
    await connection.execute(
        "UPDATE payments SET exception = $2, attended_at = NULL, updated_at = $3 WHERE id = $1",
        payment_id,
        exception,
        at,
    )
    await events.write_event(
        connection, RecordKind.payment, payment_id, events.MARKED, at=at, exception=exception, **detail
    )
    await notify_page(connection, payment_id)


async def stick(
    connection: Connection,
    payment_id: str,
    reason: str,
    *,
    at: datetime,
    only_from: frozenset[PaymentStatus] | None = None,
    **detail: Any,
) -> Payment | None:
    """Move a payment to `stuck` and raise the alarm: a person must look."""
    told = {"reason": reason, **detail}
    changes = {"stuck_reason": reason, "attended_at": None}
    payment = await move(connection, payment_id, S.stuck, at=at, only_from=only_from, detail=told, **changes)
    if payment is not None:
        metrics.alarms_total.labels(reason=reason).inc()
        get_logger().error("payment_stuck", payment_id=payment_id, reason=reason, **detail)
    return payment


async def attend(connection: Connection, payment_id: str, *, at: datetime, **detail: Any) -> bool:
    """Note, with its event, that a person has dealt with a payment's trouble. It moves nothing.

    False: it has none, or somebody was faster. New trouble begins unattended.
    """
    noted = await connection.fetchval(
        """
        UPDATE payments SET attended_at = $2, updated_at = $2
        WHERE id = $1 AND attended_at IS NULL AND (status = 'stuck' OR exception <> 'none') RETURNING id
        """,
        payment_id,
        at,
    )
    if noted is None:
        return False
    await events.write_event(connection, RecordKind.payment, payment_id, events.ATTENDED, at=at, **detail)
    get_logger().info("payment_attended", payment_id=payment_id, **detail)
    return True


async def notify_page(connection: Connection, payment_id: str) -> None:
    """Wake the pages that show this payment, once the transaction commits."""
    await connection.execute("SELECT pg_notify('payments', $1)", payment_id)
