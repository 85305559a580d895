"""Where books, chain and Shopify contradict each other: listed until it is over by itself or a person closes it.

No program may decide which of them is right: each is an alarm, and stands under Attention.
"""

from collections.abc import Sequence
from datetime import datetime

from app import events, metrics
from app.database import Connection
from app.errors import SettleError
from app.logs import get_logger
from app.records import Discrepancy, DiscrepancyKind, RecordKind
from app.system import System

# So many are listed at most, the oldest first.
LISTED_MAX = 200

_OPEN = """
INSERT INTO discrepancies (kind, record, record_id, merchant_id, signature, found_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (kind, record, record_id, coalesce(signature, '')) WHERE closed_at IS NULL DO NOTHING RETURNING id
"""
_LIST = """
SELECT * FROM discrepancies WHERE closed_at IS NULL AND ($1::bigint IS NULL OR merchant_id = $1)
ORDER BY found_at, id LIMIT $2
"""
_CLOSE = "UPDATE discrepancies SET closed_at = $2, note = $3 WHERE id = $1 AND closed_at IS NULL RETURNING *"
# What the chain is seen to agree with is over.
_OVER = "UPDATE discrepancies SET closed_at = $2 WHERE closed_at IS NULL AND signature = ANY($1)"
# Shopify said so, and has not acknowledged since (app/shopify/mutation.py raised the alarm then).
_CONTRADICTED = """
SELECT m.record, m.record_id, coalesce(p.merchant_id, r.merchant_id) AS merchant_id FROM shopify_mutations m
LEFT JOIN payments p ON m.record = 'payment' AND p.id = m.record_id
LEFT JOIN refunds r ON m.record = 'refund' AND r.id = m.record_id
WHERE m.disputed_at IS NOT NULL AND m.acknowledged_at IS NULL AND m.record IN ('payment', 'refund')
    -- One that a person closed is not opened again for the same word of Shopify's.
    AND NOT EXISTS (SELECT FROM discrepancies d WHERE d.kind = 'shopify_contradicts' AND d.record = m.record
        AND d.record_id = m.record_id AND d.found_at >= m.disputed_at)
LIMIT $1
"""
_AGREED = """
UPDATE discrepancies d SET closed_at = $1 WHERE d.closed_at IS NULL AND d.kind = 'shopify_contradicts'
    AND NOT EXISTS (SELECT FROM shopify_mutations m WHERE m.record = d.record AND m.record_id = d.record_id
        AND m.disputed_at IS NOT NULL AND m.acknowledged_at IS NULL)
"""


class DiscrepancyNotFound(SettleError):
    """There is no open discrepancy {number}: `settle reconcile --list` lists those that are."""

    reason = "discrepancy_not_found"
    status = 404


async def open_discrepancy(
    connection: Connection,
    kind: DiscrepancyKind,
    record: RecordKind,
    record_id: str,
    merchant_id: int,
    *,
    at: datetime,
    signature: str | None = None,
) -> bool:
    """List it, with an alarm; False: it is listed already."""
    if await connection.fetchval(_OPEN, kind, record, record_id, merchant_id, signature, at) is None:
        return False
    told = {} if signature is None else {"signature": signature}
    await events.write_event(connection, record, record_id, events.RECONCILED, at=at, found=kind, **told)
    metrics.reconciled_total.labels(found=kind).inc()
    metrics.alarms_total.labels(reason=kind).inc()
    get_logger().error("discrepancy", found=kind, **{f"{record}_id": record_id}, **told)
    return True


async def compare_with_shopify(system: System, limit: int) -> int:
    """List what Shopify contradicts, and close what it has acknowledged since; how many are new."""
    now = system.clock.now()
    async with system.database.transaction() as connection:
        await connection.execute(_AGREED, now)
        rows = await connection.fetch(_CONTRADICTED, limit)
        return sum(
            [
                await open_discrepancy(
                    connection,
                    DiscrepancyKind.shopify_contradicts,
                    RecordKind(row["record"]),
                    row["record_id"],
                    row["merchant_id"],
                    at=now,
                )
                for row in rows
            ]
        )


async def close_agreed(connection: Connection, signatures: Sequence[str], *, at: datetime) -> None:
    """The chain says of these what our books say."""
    await connection.execute(_OVER, signatures, at)


async def list_discrepancies(connection: Connection, merchant_id: int | None = None) -> list[Discrepancy]:
    """Those that are open: a merchant's, or all."""
    return [Discrepancy.from_row(row) for row in await connection.fetch(_LIST, merchant_id, LISTED_MAX)]


async def close_discrepancy(system: System, number: int, note: str) -> Discrepancy:
    """A person has looked, and says what it was. Raises DiscrepancyNotFound."""
    now = system.clock.now()
    async with system.database.transaction() as connection:
        row = await connection.fetchrow(_CLOSE, number, now, note)
        if row is None:
            raise DiscrepancyNotFound(number=number)
        closed = Discrepancy.from_row(row)
        await events.write_event(
            connection, closed.record, closed.record_id, events.ATTENDED, at=now, by="operator", note=note
        )
    return closed
