"""Signatures in a fee payer's history that our books do not have: whose they are, and what that means.

Anybody can mention our address in a transaction. Only one that our key signed is alarming: the books lost something (a
restore from backup), or somebody else has the key.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app import metrics
from app.clusters import ClusterParts
from app.database import Connection
from app.logs import get_logger
from app.payments import lifecycle as payments
from app.records import Cluster, Row, UnknownSignature, UnknownStatus
from app.refunds import lifecycle as refunds
from app.system import System
from chain.errors import TransactionVersionUnsupported
from chain.node import HistoryLine
from chain.programs import MEMO_PROGRAM
from chain.settled import SettledTransaction

_KEEP = """
INSERT INTO unknown_signatures (cluster, fee_payer, signature, slot, status, created_at, updated_at)
SELECT $1, $2, s.signature, s.slot, 'unread', $5, $5 FROM unnest($3::text[], $4::bigint[]) AS s (signature, slot)
WHERE NOT EXISTS (SELECT FROM issued_transactions i WHERE i.signature = s.signature)
    AND NOT EXISTS (SELECT FROM reclaims r WHERE r.signature = s.signature)
ON CONFLICT (signature) DO NOTHING
"""
_NOTE_OURS = """
INSERT INTO unknown_signatures (cluster, fee_payer, signature, slot, status, created_at, updated_at)
VALUES ($1, $2, $3, 0, 'reviewed', $4, $4) ON CONFLICT (signature) DO UPDATE SET status = 'reviewed', updated_at = $4
"""
_UNREAD = "SELECT * FROM unknown_signatures WHERE cluster = $1 AND status = 'unread' ORDER BY updated_at, id LIMIT $2"
_JUDGE = """
UPDATE unknown_signatures SET status = $2, payment_id = $3, updated_at = $4 WHERE id = $1 AND status = 'unread'
RETURNING id
"""
# Mentions cost whoever makes them next to nothing, and reading one costs us a call: so many in one round at most.
READ_MAX = 100
# The sweep reads the last slots of a history again, and must know them by then.
FOREIGN_KEPT = timedelta(days=1)


async def keep_unknown(system: System, parts: ClusterParts, fee_payer: str, lines: Sequence[HistoryLine]) -> None:
    """Of a fee payer's history, store what our books do not have, to be read."""
    async with system.database.acquire() as connection:
        await connection.execute(
            _KEEP,
            parts.cluster,
            fee_payer,
            [line.signature for line in lines],
            [line.slot for line in lines],
            system.clock.now(),
        )


async def note_ours(connection: Connection, cluster: Cluster, fee_payer: str, signature: str, *, at: datetime) -> None:
    """A person is about to have this sent, and no other table has it: nobody need look at it."""
    await connection.execute(_NOTE_OURS, cluster, fee_payer, signature, at)


async def read_unknown(system: System, parts: ClusterParts) -> bool:
    """Read what was not read yet, and judge it. True: nothing is left unread. Raises NodeError."""
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_UNREAD, parts.cluster, READ_MAX)
    is_whole = len(rows) < READ_MAX
    for row in rows:
        unknown = UnknownSignature.from_row(row)
        try:
            transaction = await parts.node.transaction(unknown.signature, "finalized")
        except TransactionVersionUnsupported:
            get_logger().warning("unknown_unreadable", cluster=parts.cluster, signature=unknown.signature)
            await _judge(system, unknown, UnknownStatus.unreadable, None)
            continue
        if transaction is None:
            # The history knows more than what this node can show: another may, or later.
            is_whole = False
            await _postpone(system, unknown)
        elif unknown.fee_payer in map(str, transaction.keys[: transaction.required_signatures]):
            await _judge(system, unknown, UnknownStatus.open, transaction)
        else:
            await _judge(system, unknown, UnknownStatus.foreign, None)
    return is_whole


async def _postpone(system: System, unknown: UnknownSignature) -> None:
    async with system.database.acquire() as connection:
        await connection.execute(
            "UPDATE unknown_signatures SET updated_at = $2 WHERE id = $1", unknown.id, system.clock.now()
        )


async def _judge(
    system: System, unknown: UnknownSignature, status: UnknownStatus, ours: SettledTransaction | None
) -> None:
    now = system.clock.now()
    async with system.database.transaction() as connection:
        payment, refund = (None, None) if ours is None else await _find_records(connection, ours)
        payment_id = payment["id"] if payment else refund["payment_id"] if refund else None
        if await connection.fetchval(_JUDGE, unknown.id, status, payment_id, now) is None or ours is None:
            return
        metrics.alarms_total.labels(reason="unknown_signature").inc()
        get_logger().error(
            "unknown_signature",
            cluster=unknown.cluster,
            fee_payer=unknown.fee_payer,
            signature=unknown.signature,
            payment_id=payment_id,
            refund_id=refund["id"] if refund else None,
        )
        if ours.error is not None:
            return
        # It may have paid: nobody shall pay the same a second time before a person has looked.
        if payment is not None:
            await connection.execute("SELECT FROM payment_groups WHERE id = $1 FOR UPDATE", payment["group_id"])
            members = await connection.fetch(
                "SELECT id FROM payments WHERE group_id = $1 ORDER BY id", payment["group_id"]
            )
            for member_id in [member["id"] for member in members]:
                await payments.PAYMENTS.stick(
                    connection,
                    member_id,
                    "landed_unknown",
                    at=now,
                    only_from=payments.UNPAID,
                    signature=unknown.signature,
                )
        refund_id = None if refund is None else refund["id"]
        if refund_id is not None:
            await refunds.REFUNDS.stick(
                connection, refund_id, "landed_unknown", at=now, only_from=refunds.UNPAID, signature=unknown.signature
            )


async def _find_records(connection: Connection, ours: SettledTransaction) -> tuple[Row | None, Row | None]:
    """The payment or refund that a transaction of our key is for, by its memo: our key signs only memos of ours."""
    memos = [step.data.decode(errors="replace") for step in ours.steps if step.program == MEMO_PROGRAM]
    payment = await connection.fetchrow("SELECT id, group_id FROM payments WHERE memo = ANY($1)", memos)
    return payment, await connection.fetchrow("SELECT id, payment_id FROM refunds WHERE memo = ANY($1)", memos)


async def forget_foreign(system: System, connection: Connection) -> None:
    """Other people's mentions of our address are of no use once the sweep is past them; anybody can make any number."""
    await connection.execute(
        "DELETE FROM unknown_signatures WHERE status = 'foreign' AND created_at < $1",
        system.clock.now() - FOREIGN_KEPT,
    )


async def list_unknown(system: System) -> list[UnknownSignature]:
    """What a person must look at, oldest first."""
    async with system.database.acquire() as connection:
        rows = await connection.fetch("SELECT * FROM unknown_signatures WHERE status = 'open' ORDER BY id")
    return [UnknownSignature.from_row(row) for row in rows]


async def review(system: System, signature: str) -> bool:
    """A person has looked at it. False: it was not among those that must be looked at."""
    async with system.database.acquire() as connection:
        reviewed = await connection.fetchval(
            """
            UPDATE unknown_signatures SET status = 'reviewed', updated_at = $2
            WHERE signature = $1 AND status IN ('open', 'unread') RETURNING id
            """,
            signature,
            system.clock.now(),
        )
    return reviewed is not None
