"""Opening a payment from Shopify's payment session: one row per Shopify id, whoever asks and however often."""

import time
from datetime import timedelta

from app import events, metrics
from app.errors import SettleError
from app.identifiers import new_memo, new_payment_id, new_reference
from app.logs import bind_contextvars, get_logger
from app.merchants import MerchantInactive, Payee
from app.payments.intake import Asked, Opened
from app.payments.quotes import Quote, make_quote
from app.privacy.digests import digest_email, digest_phone
from app.records import Cluster, Payment, RecordKind
from app.shopify.payloads import OpenSession
from app.system import System
from app.tracing import Attribute, tracing
from chain.single_use import derive_seed, single_use_address

_FIND = """
SELECT p.* FROM payments p JOIN merchants m ON m.id = p.merchant_id WHERE p.shopify_id = $1 AND m.shop = $2
"""
_IS_OF = "SELECT EXISTS (SELECT FROM merchants WHERE id = $1 AND shop = $2)"


class SessionConflict(SettleError):
    """The payment session {id} exists already with other content; nothing was changed."""

    reason = "session_conflict"
    status = 409


class TestModeUnavailable(SettleError):
    """Test payments are not set up on this server."""

    reason = "test_mode_unavailable"
    status = 422
    __test__ = False  # pytest would take the name for a test


async def open_payment(system: System, shop: str, api_version: str, session: OpenSession) -> Opened:
    """Insert or get the payment of a session. Waits for no chain, and for a price only as long as the settings allow.

    Raises ShopUnknown, MerchantInactive, TestModeUnavailable, AmountTooLarge or SessionConflict.
    """
    began = time.time_ns()
    try:
        opened = await _open(system, shop, api_version, session)
    except (MerchantInactive, TestModeUnavailable):
        # Nothing new is taken, but the same id gives the same answer for ever.
        known = await _find(system, shop, session)
        if known is None:
            raise
        opened = Opened(known, created=False)
    bind_contextvars(payment_id=opened.payment.id)
    await _check_same(system, opened.payment, shop, session)
    metrics.sessions_total.labels(outcome="created" if opened.created else "repeated").inc()
    told: dict[str, Attribute] = {"payment_id": opened.payment.id, "shop": shop, "created": opened.created}
    if opened.created:
        tracing.begin("payment session", opened.payment.id, began, **told)
    else:
        with tracing.span("payment session again", opened.payment.id, **told):
            pass
    get_logger().info("session_opened", created=opened.created, shopify_id=session.id, status=opened.payment.status)
    return opened


async def _open(system: System, shop: str, api_version: str, session: OpenSession) -> Opened:
    cluster = Cluster.test if session.test else Cluster.live
    if cluster not in system.clusters:
        raise TestModeUnavailable
    price = await system.prices.price_within(session.currency, system.settings.price_timeout_ms / 1000)
    now = system.clock.now()
    lifetime = system.settings.quote_lifetime_seconds
    quote = None if price is None else make_quote(session.amount, price, lifetime, now)
    # The merchant may have changed since this process last read it: then forget, read and try once more.
    for _ in range(2):
        payee = await system.merchants.active(shop)
        opened = await system.intake.open(_ask(system, payee, api_version, cluster, session, quote))
        if opened is not None:
            return opened
        system.merchants.forget(shop)
    raise MerchantInactive(shop=shop)


async def _find(system: System, shop: str, session: OpenSession) -> Payment | None:
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_FIND, session.id, shop)
    return None if row is None else Payment.from_row(row)


def _ask(
    system: System, payee: Payee, api_version: str, cluster: Cluster, session: OpenSession, quote: Quote | None
) -> Asked:
    now, customer = system.clock.now(), session.customer
    group_key = session.group or f"payment:{session.id}"
    base = system.clusters[cluster].fee_payer.address
    secret = bytes.fromhex(system.settings.derivation_secret)
    seed = derive_seed(secret, "payment", payee.merchant.shop, group_key, 1)
    return Asked(
        merchant_id=payee.merchant.id,
        merchant_wallet=payee.wallet,
        group_key=group_key,
        cluster=cluster,
        base=str(base),
        seed=seed,
        address=str(single_use_address(base, seed)),
        id=new_payment_id(),
        shopify_id=session.id,
        gid=session.gid,
        api_version=api_version,
        amount=session.amount,
        currency=session.currency,
        usdc=quote.usdc if quote else None,
        rate=quote.rate if quote else None,
        rate_source=quote.source if quote else None,
        rate_at=quote.at if quote else None,
        quote_expires_at=quote.expires_at if quote else None,
        destination=payee.token_accounts[cluster],
        mint=str(system.clusters[cluster].mint),
        memo=new_memo(),
        reference=new_reference(),
        cancel_url=session.cancel_url,
        locale=session.locale,
        proposed_at=session.proposed_at,
        expires_at=now + timedelta(seconds=system.settings.payment_lifetime_seconds),
        now=now,
        email_digest=digest_email(payee.customer_key, customer.email if customer else None),
        phone_digest=digest_phone(payee.customer_key, customer.phone_number if customer else None),
    )


async def _check_same(system: System, payment: Payment, shop: str, session: OpenSession) -> None:
    """Raises SessionConflict, and leaves an event, when the id is known with other content."""
    same = (
        payment.gid == session.gid
        and payment.cluster is (Cluster.test if session.test else Cluster.live)
        and payment.amount == session.amount
        and payment.currency == session.currency
        and await _is_of(system, payment, shop)
    )
    if same:
        return
    metrics.sessions_total.labels(outcome="conflict").inc()
    async with system.database.transaction() as connection:
        await events.write_event(
            connection,
            RecordKind.payment,
            payment.id,
            events.CONFLICT,
            at=system.clock.now(),
            amount=str(session.amount),
            currency=session.currency,
            test=session.test,
            shop=shop,
        )
    raise SessionConflict(id=session.id)


async def _is_of(system: System, payment: Payment, shop: str) -> bool:
    payee = system.merchants.remembered(shop)
    if payee is not None:
        return payee.merchant.id == payment.merchant_id
    async with system.database.acquire() as connection:
        found: bool = await connection.fetchval(_IS_OF, payment.merchant_id, shop)
    return found


def page_url(system: System, payment: Payment) -> str:
    """Where the customer pays."""
    return f"{system.settings.public_url}/pay/{payment.id}"
