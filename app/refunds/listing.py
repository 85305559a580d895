"""The refunds of one merchant, as the portal lists them: those that wait for the merchant first, then the newest."""

from decimal import Decimal

from msgspec import Struct

from app.money import from_base_units
from app.records import Refund, RefundStatus, Row
from app.system import System

# So many are listed; a merchant who has more open ones works through them.
LISTED_MAX = 500

_LIST = """
SELECT r AS refund, p.currency FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.merchant_id = $1
ORDER BY r.status = 'pending' DESC, r.created_at DESC, r.id LIMIT $2
"""
_ONE = """
SELECT r AS refund, p.currency FROM refunds r JOIN payments p ON p.id = r.payment_id
WHERE r.merchant_id = $1 AND r.id = $2
"""


class RefundView(Struct, frozen=True):
    """A refund as a merchant sees it. `shopify_id` is the refund session's, `payment_id` ours; `usdc` in whole USDC.

    `link` is what a wallet follows to pay it; `message` is what Shopify shows when it is rejected.
    """

    id: str
    shopify_id: str
    payment_id: str
    amount: str
    currency: str
    usdc: str | None
    status: RefundStatus
    link: str
    message: str | None
    created_at: str


async def list_refunds(system: System, merchant_id: int) -> list[RefundView]:
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_LIST, merchant_id, LISTED_MAX)
    return [_view(system, row) for row in rows]


async def find_refund(system: System, merchant_id: int, refund_id: str) -> RefundView | None:
    """A refund of this merchant, or None."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_ONE, merchant_id, refund_id)
    return None if row is None else _view(system, row)


def refund_link(system: System, refund_id: str) -> str:
    """What a wallet follows to pay it (Solana Pay)."""
    return f"solana:{system.settings.public_url}/transactions/refund/{refund_id}"


def _view(system: System, row: Row) -> RefundView:
    refund = Refund.from_row(row["refund"])
    return RefundView(
        id=refund.id,
        shopify_id=refund.shopify_id,
        payment_id=refund.payment_id,
        amount=_plain(refund.amount),
        currency=row["currency"],
        usdc=None if refund.usdc is None else _plain(from_base_units(refund.usdc)),
        status=refund.status,
        link=refund_link(system, refund.id),
        message=refund.merchant_message,
        created_at=refund.created_at.isoformat(),
    )


def _plain(amount: Decimal) -> str:
    """At least two decimals, and no zeros beyond: as a person would write it into a field."""
    digits = f"{amount.normalize():f}"
    whole, _, fraction = digits.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"
