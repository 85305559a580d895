"""From what a node says of an issued transaction to what that means for the payment or refund it is for."""

from app import metrics
from app.clusters import ClusterParts
from app.database import Connection
from app.jobs import queue
from app.logs import get_logger
from app.money import from_base_units
from app.page_feed import notify_page
from app.payments.pending import pend_when_far
from app.payments.purpose import PaymentPurpose
from app.records import Fate, IssuedTransaction, Payment, Refund
from app.refunds.purpose import RefundPurpose
from app.system import System
from app.transactions.agreement import read_agreed
from app.transactions.issued import set_fate
from app.transactions.pinning import lock_group
from app.transactions.purpose import Purpose, names_of
from app.transactions.transfers import expected_of
from chain.errors import Unverified
from chain.node import SignatureStatus
from chain.verification import verify_settled


def required_commitment(system: System, usdc: int) -> str:
    """`confirmed` for the customer's seconds, `finalized` above the set amount."""
    return "finalized" if from_base_units(usdc) > system.settings.finalized_above_usdc else "confirmed"


async def observe(system: System, parts: ClusterParts, issued: IssuedTransaction, status: SignatureStatus) -> bool:
    """A node knows the transaction. False when the nodes do not show it alike yet: it is to be looked at again later.

    Raises NodeError.
    """
    final = status.confirmation == "finalized"
    if status.error is not None:
        return await _failed(system, parts, issued, status)
    if status.confirmation == "processed":
        return True
    if not final and required_commitment(system, issued.usdc) == "finalized":
        await _note(system, issued, Fate.landed, status, final=False)
        if issued.payment_id is not None:
            await pend_when_far(system, parts, issued)
        return True
    if issued.fate is Fate.landed and issued.error is None and await _is_settled(system, issued):
        await _note(system, issued, Fate.landed, status, final=final)
        return True
    transaction = await read_agreed(system.settings, parts, issued, "finalized" if final else "confirmed")
    if transaction is None:
        return False
    async with system.database.transaction() as connection:
        purpose = await lock_purpose(connection, issued)
        try:
            verify_settled(transaction, expected_of(purpose.terms, issued))
        except Unverified as refusal:
            await _refuse(system, connection, issued, purpose, status, refusal, final)
            return True
        await settle(system, connection, issued, purpose)
        await set_fate(connection, issued, Fate.landed, final=final, at=system.clock.now(), slot=status.slot)
    return True


async def bury(system: System, issued: IssuedTransaction) -> None:
    """The transaction can never land any more."""
    now = system.clock.now()
    async with system.database.transaction() as connection:
        purpose = await lock_purpose(connection, issued)
        await _take_back(system, connection, issued, purpose)
        await set_fate(connection, issued, Fate.dead, final=True, at=now)
        await purpose.reject_when_dead(system, connection)


async def _failed(system: System, parts: ClusterParts, issued: IssuedTransaction, status: SignatureStatus) -> bool:
    says_final = status.confirmation == "finalized"
    final = says_final
    if says_final and len(parts.node.members) > 1:
        transaction = await read_agreed(system.settings, parts, issued, "finalized")
        final = transaction is not None and transaction.error is not None
    async with system.database.transaction() as connection:
        purpose = await lock_purpose(connection, issued)
        if final:
            await _take_back(system, connection, issued, purpose)
        await set_fate(
            connection, issued, Fate.failed, final=final, at=system.clock.now(), slot=status.slot, error=status.error
        )
        await purpose.lifecycle.tell(connection, purpose.record.id)
        if final:
            await purpose.reject_when_dead(system, connection)
    return final or not says_final


async def _take_back(system: System, connection: Connection, issued: IssuedTransaction, purpose: Purpose) -> None:
    """What counted as paid is gone for good: Shopify is not told of it any more, and whoever was must hear of this."""
    record, lifecycle, now = purpose.record, purpose.lifecycle, system.clock.now()
    await purpose.note_gone(connection, issued, at=now)
    if record.paid_signature != issued.signature or record.exception is purpose.vanished:
        return
    await lifecycle.mark(connection, record.id, purpose.vanished, at=now, signature=issued.signature)
    _alarm(f"{lifecycle.kind}_vanished", issued)
    await lifecycle.stick(
        connection,
        record.id,
        "vanished",
        at=now,
        only_from=frozenset({purpose.paid}),
        signature=issued.signature,
    )


async def _note(system: System, issued: IssuedTransaction, fate: Fate, status: SignatureStatus, *, final: bool) -> None:
    async with system.database.transaction() as connection:
        changed = await set_fate(connection, issued, fate, final=final, at=system.clock.now(), slot=status.slot)
        if changed and issued.payment_id is not None:
            await notify_page(connection, issued.payment_id)


async def _is_settled(system: System, issued: IssuedTransaction) -> bool:
    async with system.database.acquire() as connection:
        found: bool = await connection.fetchval(
            "SELECT won_signature IS NOT DISTINCT FROM $2 FROM payment_groups WHERE id = $1",
            issued.group_id,
            issued.signature,
        )
    return found


async def lock_purpose(connection: Connection, issued: IssuedTransaction) -> Purpose:
    """What the transaction is for: the group first, as whoever issues locks it, then the record."""
    group = await lock_group(connection, issued.group_id)
    if issued.refund_id is not None:
        row = await connection.fetchrow("SELECT * FROM refunds WHERE id = $1 FOR UPDATE", issued.refund_id)
        assert row is not None
        return RefundPurpose(Refund.from_row(row), group)
    row = await connection.fetchrow("SELECT * FROM payments WHERE id = $1 FOR UPDATE", issued.payment_id)
    assert row is not None
    return PaymentPurpose(Payment.from_row(row), group)


async def settle(system: System, connection: Connection, issued: IssuedTransaction, purpose: Purpose) -> None:
    """Verified, the money is there: what it is for is paid; or it is money nobody asked for any more."""
    now = system.clock.now()
    record, group, lifecycle = purpose.record, purpose.group, purpose.lifecycle
    if record.paid_signature == issued.signature:
        return
    moved = None
    if group.won_signature is None:
        moved = await lifecycle.move(
            connection,
            record.id,
            purpose.paid,
            at=now,
            detail={"signature": issued.signature},
            paid_signature=issued.signature,
            paid_wallet=issued.wallet,
            paid_at=now,
            exception=purpose.exception_when_paid(),
            stuck_reason=None,
        )
    if moved is None:
        if record.exception is not purpose.unasked:
            await lifecycle.mark(connection, record.id, purpose.unasked, at=now, signature=issued.signature)
            _alarm(f"{lifecycle.kind}_{purpose.unasked}", issued)
        return
    await connection.execute("UPDATE payment_groups SET won_signature = $2 WHERE id = $1", group.id, issued.signature)
    await queue.enqueue(connection, purpose.resolve, lifecycle.kind, record.id, at=now)
    await purpose.follow(system, connection)


async def _refuse(
    system: System,
    connection: Connection,
    issued: IssuedTransaction,
    purpose: Purpose,
    status: SignatureStatus,
    refusal: Unverified,
    final: bool,
) -> None:
    now = system.clock.now()
    new = await set_fate(
        connection, issued, Fate.landed, final=final, at=now, slot=status.slot, error=str(refusal.reason)
    )
    if new:
        get_logger().error(
            "landed_unverified", signature=issued.signature, reason=refusal.reason, problem=refusal.message
        )
        stuck = await purpose.lifecycle.stick(
            connection,
            purpose.record.id,
            "landed_unverified",
            at=now,
            signature=issued.signature,
            refusal=refusal.reason,
        )
        if stuck is None:
            # It is in no status that may become stuck, but a person must look all the same.
            _alarm("landed_unverified", issued)


def _alarm(reason: str, issued: IssuedTransaction) -> None:
    metrics.alarms_total.labels(reason=reason).inc()
    get_logger().error(reason, signature=issued.signature, **names_of(issued))
