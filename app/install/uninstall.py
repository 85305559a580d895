"""Uninstalling: the shop's secrets are forgotten, and what was under way there ends with a word to a person."""

from datetime import datetime

from app import events
from app.database import Connection
from app.logs import get_logger
from app.merchants import move_merchant
from app.payments import lifecycle
from app.portal.sessions import sign_out_everywhere
from app.records import Merchant, MerchantStatus, PaymentStatus, RecordKind, RefundStatus
from app.refunds import lifecycle as refunds
from app.shopify.mutation import UNINSTALLED

_LOCK = "SELECT * FROM merchants WHERE shop = $1 FOR NO KEY UPDATE"
_FORGET = """
UPDATE merchants SET uninstalled_at = $2, token_sealed = NULL, token_expires_at = NULL, refresh_sealed = NULL,
    refresh_expires_at = NULL, token_lost_at = NULL, scopes = NULL, updated_at = $3
WHERE id = $1
"""
# The money is there, or was given back, and Shopify was not told yet: now nobody can tell it.
_UNTOLD = "SELECT id FROM payments WHERE merchant_id = $1 AND status = 'paid' ORDER BY id"
_UNTOLD_REFUNDS = "SELECT id FROM refunds WHERE merchant_id = $1 AND status = 'paid' ORDER BY id"


async def uninstall(connection: Connection, shop: str, *, happened_at: datetime, at: datetime) -> bool:
    """The merchant took the app out of the shop at `happened_at`, by Shopify's clock. False: that is old news.

    What is not paid ends by itself: nothing more is issued for an inactive merchant. What lands all the same becomes
    stuck when it can not be told (app/shopify/mutation.py).
    """
    row = await connection.fetchrow(_LOCK, shop)
    if row is None:
        return False
    merchant = Merchant.from_row(row)
    is_older = merchant.installed_at is not None and happened_at < merchant.installed_at
    if merchant.uninstalled_at is not None or is_older:
        # Said before, or late: the merchant is back already.
        get_logger().info("uninstall_is_old_news", shop=shop)
        return False
    await move_merchant(connection, merchant.id, MerchantStatus.inactive, at=at, because=events.UNINSTALLED)
    await connection.execute(_FORGET, merchant.id, happened_at, at)
    await sign_out_everywhere(connection, merchant.id)
    untold = [row["id"] for row in await connection.fetch(_UNTOLD, merchant.id)]
    for payment_id in untold:
        await lifecycle.stick(connection, payment_id, UNINSTALLED, at=at, only_from=frozenset({PaymentStatus.paid}))
    untold_refunds = [row["id"] for row in await connection.fetch(_UNTOLD_REFUNDS, merchant.id)]
    for refund_id in untold_refunds:
        await refunds.stick(connection, refund_id, UNINSTALLED, at=at, only_from=frozenset({RefundStatus.paid}))
    count = len(untold) + len(untold_refunds)
    await events.write_event(connection, RecordKind.merchant, str(merchant.id), events.UNINSTALLED, at=at, untold=count)
    get_logger().warning("shop_uninstalled", shop=shop, untold=count)
    return True
