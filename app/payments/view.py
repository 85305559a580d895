"""What a customer may see of a payment: the figures, the stage it is in, a sentence, and where to go next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.languages.sentences import sentence
from app.payments import quotes
from app.payments.attempts import Refusal, is_open_in_wallet, last_refusal
from app.payments.issuing import read_case
from app.payments.refusals import PaymentNotFound
from app.prices.board import PAR
from app.records import Cluster, Payment, PaymentException, PaymentStatus, Row
from app.system import System

S = PaymentStatus


class Stage(StrEnum):
    """How far the customer has come. From `done` on they are ends."""

    unpriced = "unpriced"
    waiting = "waiting"
    connected = "connected"
    approve = "approve"
    received = "received"
    paid = "paid"
    done = "done"
    already_paid = "already_paid"
    paid_twice = "paid_twice"
    expired = "expired"
    refused = "refused"
    closed = "closed"
    review = "review"


# The code can be scanned in these.
PAYABLE = frozenset({Stage.unpriced, Stage.waiting, Stage.connected, Stage.approve})
# Nothing more happens on the page in these.
ENDS = frozenset(list(Stage)[list(Stage).index(Stage.done) :])

# A heading and a sentence for each stage: what is going on, and what to do now.
SENTENCES: dict[Stage, tuple[str, str]] = {
    Stage.unpriced: (sentence("One moment"), sentence("We are fetching the price in USDC.")),
    Stage.waiting: (
        sentence("Scan to pay"),
        sentence("Scan the code with a Solana wallet, or open your wallet here."),
    ),
    Stage.connected: (
        sentence("Wallet connected"),
        sentence("Your wallet has opened the payment. Continue there."),
    ),
    Stage.approve: (
        sentence("Approve in your wallet"),
        sentence("The payment is waiting in your wallet for you to approve it."),
    ),
    Stage.received: (
        sentence("Payment received"),
        sentence("The network is making it final. This takes a few seconds."),
    ),
    Stage.paid: (
        sentence("Payment received"),
        sentence("We are telling the shop. You do not need to do anything more."),
    ),
    Stage.done: (sentence("Paid"), sentence("Thank you. We are taking you back to the shop.")),
    Stage.already_paid: (
        sentence("Already paid"),
        sentence("This order is already paid. You do not need to pay again."),
    ),
    Stage.paid_twice: (
        sentence("Please contact the shop"),
        sentence("Your payment arrived, but this order no longer needed it. Ask the shop to send the USDC back."),
    ),
    Stage.expired: (
        sentence("Payment expired"),
        sentence("The time for this payment is over, and nothing was paid."),
    ),
    Stage.refused: (
        sentence("Payment not possible"),
        sentence("This order cannot be paid with USDC. Go back to the shop and choose another way to pay."),
    ),
    Stage.closed: (
        sentence("USDC is not available"),
        sentence("The shop does not take USDC any more. Nothing was paid; go back and choose another way to pay."),
    ),
    Stage.review: (
        sentence("Please contact the shop"),
        sentence("The shop has to look at this payment. Please do not pay again; ask the shop about your order."),
    ),
}

# In place of the sentence, on a page that is opened when a wallet is already at it: in a second tab, on another device.
OPENED_MEANWHILE = sentence("A wallet has already opened this payment. Approve it there, or scan the code again.")


@dataclass(frozen=True)
class PaymentView:
    """Everything the page shows and the status calls answer, without a word of any language."""

    stage: Stage
    ended: bool
    shop: str
    amount: Decimal
    currency: str
    # Base units; None until there is a price. The rate is USDC for one unit, None for US dollars.
    usdc: int | None
    rate: Decimal | None
    price_expires_at: datetime | None
    # Where the page sends the customer by itself (None: it stays), and where its way back leads.
    redirect_url: str | None
    back_url: str
    test: bool
    status: PaymentStatus
    refusal: Refusal | None
    customer_locale: str | None
    # The shop's: the page's language when the customer's is none of ours, where customers get help, its logo's digest.
    shop_language: str | None
    support_url: str | None
    logo: str | None


@dataclass(frozen=True)
class _Known:
    """A payment with all that its view depends on."""

    payment: Payment
    winner_id: str | None
    shop: str
    is_open_shop: bool
    shop_language: str | None
    support_url: str | None
    issued_at: datetime | None
    is_live: bool
    is_landed: bool
    winner_url: str | None
    logo: str | None


# One statement, because every open page asks it after each change, and only what is needed of group and merchant.
_READ = """
SELECT p.*, g.winner_id, m.display_name, m.status = 'active' AND m.token_sealed IS NOT NULL AS is_open_shop,
    m.language, m.support_url, i.issued_at, i.is_live, i.is_landed,
    (SELECT w.redirect_url FROM payments w WHERE w.id = g.winner_id AND w.id <> p.id) AS winner_url,
    (SELECT l.digest FROM merchant_logos l WHERE l.merchant_id = m.id) AS logo
FROM payments p JOIN payment_groups g ON g.id = p.group_id JOIN merchants m ON m.id = p.merchant_id,
    LATERAL (SELECT max(created_at) AS issued_at, coalesce(bool_or(fate = 'live'), false) AS is_live,
        coalesce(bool_or(fate = 'landed'), false) AS is_landed FROM issued_transactions WHERE payment_id = p.id) i
WHERE p.id = ANY($1)
"""


async def view_payment(system: System, payment_id: str) -> PaymentView:
    """Raises PaymentNotFound."""
    views = await view_payments(system, [payment_id])
    if payment_id not in views:
        raise PaymentNotFound
    return views[payment_id]


async def view_payments(system: System, payment_ids: Sequence[str]) -> dict[str, PaymentView]:
    """The views of those that exist."""
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_READ, payment_ids)
    known = map(_read, rows)
    return {one.payment.id: _view(one, system.clock.now()) for one in known}


async def quote_for_page(system: System, payment_id: str) -> None:
    """Give a payment without a price that holds a new one.

    Raises PaymentNotFound, PriceUnavailable or AmountTooLarge.
    """
    async with system.database.acquire() as connection:
        payment = (await read_case(connection, payment_id)).payment
    if _is_open(payment, system.clock.now()):
        await quotes.ensure_quote(system, payment)


def _read(row: Row) -> _Known:
    return _Known(
        payment=Payment.from_row(row),
        winner_id=row["winner_id"],
        shop=row["display_name"],
        is_open_shop=row["is_open_shop"],
        shop_language=row["language"],
        support_url=row["support_url"],
        issued_at=row["issued_at"],
        is_live=row["is_live"],
        is_landed=row["is_landed"],
        winner_url=row["winner_url"],
        logo=row["logo"],
    )


def _view(known: _Known, now: datetime) -> PaymentView:
    payment = known.payment
    stage = _stage(known, now)
    # Shopify knows already, so the customer need not wait for the network here.
    is_pended = stage is Stage.received and payment.pended_at is not None
    redirect_url = payment.redirect_url if is_pended or stage in (Stage.done, Stage.refused) else known.winner_url
    is_priced = payment.usdc is not None and stage is not Stage.unpriced
    return PaymentView(
        stage=stage,
        ended=stage in ENDS and not _may_change(known, stage),
        shop=known.shop,
        amount=payment.amount,
        currency=payment.currency,
        usdc=payment.usdc if is_priced else None,
        rate=payment.rate if is_priced and payment.currency != PAR else None,
        price_expires_at=payment.quote_expires_at,
        redirect_url=redirect_url if is_pended or stage is Stage.done else None,
        back_url=redirect_url or payment.cancel_url,
        test=payment.cluster is Cluster.test,
        status=payment.status,
        refusal=last_refusal(payment, known.issued_at, now) if stage in PAYABLE else None,
        customer_locale=payment.locale,
        shop_language=known.shop_language,
        support_url=known.support_url,
        logo=known.logo,
    )


def _may_change(known: _Known, stage: Stage) -> bool:
    """Whether a page is to be followed, although it shows an end."""
    # An order that was paid elsewhere gets its way back to the shop when Shopify has acknowledged that.
    leads_nowhere = stage is Stage.already_paid and known.winner_url is None
    return leads_nowhere or known.payment.status in (S.pending, S.rejecting, S.stuck)


def _is_open(payment: Payment, now: datetime) -> bool:
    return payment.status is S.pending and now < payment.expires_at


def _stage(known: _Known, now: datetime) -> Stage:
    payment = known.payment
    match payment.status:
        case S.completed:
            return Stage.done
        case S.paid:
            return Stage.paid
        case S.superseded | S.rejected if payment.exception is PaymentException.duplicate:
            return Stage.paid_twice
        case S.superseded:
            return Stage.already_paid
        case S.rejecting:
            # What was handed out before may still be paid: nobody is sent away while it may.
            return _issued_stage(known) or Stage.refused
        case S.rejected:
            return Stage.refused
        case S.stuck:
            # Money that verification accepted is safe, whatever Shopify says: the customer is done paying.
            return Stage.paid if payment.paid_signature else Stage.review
        case S.expired | S.pending:
            return _open_stage(known, now)


def _issued_stage(known: _Known) -> Stage | None:
    """How far the transactions are that were handed out; None: none of them is on its way."""
    if known.is_landed:
        return Stage.received
    return Stage.approve if known.is_live else None


def _open_stage(known: _Known, now: datetime) -> Stage:
    issued = _issued_stage(known)
    if issued is Stage.received:
        return issued
    # Of an order that is done with, or cannot be paid any more, the reason is told, not that time is over.
    if known.winner_id not in (None, known.payment.id):
        return Stage.already_paid
    if issued is not None:
        return issued
    if not known.is_open_shop:
        return Stage.closed
    if not _is_open(known.payment, now):
        return Stage.expired
    if not quotes.is_current(known.payment, now):
        return Stage.unpriced
    return Stage.connected if is_open_in_wallet(known.payment, now) else Stage.waiting
