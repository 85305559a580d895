"""Rejecting: the payment issues nothing more, and Shopify is told once nothing that was handed out can land."""

from app import events
from app.database import Connection
from app.jobs import queue
from app.logs import get_logger
from app.payments import lifecycle
from app.records import JobKind, PaymentStatus, RecordKind, RejectReason
from app.screening.screener import Verdict
from app.system import System
from app.transactions.issued import has_open_transactions


async def screen_out(system: System, payment_id: str, wallet: str, verdict: Verdict) -> None:
    """Move a pending payment to `rejecting` because this wallet was flagged."""
    now = system.clock.now()
    async with system.database.transaction() as connection:
        await events.write_event(
            connection,
            RecordKind.payment,
            payment_id,
            events.SCREENED_OUT,
            at=now,
            wallet=wallet,
            categories=list(verdict.categories),
        )
        moved = await lifecycle.move(
            connection,
            payment_id,
            PaymentStatus.rejecting,
            at=now,
            only_from=frozenset({PaymentStatus.pending}),
            reject_reason=RejectReason.screened_out,
        )
        if moved is not None:
            get_logger().warning("wallet_screened_out", wallet=wallet, categories=verdict.categories)
            await reject_when_dead(system, connection, payment_id)


async def reject_pended(system: System, connection: Connection, payment_id: str) -> None:
    """Nobody paid in time what Shopify holds as pending: unlike an open session, that one must be ended."""
    moved = await lifecycle.move(
        connection,
        payment_id,
        PaymentStatus.rejecting,
        at=system.clock.now(),
        only_from=frozenset({PaymentStatus.pending}),
        reject_reason=RejectReason.vanished,
    )
    if moved is not None:
        await reject_when_dead(system, connection, payment_id)


async def reject_when_dead(system: System, connection: Connection, payment_id: str) -> None:
    """Enqueue the reject of a payment that is `rejecting`, unless something handed out may still land."""
    status = await connection.fetchval("SELECT status FROM payments WHERE id = $1 FOR UPDATE", payment_id)
    if status == PaymentStatus.rejecting and not await has_open_transactions(connection, payment_id):
        await queue.begin_anew(
            connection, JobKind.payment_reject, RecordKind.payment, [payment_id], at=system.clock.now()
        )
