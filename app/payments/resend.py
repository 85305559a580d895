"""Sending again: a stuck payment whose money is there goes back to `paid`, and Shopify is told anew, word for word."""

from app.jobs import queue
from app.payments import lifecycle
from app.records import JobKind, PaymentStatus, RecordKind
from app.system import System

_STUCK = """
SELECT id FROM payments WHERE status = 'stuck' AND paid_signature IS NOT NULL AND exception <> 'vanished'
    AND ($1::text IS NULL OR id = $1)
ORDER BY updated_at
"""


async def resend_stuck(system: System, payment_id: str | None = None, *, by: str = "resend") -> list[str]:
    """Put one or every stuck payment whose transaction was verified back on the ladder. Returns their ids.

    `by`: who asked for it, for the history.
    """
    sent = []
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_STUCK, payment_id)
    for row in rows:
        now = system.clock.now()
        async with system.database.transaction() as connection:
            moved = await lifecycle.move(
                connection, row["id"], PaymentStatus.paid, at=now, detail={"by": by}, stuck_reason=None
            )
            if moved is not None:
                await queue.enqueue(connection, JobKind.payment_resolve, RecordKind.payment, moved.id, at=now)
                sent.append(moved.id)
    return sent
