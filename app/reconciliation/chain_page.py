"""The finished transactions beside the chain: a page of them per round, from the newest back, then from the top again.

One call of a node tells of 256 signatures. How far back it goes is a setting, since a node's history has an end.
"""

from collections.abc import Sequence
from datetime import timedelta

from app.clusters import ClusterParts
from app.logs import bound_contextvars
from app.reconciliation.discrepancies import close_agreed, open_discrepancy
from app.records import DiscrepancyKind, Fate, IssuedTransaction
from app.system import System
from app.transactions.purpose import names_of, record_of
from chain.node import SignatureStatus
from chain.programs import MAX_STATUSES_PER_CALL

_PAGE = """
SELECT i AS issued, g.merchant_id FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
WHERE g.cluster = $1 AND i.final AND ($2::bigint IS NULL OR i.id < $2) ORDER BY i.id DESC LIMIT $3
"""
_WHERE = "SELECT before_id FROM reconciliations WHERE cluster = $1"
_NOTE = """
INSERT INTO reconciliations (cluster, before_id, looked_at) VALUES ($1, $2, $3)
ON CONFLICT (cluster) DO UPDATE SET before_id = $2, looked_at = $3
"""


async def compare_page(system: System, parts: ClusterParts) -> int:
    """Compare the next page; how many contradictions are new. Raises NodeError, and then goes on there next time."""
    now = system.clock.now()
    size = min(system.settings.reconcile_rows, MAX_STATUSES_PER_CALL)
    since = now - timedelta(days=system.settings.reconcile_days)
    async with system.database.acquire() as connection:
        before = await connection.fetchval(_WHERE, parts.cluster)
        rows = await connection.fetch(_PAGE, parts.cluster, before, size)
    page = [(IssuedTransaction.from_row(row["issued"]), int(row["merchant_id"])) for row in rows]
    recent = [(issued, merchant_id) for issued, merchant_id in page if issued.created_at >= since]
    contradicted = await _find_contradicted(parts, [issued for issued, _ in recent])
    is_end = len(recent) < size
    new = 0
    async with system.database.transaction() as connection:
        agreed = [issued.signature for issued, _ in recent if issued.signature not in contradicted]
        await close_agreed(connection, agreed, at=now)
        for issued, merchant_id in recent:
            if (kind := contradicted.get(issued.signature)) is not None:
                with bound_contextvars(**names_of(issued)):
                    new += await open_discrepancy(
                        connection, kind, *record_of(issued), merchant_id, at=now, signature=issued.signature
                    )
        await connection.execute(_NOTE, parts.cluster, None if is_end else recent[-1][0].id, now)
    return new


async def _find_contradicted(parts: ClusterParts, page: Sequence[IssuedTransaction]) -> dict[str, DiscrepancyKind]:
    """The signatures of which the chain says something else than our books."""
    if not page:
        return {}
    view = await parts.node.signature_statuses([issued.signature for issued in page], search_history=True)
    found = {}
    for issued, status in zip(page, view.statuses, strict=True):
        kind = _judge(issued, status)
        if kind is DiscrepancyKind.landing_gone and await _is_there(parts, issued.signature):
            kind = None
        if kind is not None:
            found[issued.signature] = kind
    return found


def _judge(issued: IssuedTransaction, status: SignatureStatus | None) -> DiscrepancyKind | None:
    """None: they agree, or it makes no difference to anybody's money."""
    did_it = issued.fate is Fate.landed
    if status is None:
        return DiscrepancyKind.landing_gone if did_it else None
    if status.confirmation != "finalized":
        return None
    if did_it:
        return None if status.error is None else DiscrepancyKind.landing_failed
    return DiscrepancyKind.death_denied if status.error is None else None


async def _is_there(parts: ClusterParts, signature: str) -> bool:
    """Statuses and transactions are two stores of a node: only what is in neither is gone."""
    return await parts.node.transaction(signature, "finalized") is not None
