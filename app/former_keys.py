"""The fee payers of today and of the past: what each has and must still do, and the end of one that is done."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from solders.pubkey import Pubkey

from app.clusters import ClusterParts
from app.errors import SettleError
from app.logs import get_logger
from app.records import Cluster
from app.system import System
from app.watching.unknown import note_ours
from chain.errors import NodeError
from chain.funds import FEE, sign_move

# Open orders and refunds of a base, and those whose rent lies under it. An order is open while a session may be paid.
_TASKS = """
WITH pins AS (
    SELECT id AS group_id, cluster, base, true AS is_present FROM payment_groups
    UNION ALL SELECT f.group_id, g.cluster, f.base, false FROM former_pins f JOIN payment_groups g ON g.id = f.group_id
)
SELECT pins.base,
    count(*) FILTER (WHERE is_present AND g.won_signature IS NULL AND (
        EXISTS (SELECT FROM payments p WHERE p.group_id = g.id AND p.status IN ('pending', 'rejecting'))
        OR EXISTS (SELECT FROM refunds r WHERE r.group_id = g.id AND r.status IN ('pending', 'denying')))) AS open,
    count(*) FILTER (WHERE g.won_signature IS NOT NULL AND g.reclaimed_at IS NULL) AS locked
FROM pins JOIN payment_groups g ON g.id = pins.group_id WHERE pins.cluster = $1 GROUP BY 1
"""
# How long a move is waited for, in looks and seconds between them.
LOOKS = 90
LOOK_SECONDS = 1.0


class KeyUnknown(SettleError):
    """{address} is no former fee payer whose key is in the settings."""

    reason = "key_unknown"
    status = 404


class KeyNeeded(SettleError):
    """{orders} open orders still need the SOL of {address}. Wait until they are paid or have expired."""

    reason = "key_needed"
    status = 409


class MoveUnsure(SettleError):
    """The move {signature} was sent, and was not seen on the chain in time. Look again before it is repeated."""

    reason = "move_unsure"
    status = 503


class Role(StrEnum):
    """What a fee payer's key is for."""

    today = "today"
    former = "former"
    # Signs no payment any more.
    leaked = "leaked"
    # Orders were opened under it, and no setting names it.
    absent = "absent"


@dataclass(frozen=True)
class Key:
    """A fee payer: lamports (None: its node does not say), open orders, and orders whose rent lies under it."""

    cluster: Cluster
    address: str
    role: Role
    lamports: int | None
    open: int
    locked: int


async def list_keys(system: System) -> AsyncIterator[Key]:
    """Every fee payer that a setting names or an order has, today's first."""
    for cluster, parts in system.clusters.items():
        async with system.database.acquire() as connection:
            tasks = {row["base"]: row for row in await connection.fetch(_TASKS, cluster)}
        keys = parts.fee_payers
        needed = [base for base, task in tasks.items() if task["open"] or task["locked"]]
        named = dict.fromkeys([str(key.address) for key in keys.at_hand] + sorted(needed))
        for address in named:
            task = tasks.get(address)
            yield Key(
                cluster,
                address,
                _role(parts, address),
                await _balance(parts, address),
                task["open"] if task else 0,
                task["locked"] if task else 0,
            )


def _role(parts: ClusterParts, address: str) -> Role:
    if address == str(parts.fee_payer.address):
        return Role.today
    if address in parts.fee_payers.leaked:
        return Role.leaked
    return Role.former if address in parts.fee_payers.former else Role.absent


async def _balance(parts: ClusterParts, address: str) -> int | None:
    try:
        return await parts.node.balance(Pubkey.from_string(address))
    except NodeError:
        return None


async def move_funds(system: System, address: str) -> tuple[str, int] | None:
    """Move all SOL of a former fee payer to today's; the signature and the lamports, or None when there is nothing.

    A key that leaked is emptied whatever it still had to do. Raises KeyUnknown, KeyNeeded, MoveUnsure, NodeError,
    FeePayerUnavailable.
    """
    parts = next((parts for parts in system.clusters.values() if address in parts.fee_payers.former), None)
    if parts is None:
        raise KeyUnknown(address=address)
    async with system.database.acquire() as connection:
        tasks = {row["base"]: row["open"] for row in await connection.fetch(_TASKS, parts.cluster)}
    orders = tasks.get(address, 0)
    if orders and address not in parts.fee_payers.leaked:
        raise KeyNeeded(address=address, orders=orders)
    source, today = parts.fee_payers.former[address], parts.fee_payer.address
    lamports = await parts.node.balance(source.address)
    if lamports <= FEE:
        return None
    # The signature is noted, so that the sweep knows it. A second run finds what the first one left: nothing, once it
    # has landed.
    blockhash = await parts.node.latest_blockhash("confirmed")
    signed = await sign_move(source, today, lamports, blockhash.hash)
    async with system.database.acquire() as connection:
        await note_ours(connection, parts.cluster, address, signed.signature, at=system.clock.now())
    await parts.node.send_transaction(signed.wire)
    for _ in range(LOOKS):
        view = await parts.node.signature_statuses([signed.signature])
        status = view.statuses[0]
        if status is not None and status.error is None and status.confirmation != "processed":
            get_logger().info("funds_moved", source=address, destination=str(today), signature=signed.signature)
            return signed.signature, lamports - FEE
        await asyncio.sleep(LOOK_SECONDS)
    raise MoveUnsure(signature=signed.signature)
