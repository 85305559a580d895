"""From what a node says of an issued transaction to what that means for its payment."""

from app import metrics
from app.clusters import ClusterParts
from app.database import Connection
from app.jobs import queue
from app.logs import get_logger
from app.money import from_base_units
from app.payments import lifecycle
from app.payments.agreement import read_agreed
from app.payments.issued import set_fate
from app.payments.pending import alarm_vanished, pend_when_far
from app.payments.rejection import reject_when_dead
from app.payments.transfers import expected_of
from app.records import (
    Fate,
    IssuedTransaction,
    JobKind,
    Payment,
    PaymentException,
    PaymentGroup,
    PaymentStatus,
    RecordKind,
)
from app.system import System
from chain.errors import Unverified
from chain.node import SignatureStatus
from chain.verification import verify_settled

S = PaymentStatus


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
        await pend_when_far(system, parts, issued)
        return True
    if issued.fate is Fate.landed and issued.error is None and await _is_settled(system, issued):
        await _note(system, issued, Fate.landed, status, final=final)
        return True
    transaction = await read_agreed(system.settings, parts, issued, "finalized" if final else "confirmed")
    if transaction is None:
        return False
    async with system.database.transaction() as connection:
        payment, group = await _lock(connection, issued)
        try:
            verify_settled(transaction, expected_of(payment, issued))
        except Unverified as refusal:
            await _refuse(system, connection, issued, status, refusal, final)
            return True
        await _settle(system, connection, issued, payment, group)
        await set_fate(connection, issued, Fate.landed, final=final, at=system.clock.now(), slot=status.slot)
    return True


async def bury(system: System, issued: IssuedTransaction) -> None:
    """The transaction can never land any more."""
    now = system.clock.now()
    async with system.database.transaction() as connection:
        payment, _ = await _lock(connection, issued)
        await _take_back(system, connection, issued, payment)
        await set_fate(connection, issued, Fate.dead, final=True, at=now)
        await reject_when_dead(system, connection, issued.payment_id)


async def _failed(system: System, parts: ClusterParts, issued: IssuedTransaction, status: SignatureStatus) -> bool:
    says_final = status.confirmation == "finalized"
    final = says_final
    if says_final and len(parts.node.members) > 1:
        transaction = await read_agreed(system.settings, parts, issued, "finalized")
        final = transaction is not None and transaction.error is not None
    async with system.database.transaction() as connection:
        payment, _ = await _lock(connection, issued)
        if final:
            await _take_back(system, connection, issued, payment)
        await set_fate(
            connection, issued, Fate.failed, final=final, at=system.clock.now(), slot=status.slot, error=status.error
        )
        await lifecycle.notify_page(connection, issued.payment_id)
        if final:
            await reject_when_dead(system, connection, issued.payment_id)
    return final or not says_final


async def _take_back(system: System, connection: Connection, issued: IssuedTransaction, payment: Payment) -> None:
    """What counted as paid is gone for good: Shopify is not told of it any more, and whoever was must hear of this."""
    await alarm_vanished(connection, issued, payment, at=system.clock.now())
    if payment.paid_signature != issued.signature or payment.exception is PaymentException.vanished:
        return
    now = system.clock.now()
    await lifecycle.mark(connection, payment.id, PaymentException.vanished, at=now, signature=issued.signature)
    _alarm("payment_vanished", issued)
    await lifecycle.stick(
        connection, payment.id, "vanished", at=now, only_from=frozenset({S.paid}), signature=issued.signature
    )


async def _note(system: System, issued: IssuedTransaction, fate: Fate, status: SignatureStatus, *, final: bool) -> None:
    async with system.database.transaction() as connection:
        if await set_fate(connection, issued, fate, final=final, at=system.clock.now(), slot=status.slot):
            await lifecycle.notify_page(connection, issued.payment_id)


async def _is_settled(system: System, issued: IssuedTransaction) -> bool:
    async with system.database.acquire() as connection:
        found: bool = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM payments WHERE id = $1 AND paid_signature = $2)",
            issued.payment_id,
            issued.signature,
        )
    return found


async def _lock(connection: Connection, issued: IssuedTransaction) -> tuple[Payment, PaymentGroup]:
    group = await connection.fetchrow("SELECT * FROM payment_groups WHERE id = $1 FOR UPDATE", issued.group_id)
    payment = await connection.fetchrow("SELECT * FROM payments WHERE id = $1 FOR UPDATE", issued.payment_id)
    assert group is not None
    assert payment is not None
    return Payment.from_row(payment), PaymentGroup.from_row(group)


async def _settle(
    system: System, connection: Connection, issued: IssuedTransaction, payment: Payment, group: PaymentGroup
) -> None:
    """The money is there: the payment is paid and its siblings superseded; or it is money nobody asked for any more."""
    now = system.clock.now()
    if payment.paid_signature == issued.signature:
        return
    moved = None
    if group.winner_id is None:
        moved = await lifecycle.move(
            connection,
            payment.id,
            S.paid,
            at=now,
            detail={"signature": issued.signature},
            paid_signature=issued.signature,
            paid_wallet=issued.wallet,
            paid_at=now,
            exception=PaymentException.late if payment.status is S.expired else payment.exception,
        )
    if moved is None:
        if payment.exception is not PaymentException.duplicate:
            await lifecycle.mark(connection, payment.id, PaymentException.duplicate, at=now, signature=issued.signature)
            _alarm("payment_duplicate", issued)
        return
    await connection.execute("UPDATE payment_groups SET winner_id = $2 WHERE id = $1", group.id, payment.id)
    await queue.enqueue(connection, JobKind.payment_resolve, RecordKind.payment, payment.id, at=now)
    siblings = await connection.fetch(
        "SELECT id FROM payments WHERE group_id = $1 AND id <> $2 AND status = ANY($3) ORDER BY id",
        group.id,
        payment.id,
        list(lifecycle.sources(S.superseded)),
    )
    for sibling in siblings:
        await lifecycle.move(connection, sibling["id"], S.superseded, at=now, detail={"winner": payment.id})


async def _refuse(
    system: System,
    connection: Connection,
    issued: IssuedTransaction,
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
        stuck = await lifecycle.stick(
            connection,
            issued.payment_id,
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
    get_logger().error(reason, payment_id=issued.payment_id, signature=issued.signature)
