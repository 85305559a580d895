"""What needs a person: each thing with what happened and what can be done, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from app.database import Connection
from app.lifecycle import needs_person
from app.portal.listing import PaymentLine, line_of
from app.portal.refunds import RefundLine, count_refunds, list_troubled
from app.reconciliation.discrepancies import list_discrepancies
from app.records import Discrepancy, Merchant, Payment
from app.system import System

# Of the payments in trouble the newest are listed; the count is of all.
LISTED_MAX = 100
# A payment that Shopify has not confirmed for so long is shown. Settle goes on telling Shopify by itself.
UNCONFIRMED_AFTER = timedelta(minutes=10)
# A payment without a price is shown from then on, while the customer may still be there.
UNPRICED_AFTER, UNPRICED_SINCE = timedelta(minutes=1), timedelta(hours=1)


class Concern(StrEnum):
    """Trouble of the whole shop."""

    # Shopify gives no new access token: the app must be opened once from the admin.
    token_lost = "token_lost"  # noqa: S105  # a word, not a token
    # The payout wallet's USDC account can not receive: see app/portal/payout.py.
    payout_missing = "payout_missing"
    payout_frozen = "payout_frozen"
    payout_foreign = "payout_foreign"


@dataclass(frozen=True)
class Attention:
    """`concerns`, `payments` and `refunds` need a person; the others say what Settle has trouble with itself.

    `forgotten`: nothing will move them any more, for their job is dead. `unconfirmed`: Shopify does not answer.
    """

    concerns: Sequence[Concern]
    payments: Sequence[PaymentLine]
    refunds: Sequence[RefundLine]
    forgotten: Sequence[PaymentLine]
    unconfirmed: Sequence[PaymentLine]
    # Where books, chain and Shopify contradict each other.
    contradictions: Sequence[Discrepancy]
    # Currencies for which customers wait in vain for a price, and how many do.
    unpriced: Sequence[tuple[str, int]]
    count: int


@dataclass(frozen=True)
class Badges:
    """The numbers beside the portal's navigation."""

    attention: int
    refunds: int


_TROUBLED = f"FROM payments p WHERE p.merchant_id = $1 AND {needs_person('p')}"
_OPEN_JOB = """
EXISTS (SELECT FROM jobs j WHERE j.record = 'payment' AND j.record_id = p.id AND j.status IN ('waiting', 'running'))
"""
_DEAD_JOB = "EXISTS (SELECT FROM jobs j WHERE j.record = 'payment' AND j.record_id = p.id AND j.status = 'dead')"
_FORGOTTEN = f"""
FROM payments p WHERE p.merchant_id = $1 AND p.cluster = ANY(enum_range(NULL::cluster))
    AND p.status IN ('paid', 'rejecting') AND p.exception = 'none' AND {_DEAD_JOB} AND NOT {_OPEN_JOB}
"""
_UNCONFIRMED = f"""
FROM payments p WHERE p.merchant_id = $1 AND p.cluster = ANY(enum_range(NULL::cluster)) AND p.status = 'paid'
    AND p.paid_at < $3 AND p.exception = 'none' AND {_OPEN_JOB}
"""
# A price is there within a second, or its sources are in trouble.
_UNPRICED = """
SELECT currency, count(*) AS waiting FROM payments WHERE merchant_id = $1 AND cluster = ANY(enum_range(NULL::cluster))
    AND status = 'pending' AND created_at BETWEEN $2 AND $3 AND usdc IS NULL GROUP BY currency ORDER BY currency
"""
_LIST = """
SELECT p AS payment, (SELECT group_key FROM payment_groups g WHERE g.id = p.group_id) AS group_key
{found} ORDER BY p.updated_at DESC, p.id DESC LIMIT $2
"""
_CONTRADICTED = "FROM discrepancies WHERE merchant_id = $1 AND closed_at IS NULL"
_COUNT = f"""
SELECT (SELECT count(*) {_TROUBLED}) + (SELECT count(*) {_FORGOTTEN}) + (SELECT count(*) {_CONTRADICTED})
"""


async def read_attention(system: System, merchant: Merchant) -> Attention:
    """Everything of the merchant's that needs a person, the latest first."""
    now = system.clock.now()
    overdue = now - UNCONFIRMED_AFTER
    refunds = await list_troubled(system, merchant.id, LISTED_MAX)
    troubled = (await count_refunds(system, merchant.id)).troubled
    async with system.database.acquire() as connection:
        waiting = await connection.fetch(_UNPRICED, merchant.id, now - UNPRICED_SINCE, now - UNPRICED_AFTER)
        return Attention(
            unpriced=[(row["currency"], row["waiting"]) for row in waiting],
            refunds=refunds,
            concerns=list_concerns(merchant),
            payments=await _list(connection, _TROUBLED, merchant.id),
            forgotten=await _list(connection, _FORGOTTEN, merchant.id),
            unconfirmed=await _list(connection, _UNCONFIRMED, merchant.id, overdue),
            contradictions=await list_discrepancies(connection, merchant.id),
            count=await _count(connection, merchant) + troubled,
        )


async def count_attention(system: System, merchant: Merchant) -> Badges:
    """How many things need a person, and how many refunds wait for an answer."""
    refunds = await count_refunds(system, merchant.id)
    async with system.database.acquire() as connection:
        return Badges(await _count(connection, merchant) + refunds.troubled, refunds.waiting)


def list_concerns(merchant: Merchant) -> list[Concern]:
    """The trouble of the whole shop, as its record says."""
    concerns = [Concern.token_lost] if merchant.token_lost_at is not None else []
    if merchant.payout_problem is not None:
        concerns.append(Concern(f"payout_{merchant.payout_problem}"))
    return concerns


async def _count(connection: Connection, merchant: Merchant) -> int:
    payments: int = await connection.fetchval(_COUNT, merchant.id)
    return payments + len(list_concerns(merchant))


async def _list(connection: Connection, found: str, *values: object) -> list[PaymentLine]:
    merchant_id, *others = values
    rows = await connection.fetch(_LIST.format(found=found), merchant_id, LISTED_MAX, *others)
    return [line_of(Payment.from_row(row["payment"]), row["group_key"]) for row in rows]
