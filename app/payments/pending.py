"""Confirmed, and finality far: Shopify is told that the payment is pending, so that the customer need not wait.

Nothing of our own lifecycle moves: the payment is `pending` here too, and only beside it stands since when Shopify
knows (`pended_at`). Shopify makes the order then, so it must hear of the end, whatever that is (docs/decisions/0019).
"""

from datetime import datetime, timedelta

from app import events, metrics
from app.clusters import ClusterParts
from app.database import Connection
from app.jobs import queue
from app.logs import get_logger
from app.page_feed import notify_page
from app.payments.terms import terms_of
from app.records import Fate, IssuedTransaction, JobKind, Payment, PaymentStatus, RecordKind
from app.system import System
from app.transactions.agreement import read_agreed
from app.transactions.transfers import expected_of
from chain.errors import Unverified
from chain.verification import verify_settled

# Told once in a payment's life: Shopify's session stays pending, whatever the chain does after.
_UNTOLD = """
SELECT * FROM payments p WHERE id = $1 AND status = 'pending'
    AND NOT EXISTS (SELECT FROM jobs j WHERE j.kind = 'payment_pending' AND j.record = 'payment' AND j.record_id = p.id)
"""
_LANDED = """
SELECT EXISTS (SELECT FROM issued_transactions
    WHERE payment_id = $1 AND fate = 'landed' AND NOT final AND error IS NULL)
"""


async def pend_when_far(system: System, parts: ClusterParts, issued: IssuedTransaction) -> None:
    """Have Shopify told when a transaction landed long ago and is not final yet. Raises NodeError.

    `issued` is the row as it was before this look at it.
    """
    patience = system.settings.pending_after_seconds
    if not patience or issued.fate is not Fate.landed or issued.error is not None:
        return
    now = system.clock.now()
    if now - issued.updated_at < timedelta(seconds=patience):
        return
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_UNTOLD, issued.payment_id)
    if row is None:
        return
    payment = Payment.from_row(row)
    # What makes an order at Shopify is verified first, as what pays.
    transaction = await read_agreed(system.settings, parts, issued, "confirmed")
    if transaction is None:
        return
    try:
        verify_settled(transaction, expected_of(terms_of(payment), issued))
    except Unverified:
        return
    async with system.database.transaction() as connection:
        await queue.enqueue(connection, JobKind.payment_pending, RecordKind.payment, payment.id, at=now)


async def is_under_way(connection: Connection, payment: Payment) -> bool:
    """Whether the payment is open and something that landed for it is not final yet."""
    found: bool = await connection.fetchval(_LANDED, payment.id)
    return found and payment.status is PaymentStatus.pending


async def note_pended(connection: Connection, payment_id: str, redirect_url: str | None, *, at: datetime) -> None:
    """Shopify holds the session as pending. The customer may go there now, unless it is known better already."""
    await connection.execute(
        """
        UPDATE payments SET pended_at = $2, redirect_url = coalesce(redirect_url, $3), updated_at = $2 WHERE id = $1
        """,
        payment_id,
        at,
        redirect_url,
    )
    await events.write_event(connection, RecordKind.payment, payment_id, events.PENDED, at=at)
    await notify_page(connection, payment_id)
    metrics.payments_pended_total.inc()


async def alarm_vanished(connection: Connection, issued: IssuedTransaction, payment: Payment, *, at: datetime) -> None:
    """What Shopify was told of as under way is gone: the order there has no money, and the customer may pay again."""
    if payment.pended_at is None or payment.status is not PaymentStatus.pending or issued.fate is not Fate.landed:
        return
    await events.write_event(
        connection, RecordKind.payment, payment.id, events.VANISHED, at=at, signature=issued.signature
    )
    metrics.alarms_total.labels(reason="pending_vanished").inc()
    get_logger().error("pending_vanished", payment_id=payment.id, signature=issued.signature)
