"""Sending again: a stuck payment of which Shopify must hear goes back on the ladder, with the same words as before."""

from app.jobs import queue
from app.payments import lifecycle
from app.records import JobKind, Payment, PaymentException, PaymentStatus, RecordKind
from app.shopify.mutation import CONFLICT, UNINSTALLED
from app.system import System

# One whose money is there is resolved; one without, that was being rejected when Shopify did not answer, is rejected.
_STUCK = """
SELECT id, paid_signature IS NOT NULL AS has_money FROM payments WHERE status = 'stuck' AND exception <> 'vanished'
    AND (paid_signature IS NOT NULL OR stuck_reason = ANY($2))
    AND ($1::text IS NULL OR id = $1)
ORDER BY updated_at
"""
# Why a reject is stuck when Shopify is the cause. Where something landed that must not have, a person decides.
REJECTS = ("retries_spent", "shopify_refused", CONFLICT, UNINSTALLED)


def can_resend(payment: Payment) -> bool:
    """Whether there is something of which Shopify must hear: what `_STUCK` says of all, said of one."""
    stuck = payment.status is PaymentStatus.stuck and payment.exception is not PaymentException.vanished
    return stuck and (payment.paid_signature is not None or payment.stuck_reason in REJECTS)


async def resend_stuck(system: System, payment_id: str | None = None, *, by: str = "resend") -> list[str]:
    """Put one or every stuck payment that Shopify must hear of back on the ladder. Returns their ids.

    `by`: who asked for it, for the history.
    """
    sent = []
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_STUCK, payment_id, REJECTS)
    for row in rows:
        now = system.clock.now()
        to, kind = (
            (PaymentStatus.paid, JobKind.payment_resolve)
            if row["has_money"]
            else (PaymentStatus.rejecting, JobKind.payment_reject)
        )
        async with system.database.transaction() as connection:
            moved = await lifecycle.move(
                connection,
                row["id"],
                to,
                at=now,
                only_from=frozenset({PaymentStatus.stuck}),
                detail={"by": by},
                stuck_reason=None,
            )
            if moved is not None:
                await queue.begin_anew(connection, kind, RecordKind.payment, [moved.id], at=now)
                sent.append(moved.id)
    return sent
