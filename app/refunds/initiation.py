"""Opening a refund from Shopify's refund session: one row per Shopify id, whoever asks and however often."""

from typing import Any

from app import events, metrics
from app.logs import bind_contextvars, get_logger
from app.merchants import ShopUnknown
from app.records import Cluster, RecordKind
from app.refunds import refusals
from app.refunds.intake import AskedRefund, OpenedRefund, Refusal
from app.shopify.payloads import RefundSession
from app.system import System


async def open_refund(system: System, shop: str, api_version: str, session: RefundSession) -> OpenedRefund:
    """Insert or get the refund of a session. More than what is left of the payment is opened too, as `rejecting`.

    Raises a refusal of app/refunds/refusals.py, with an event, or ShopUnknown.
    """
    opened = await system.refunds.open(AskedRefund(shop, api_version, session, system.clock.now()))
    assert opened is not None
    if isinstance(opened, Refusal):
        await _note_refusal(system, shop, session, opened)
        raise opened.error
    bind_contextvars(refund_id=opened.refund.id, payment_id=opened.payment.id)
    await _check_same(system, opened, shop, session)
    metrics.refund_sessions_total.labels(outcome="created" if opened.created else "repeated").inc()
    get_logger().info("refund_opened", created=opened.created, shopify_id=session.id, status=opened.refund.status)
    return opened


async def _check_same(system: System, opened: OpenedRefund, shop: str, session: RefundSession) -> None:
    """Raises RefundConflict, and leaves an event, when the id is known with other content."""
    refund, payment = opened.refund, opened.payment
    same = (
        payment.shop == shop
        and payment.shopify_id == session.payment_id
        and refund.gid == session.gid
        and refund.amount == session.amount
        and payment.currency == session.currency
        and (payment.cluster is Cluster.test) == session.test
    )
    if same:
        return
    metrics.refund_sessions_total.labels(outcome="conflict").inc()
    async with system.database.acquire() as connection:
        await events.write_event(
            connection,
            RecordKind.refund,
            refund.id,
            events.CONFLICT,
            at=system.clock.now(),
            **_told(shop, session),
        )
    raise refusals.RefundConflict(id=session.id)


async def _note_refusal(system: System, shop: str, session: RefundSession, refusal: Refusal) -> None:
    """Leave an event: with the payment that was named, or with the shop. Raises ShopUnknown."""
    metrics.refund_sessions_total.labels(outcome=refusal.error.reason).inc()
    async with system.database.acquire() as connection:
        merchant_id = await connection.fetchval("SELECT id FROM merchants WHERE shop = $1", shop)
        if merchant_id is None:
            raise ShopUnknown(shop=shop)
        record, record_id = RecordKind.merchant, str(merchant_id)
        if refusal.payment_id is not None:
            record, record_id = RecordKind.payment, refusal.payment_id
        await events.write_event(
            connection,
            record,
            record_id,
            events.REFUSED,
            at=system.clock.now(),
            reason=refusal.error.reason,
            **_told(shop, session),
        )


def _told(shop: str, session: RefundSession) -> dict[str, Any]:
    return {
        "shop": shop,
        "refund": session.id,
        "payment": session.payment_id,
        "amount": str(session.amount),
        "currency": session.currency,
        "test": session.test,
    }
