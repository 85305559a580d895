"""Hints: somebody says that transactions landed. Only those we issued count, and nothing of what is said is believed.

A hint makes the watcher look now, and follow what it names until its fate is final, also where nothing is polled.
"""

from collections.abc import Sequence

from app.clusters import ClusterParts
from app.records import WatchKind
from app.system import System

# Locked in order: several workers hear of the same ones. What was taken for dead and stands in a finalized history all
# the same is looked at again: a node lied, and somebody may have paid.
_HINT = """
UPDATE issued_transactions SET poll_at = least(poll_at, $1), seen_by = coalesce(seen_by, $2), final = false
WHERE id IN (
    SELECT i.id FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
    WHERE i.signature = ANY($4) AND (NOT i.final OR (i.fate = 'dead' AND $2::watch_kind = 'sweep')) AND g.cluster = $3
    ORDER BY i.id FOR UPDATE OF i
) AND (NOT final OR fate = 'dead') RETURNING id
"""


async def take_hint(system: System, parts: ClusterParts, signatures: Sequence[str], watcher: WatchKind) -> int:
    """Look at these signatures of one cluster as soon as possible; returns how many of them may still change."""
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_HINT, system.clock.now(), watcher, parts.cluster, list(signatures))
    if rows:
        parts.hinted.set()
    return len(rows)
