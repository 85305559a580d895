"""Another single-use account for an order whose own can not be used any more.

Somebody may put lamports on the address before a payment creates it, and the key it is made of may leak or be lost.
Then the order gets another address, of the next version and of today's fee payer. Never while anything issued for it
may land, or has: both would be paid. The database holds to that as well (migration `pins`).
"""

from enum import StrEnum

from solders.pubkey import Pubkey

from app import events, metrics
from app.clusters import ClusterParts
from app.logs import get_logger
from app.payments import refusals
from app.records import Fate, PaymentGroup, RecordKind
from app.system import System
from chain.errors import OrderAlreadyBeingPaid
from chain.occupant import Occupant, find_occupant
from chain.programs import MAX_STATUSES_PER_CALL
from chain.single_use import derive_seed, single_use_address


class Cause(StrEnum):
    """Why an order needs another account."""

    # It exists on the chain, and nothing that was issued for the order made it.
    occupied = "occupied"
    # The key of its base leaked, or is not here.
    fee_payer = "fee_payer"


_MAY_PAY = """
SELECT signature, fate FROM issued_transactions WHERE group_id = $1 AND NOT (final AND fate IN ('dead', 'failed'))
ORDER BY id LIMIT $2
"""
_KEEP = """
INSERT INTO former_pins (group_id, version, base, seed, address, cause, replaced_at)
SELECT id, version, base, seed, address, $2, $3 FROM payment_groups WHERE id = $1
"""
_PIN = "UPDATE payment_groups SET base = $2, seed = $3, version = $4, address = $5 WHERE id = $1 RETURNING *"


async def pin_anew(
    system: System, parts: ClusterParts, group: PaymentGroup, payment_id: str, shop: str, cause: Cause
) -> PaymentGroup:
    """Give a group its next account, unless somebody else just did; the group as it is then.

    Raises OrderAlreadyPaid, or PaymentInPreparation while something issued for it may land or has.
    """
    async with system.database.transaction() as connection:
        row = await connection.fetchrow("SELECT * FROM payment_groups WHERE id = $1 FOR UPDATE", group.id)
        assert row is not None
        now = PaymentGroup.from_row(row)
        if now.winner_id is not None:
            raise refusals.OrderAlreadyPaid
        if now.version != group.version:
            return now
        if await connection.fetch(_MAY_PAY, group.id, 1):
            raise refusals.PaymentInPreparation
        base, version = parts.fee_payer.address, now.version + 1
        secret = bytes.fromhex(system.settings.derivation_secret)
        seed = derive_seed(secret, "payment", shop, now.group_key, version)
        await connection.execute(_KEEP, now.id, cause, system.clock.now())
        row = await connection.fetchrow(_PIN, now.id, str(base), seed, version, str(single_use_address(base, seed)))
        assert row is not None
        pinned = PaymentGroup.from_row(row)
        await events.write_event(
            connection,
            RecordKind.payment,
            payment_id,
            events.PINNED,
            at=system.clock.now(),
            cause=cause,
            version=version,
            address=pinned.address,
            former_address=now.address,
        )
    metrics.pins_total.labels(cause=cause).inc()
    get_logger().warning("pinned_anew", payment_id=payment_id, group=now.id, cause=cause, version=version)
    return pinned


async def leave_occupied(
    system: System, parts: ClusterParts, group: PaymentGroup, payment_id: str, shop: str
) -> PaymentGroup:
    """The group's account exists on the chain though nobody has won it: find out why, and pin it anew if that is safe.

    Its being there proves nothing. Raises OrderAlreadyBeingPaid when a transaction of the order landed,
    PaymentInPreparation while one may or nobody can tell, NodeError.
    """
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_MAY_PAY, group.id, MAX_STATUSES_PER_CALL)
    if any(row["fate"] == Fate.landed for row in rows):
        raise OrderAlreadyBeingPaid
    if rows:
        # The watcher will see a landing as well; who asks now hears of it now.
        view = await parts.node.signature_statuses([row["signature"] for row in rows])
        if any(status is not None and status.error is None for status in view.statuses):
            raise OrderAlreadyBeingPaid
    else:
        await _check_occupant(parts, group, payment_id)
    return await pin_anew(system, parts, group, payment_id, shop, Cause.occupied)


async def _check_occupant(parts: ClusterParts, group: PaymentGroup, payment_id: str) -> None:
    """By our records nothing of ours made the account. Does the chain say so, too? They may be those of a backup."""
    occupant = await find_occupant(parts.node, Pubkey.from_string(group.address), Pubkey.from_string(group.base))
    if occupant is Occupant.STRANGER:
        return
    alarm = "unknown_payment" if occupant is Occupant.OURS else "occupant_unknown"
    metrics.alarms_total.labels(reason=alarm).inc()
    get_logger().error(alarm, payment_id=payment_id, group=group.id, address=group.address)
    if occupant is Occupant.OURS:
        raise OrderAlreadyBeingPaid
    raise refusals.PaymentInPreparation
