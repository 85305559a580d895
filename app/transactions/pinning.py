"""Another single-use account for an order whose own can not be used any more.

Somebody may put lamports on the address before a payment creates it, and the key it is made of may leak or be lost.
Then the order gets another address, of the next version and of today's fee payer. Never while anything issued for it
may land, or has: both would be paid. The database holds to that as well (migration `pins`).
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec
from solders.pubkey import Pubkey

from app import events, metrics
from app.clusters import ClusterParts
from app.database import Connection
from app.errors import SettleError
from app.logs import get_logger
from app.records import Cluster, Fate, Merchant, PaymentGroup, RecordKind, Row
from app.system import System
from app.transactions.purpose import Terms
from chain.errors import Refused
from chain.occupant import Occupant, find_occupant
from chain.programs import MAX_STATUSES_PER_CALL
from chain.single_use import SingleUse, derive_seed, single_use_address


class Cause(StrEnum):
    """Why an order needs another account."""

    # It exists on the chain, and nothing that was issued for the order made it.
    occupied = "occupied"
    # The key of its base leaked, or is not here.
    fee_payer = "fee_payer"
    # It got one, used it, and our books lost both (app/watching/adoption.py).
    lost = "lost"


_MAY_PAY = """
SELECT signature, fate FROM issued_transactions WHERE group_id = $1 AND NOT (final AND fate IN ('dead', 'failed'))
ORDER BY id LIMIT $2
"""
_KEEP = """
INSERT INTO former_pins (group_id, version, base, seed, address, cause, replaced_at)
SELECT id, version, base, seed, address, $2, $3 FROM payment_groups WHERE id = $1
"""
_PIN_FIRST = """
INSERT INTO payment_groups (merchant_id, group_key, cluster, base, seed, version, address, created_at)
VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
ON CONFLICT (merchant_id, group_key, cluster) DO UPDATE SET group_key = EXCLUDED.group_key RETURNING *
"""
_PIN = "UPDATE payment_groups SET base = $2, seed = $3, version = $4, address = $5 WHERE id = $1 RETURNING *"


_PINS = """
SELECT version, base, seed, address FROM payment_groups WHERE id = $1
UNION ALL SELECT version, base, seed, address FROM former_pins WHERE group_id = $1
"""


class OrderOpen(SettleError):
    """Something else that was issued for its order may still land. Try again when the watcher knows more."""

    reason = "order_open"
    status = 409


@dataclass(frozen=True)
class Pinned:
    """A record's terms and group, its merchant's shop, and its own words for two troubles."""

    terms: Terms
    group: PaymentGroup
    shop: str
    already_paid: type[SettleError]
    in_preparation: type[SettleError]


async def pin_first(
    system: System,
    connection: Connection,
    record: RecordKind,
    merchant: Merchant,
    key: str,
    cluster: Cluster,
    base: Pubkey | None = None,
) -> PaymentGroup:
    """Insert or get the group of a record that begins without one, in the caller's transaction; its row is locked.

    `base`: of a new group, where it is not today's fee payer.
    """
    base = base or system.clusters[cluster].fee_payer.address
    secret = bytes.fromhex(system.settings.derivation_secret)
    seed = derive_seed(secret, record, merchant.shop, key, 1)
    address = str(single_use_address(base, seed))
    row = await connection.fetchrow(_PIN_FIRST, merchant.id, key, cluster, str(base), seed, address, system.clock.now())
    assert row is not None
    return PaymentGroup.from_row(row)


async def lock_group(connection: Connection, group_id: int) -> PaymentGroup:
    """A group as it is now; nobody else decides about it until the transaction ends."""
    row = await connection.fetchrow("SELECT * FROM payment_groups WHERE id = $1 FOR UPDATE", group_id)
    assert row is not None
    return PaymentGroup.from_row(row)


async def pin_anew(system: System, parts: ClusterParts, pinned: Pinned, cause: Cause) -> None:
    """Give a group its next account, unless somebody else just did.

    Raises that it is paid already, or in preparation while something issued for it may land or has.
    """
    group, terms = pinned.group, pinned.terms
    async with system.database.transaction() as connection:
        now = await lock_group(connection, group.id)
        if now.won_signature is not None:
            raise pinned.already_paid
        if now.version != group.version:
            return
        if await connection.fetch(_MAY_PAY, group.id, 1):
            raise pinned.in_preparation
        await _pin_next(system, connection, terms, pinned.shop, now, parts.fee_payer.address, cause)


async def _pin_next(
    system: System,
    connection: Connection,
    terms: Terms,
    shop: str,
    group: PaymentGroup,
    base: Pubkey,
    cause: Cause,
) -> PaymentGroup:
    """Give a group, which is locked, the account of its next version under this base."""
    seed = _next_seed(system, terms, shop, group)
    now, version = system.clock.now(), group.version + 1
    await connection.execute(_KEEP, group.id, cause, now)
    row = await connection.fetchrow(_PIN, group.id, str(base), seed, version, str(single_use_address(base, seed)))
    assert row is not None
    await events.write_event(
        connection,
        terms.record,
        terms.id,
        events.PINNED,
        at=now,
        cause=cause,
        version=version,
        address=row["address"],
        former_address=group.address,
    )
    metrics.pins_total.labels(cause=cause).inc()
    names = {f"{terms.record}_id": terms.id}
    get_logger().warning("pinned_anew", group=group.id, cause=cause, version=version, **names)
    return PaymentGroup.from_row(row)


def _next_seed(system: System, terms: Terms, shop: str, group: PaymentGroup) -> str:
    secret = bytes.fromhex(system.settings.derivation_secret)
    return derive_seed(secret, terms.record, shop, group.group_key, group.version + 1)


async def pin_as_landed(
    system: System, connection: Connection, terms: Terms, shop: str, group: PaymentGroup, landed: SingleUse
) -> PaymentGroup | None:
    """A group, which is locked, as it was when a transaction of it created this account, which landed and was lost.

    It is an account that the group has or had by our books; or else the next one, made by today's secret, which the
    group gets now. None: neither. Raises OrderOpen while something issued for it may land.
    """
    rows = await connection.fetch(_PINS, group.id)
    own = next((row for row in rows if _is_pin(row, landed)), None)
    if own is not None:
        return msgspec.structs.replace(group, **{name: own[name] for name in ("version", "base", "seed", "address")})
    if group.won_signature is not None or landed.seed != _next_seed(system, terms, shop, group):
        return None
    if await connection.fetch(_MAY_PAY, group.id, 1):
        raise OrderOpen
    return await _pin_next(system, connection, terms, shop, group, landed.base, Cause.lost)


def _is_pin(row: Row, single_use: SingleUse) -> bool:
    found: bool = (row["base"], row["seed"], row["address"]) == (
        str(single_use.base),
        single_use.seed,
        str(single_use.address),
    )
    return found


async def leave_occupied(
    system: System, parts: ClusterParts, pinned: Pinned, already_being_paid: type[Refused]
) -> None:
    """The group's account exists on the chain though nobody has won it: find out why, and pin it anew if that is safe.

    Its being there proves nothing. Raises `already_being_paid` when a transaction of the order landed, that it is in
    preparation while one may or nobody can tell, NodeError.
    """
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_MAY_PAY, pinned.group.id, MAX_STATUSES_PER_CALL)
    if any(row["fate"] == Fate.landed for row in rows):
        raise already_being_paid
    if rows:
        # The watcher will see a landing as well; who asks now hears of it now.
        view = await parts.node.signature_statuses([row["signature"] for row in rows])
        if any(status is not None and status.error is None for status in view.statuses):
            raise already_being_paid
    else:
        await _check_occupant(parts, pinned, already_being_paid)
    await pin_anew(system, parts, pinned, Cause.occupied)


async def _check_occupant(parts: ClusterParts, pinned: Pinned, already_being_paid: type[Refused]) -> None:
    """By our records nothing of ours made the account. Does the chain say so, too? They may be those of a backup."""
    group, terms = pinned.group, pinned.terms
    occupant = await find_occupant(parts.node, Pubkey.from_string(group.address), Pubkey.from_string(group.base))
    if occupant is Occupant.STRANGER:
        return
    alarm = "unknown_payment" if occupant is Occupant.OURS else "occupant_unknown"
    metrics.alarms_total.labels(reason=alarm).inc()
    get_logger().error(alarm, group=group.id, address=group.address, **{f"{terms.record}_id": terms.id})
    if occupant is Occupant.OURS:
        raise already_being_paid
    raise pinned.in_preparation
