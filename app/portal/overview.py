"""How the shop does: today and the last 30 days, in numbers. Test payments are not in any of them.

A day is a day of UTC. A payment belongs to the day on which the customer began it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from app.database import Connection
from app.system import System

DAYS = 30
# The times from scan to paid are taken over the newest payments of the period, this many at most.
TIMED_MAX = 2_000

# What was paid, and is still there. A duplicate is money that nobody asked for.
_IS_PAID = "paid_signature IS NOT NULL AND exception <> 'vanished'"
# How it ended is known: paid, or not any more likely. Another attempt at a paid order says nothing either way.
_IS_OVER = "status NOT IN ('pending', 'superseded')"

_DAYS = f"""
SELECT date_trunc('day', created_at, 'UTC') AS day, currency, count(*) FILTER (WHERE {_IS_OVER}) AS over,
    count(*) FILTER (WHERE {_IS_PAID}) AS paid, coalesce(sum(usdc) FILTER (WHERE {_IS_PAID}), 0)::bigint AS usdc,
    coalesce(sum(amount) FILTER (WHERE {_IS_PAID}), 0) AS amount
FROM payments WHERE merchant_id = $1 AND cluster = 'live' AND created_at >= $2 AND created_at < $3
GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608
_TIMES = """
SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM p.paid_at - i.created_at))
FROM (
    SELECT paid_at, paid_signature FROM payments
    WHERE merchant_id = $1 AND cluster = 'live' AND status = 'completed' AND created_at >= $2
    ORDER BY created_at DESC, id DESC LIMIT $3
) p JOIN issued_transactions i ON i.signature = p.paid_signature
"""
_FEES = """
SELECT coalesce(sum(lamports), 0)::bigint FROM fee_tallies WHERE cluster = 'live' AND day >= $2 AND merchant_id = $1
"""


_REFUNDS = """
SELECT count(*) AS refunds, coalesce(sum(r.usdc), 0)::bigint AS usdc
FROM refunds r JOIN payments p ON p.id = r.payment_id
WHERE r.merchant_id = $1 AND p.cluster = 'live' AND r.paid_at >= $2 AND r.paid_at < $3 AND r.exception <> 'vanished'
"""


@dataclass(frozen=True)
class Day:
    """One day: what was paid (USDC in base units), how many payments that were, and how many ended either way."""

    day: datetime
    usdc: int
    paid: int
    over: int


@dataclass(frozen=True)
class Period:
    """Some days together. Times in seconds, from handing out the transaction to its payment being paid."""

    days: Sequence[Day]
    # What was paid, in each currency of the shop's prices, the largest count first.
    amounts: Sequence[tuple[str, Decimal]]
    seconds_p50: float | None
    seconds_p95: float | None
    fees_lamports: int
    # What was given back in these days, whenever it was paid.
    refunds: int
    refunded_usdc: int

    @property
    def usdc(self) -> int:
        return sum(day.usdc for day in self.days)

    @property
    def paid(self) -> int:
        return sum(day.paid for day in self.days)

    @property
    def over(self) -> int:
        return sum(day.over for day in self.days)

    @property
    def success(self) -> Decimal | None:
        """The share of payments that ended by being paid; None while none has ended."""
        return Decimal(self.paid) / self.over if self.over else None


@dataclass(frozen=True)
class Overview:
    today: Period
    month: Period
    # Whether the shop ever had a payment, a test or not.
    is_new: bool


async def read_overview(system: System, merchant_id: int) -> Overview:
    """The merchant's numbers."""
    today = system.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=DAYS - 1)
    async with system.database.acquire() as connection:
        is_new = not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM payments WHERE merchant_id = $1)", merchant_id
        )
        return Overview(
            today=await _read_period(connection, merchant_id, [today]),
            month=await _read_period(connection, merchant_id, [first + timedelta(days=day) for day in range(DAYS)]),
            is_new=is_new,
        )


async def _read_period(connection: Connection, merchant_id: int, days: Sequence[datetime]) -> Period:
    ends = days[-1] + timedelta(days=1)
    rows = await connection.fetch(_DAYS, merchant_id, days[0], ends)
    figures = {day: Day(day, 0, 0, 0) for day in days}
    amounts: dict[str, tuple[int, Decimal]] = {}
    for row in rows:
        before = figures[row["day"]]
        figures[row["day"]] = Day(
            row["day"], before.usdc + row["usdc"], before.paid + row["paid"], before.over + row["over"]
        )
        count, amount = amounts.get(row["currency"], (0, Decimal(0)))
        amounts[row["currency"]] = (count + row["paid"], amount + row["amount"])
    refunds = await connection.fetchrow(_REFUNDS, merchant_id, days[0], ends)
    assert refunds is not None
    times = await connection.fetchval(_TIMES, merchant_id, days[0], TIMED_MAX) or [None, None]
    ranked = sorted(((count, currency, amount) for currency, (count, amount) in amounts.items() if count), reverse=True)
    return Period(
        days=list(figures.values()),
        amounts=[(currency, amount) for _, currency, amount in ranked],
        seconds_p50=times[0],
        seconds_p95=times[1],
        fees_lamports=await connection.fetchval(_FEES, merchant_id, days[0]),
        refunds=refunds["refunds"],
        refunded_usdc=refunds["usdc"],
    )
