"""What the fee payers spent, by cluster and day: what is gone, what was locked and came back, what a payment cost."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from app.records import Cluster
from app.system import System
from app.transactions.quotas import day_of

# What was issued counts on the day on which it was handed out, a reclaim on that on which it was sent. What is live or
# dead cost nothing yet. Returned may be more than locked: what others put into our accounts comes to us as well.
_DAYS = """
SELECT cluster, to_char(day, 'YYYY-MM-DD') AS day,
    sum(payments)::bigint AS payments, sum(refunds)::bigint AS refunds, sum(failed)::bigint AS failed,
    sum(spent)::bigint AS spent, sum(locked)::bigint AS locked, sum(returned)::bigint AS returned
FROM (
    SELECT g.cluster, date_trunc('day', i.created_at, 'UTC') AS day,
        (i.fate = 'landed' AND i.refund_id IS NULL)::int AS payments,
        (i.fate = 'landed' AND i.refund_id IS NOT NULL)::int AS refunds,
        (i.fate = 'failed')::int AS failed, i.fee_lamports AS spent,
        CASE WHEN i.fate = 'landed' THEN i.rent_lamports ELSE 0 END AS locked, 0 AS returned
    FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
    WHERE i.created_at >= $1 AND i.fate IN ('landed', 'failed')
    UNION ALL
    SELECT r.cluster, date_trunc('day', r.created_at, 'UTC'), 0, 0, 0, r.fee_lamports, 0,
        CASE WHEN r.fate = 'landed'
            THEN (SELECT coalesce(sum(lamports), 0) FROM reclaimed_accounts WHERE reclaim_id = r.id) ELSE 0 END
    FROM reclaims r WHERE r.created_at >= $1 AND r.fate IN ('landed', 'failed')
) AS spending GROUP BY 1, day ORDER BY 1, day
"""

_LOCKED = """
SELECT g.cluster, sum(i.rent_lamports)::bigint AS lamports
FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
WHERE i.fate = 'landed' AND g.reclaimed_at IS NULL AND NOT EXISTS (
    SELECT FROM reclaimed_accounts a JOIN reclaims r ON r.id = a.reclaim_id
    WHERE a.group_id = g.id AND a.address = i.single_use AND r.fate = 'landed')
GROUP BY 1
"""


@dataclass(frozen=True)
class Spending:
    """Lamports of one cluster on one day (UTC), or of all days shown, when `day` is None.

    `spent` is gone: fees of what landed or failed, and of reclaims. `payments` and `refunds` are how many landed.
    """

    cluster: Cluster
    day: str | None
    payments: int
    refunds: int
    failed: int
    spent: int
    locked: int
    returned: int

    @property
    def per_payment(self) -> Decimal | None:
        """Lamports that a payment, or a refund, cost for good; None when there was none."""
        landed = self.payments + self.refunds
        return (Decimal(self.spent) / landed).quantize(Decimal("0.1")) if landed else None


async def read_spending(system: System, days: int) -> list[Spending]:
    """The last days on which anything was spent, oldest first, each cluster with its sum after them."""
    since = day_of(system.clock.now()) - timedelta(days=days - 1)
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_DAYS, since)
    figures = ("payments", "refunds", "failed", "spent", "locked", "returned")
    spending = []
    for cluster in Cluster:
        own = [row for row in rows if row["cluster"] == cluster]
        spending += [Spending(cluster, row["day"], *(row[figure] for figure in figures)) for row in own]
        if own:
            spending.append(Spending(cluster, None, *(sum(row[figure] for row in own) for figure in figures)))
    return spending


async def read_locked(system: System) -> dict[Cluster, int]:
    """Lamports of rent that are locked now, by cluster, whenever they were locked."""
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_LOCKED)
    found = {Cluster(row["cluster"]): row["lamports"] for row in rows}
    return {cluster: found.get(cluster, 0) for cluster in Cluster}
