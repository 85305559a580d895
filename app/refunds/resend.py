"""Sending again: a stuck refund of which Shopify must hear goes back on the ladder, with the same words as before."""

from app.jobs import queue
from app.payments.resend import REJECTS
from app.records import JobKind, RecordKind, Refund, RefundException, RefundStatus
from app.refunds import lifecycle
from app.refunds.purpose import reject_when_dead
from app.system import System

S = RefundStatus

# What has no share of the money was never open: it is rejected again, as what was denied is.
_STUCK = """
SELECT * FROM refunds WHERE status = 'stuck' AND exception = 'none'
    AND (paid_signature IS NOT NULL OR merchant_message IS NOT NULL AND stuck_reason = ANY($2))
    AND ($1::text IS NULL OR id = $1)
ORDER BY updated_at
"""


def can_resend(refund: Refund) -> bool:
    """Whether there is something of which Shopify must hear: what `_STUCK` says of all, said of one."""
    knows = refund.paid_signature is not None or (
        refund.merchant_message is not None and refund.stuck_reason in REJECTS
    )
    return refund.status is S.stuck and refund.exception is RefundException.none and knows


async def resend_stuck_refunds(system: System, refund_id: str | None = None, *, by: str = "resend") -> list[str]:
    """Put one or every stuck refund that Shopify must hear of back on the ladder. Returns their ids.

    `by`: who asked for it, for the history.
    """
    sent = []
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_STUCK, refund_id, REJECTS)
    for refund in map(Refund.from_row, rows):
        now = system.clock.now()
        to, kind = _way_back(refund)
        async with system.database.transaction() as connection:
            moved = await lifecycle.move(
                connection,
                refund.id,
                to,
                at=now,
                only_from=frozenset({S.stuck}),
                detail={"by": by},
                stuck_reason=None,
            )
            if moved is None:
                continue
            if to is S.denying:
                await reject_when_dead(system, connection, refund.id)
            else:
                await queue.begin_anew(connection, kind, RecordKind.refund, [refund.id], at=now)
            sent.append(refund.id)
    return sent


def _way_back(refund: Refund) -> tuple[RefundStatus, JobKind]:
    if refund.paid_signature is not None:
        return S.paid, JobKind.refund_resolve
    return (S.rejecting if refund.usdc is None else S.denying), JobKind.refund_reject
