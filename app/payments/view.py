"""What a customer may see of a payment: the figures, the stage it is in, a sentence, and where to go next."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from app.money import format_amount, format_usdc
from app.payments import quotes
from app.payments.issuing import Case, read_case
from app.records import Cluster, Fate, MerchantStatus, Payment, PaymentStatus
from app.system import System

S = PaymentStatus


class Stage(StrEnum):
    """How far the customer has come. The last five are ends."""

    unpriced = "unpriced"
    waiting = "waiting"
    approve = "approve"
    received = "received"
    paid = "paid"
    done = "done"
    already_paid = "already_paid"
    expired = "expired"
    refused = "refused"
    closed = "closed"
    review = "review"


SENTENCES: dict[Stage, str] = {
    Stage.unpriced: "We are fetching the price. This takes a moment.",
    Stage.waiting: "Scan the code, or open your Solana wallet here.",
    Stage.approve: "Approve the payment in your wallet.",
    Stage.received: "Payment received. The network is making it final.",
    Stage.paid: "Payment received. The shop is being told.",
    Stage.done: "Paid. Taking you back to the shop.",
    Stage.already_paid: "This order is already paid. You do not need to pay again.",
    Stage.expired: "This payment has expired. Nothing was paid.",
    Stage.refused: "This payment cannot be made with USDC. Go back to the shop and choose another way to pay.",
    Stage.closed: "The shop does not accept USDC right now. Go back and choose another way to pay.",
    Stage.review: "Something about this payment needs a look by the shop. Please do not pay again; contact the shop.",
}

# Nothing more happens on the page in these.
ENDS = frozenset({Stage.done, Stage.already_paid, Stage.expired, Stage.refused, Stage.closed, Stage.review})


class PaymentView(Struct, frozen=True):
    """Everything the page shows and the status calls answer."""

    stage: Stage
    message: str
    ended: bool
    shop: str
    amount: str
    # Without the currency's code: "12.34"; None until there is a price.
    usdc: str | None
    price_expires_at: datetime | None
    # Where the page sends the customer by itself (None: it stays), and where its way back leads.
    redirect_url: str | None
    back_url: str
    test: bool
    status: PaymentStatus


async def view_payment(system: System, payment_id: str) -> PaymentView:
    """Raises PaymentNotFound."""
    async with system.database.acquire() as connection:
        case = await read_case(connection, payment_id)
        fates = await connection.fetch(
            "SELECT DISTINCT fate FROM issued_transactions WHERE payment_id = $1 AND fate IN ('live', 'landed')",
            payment_id,
        )
        winner_url = None
        if case.group.winner_id not in (None, payment_id):
            winner_url = await connection.fetchval(
                "SELECT redirect_url FROM payments WHERE id = $1", case.group.winner_id
            )
    payment = case.payment
    stage = _stage(system, case, {Fate(row["fate"]) for row in fates})
    # Shopify knows already, so the customer need not wait for the network here.
    is_pended = stage is Stage.received and payment.pended_at is not None
    redirect_url = payment.redirect_url if is_pended or stage in (Stage.done, Stage.refused) else winner_url
    return PaymentView(
        stage=stage,
        message=SENTENCES[stage],
        # A payment that may still change is followed, whatever its page says.
        ended=stage in ENDS and payment.status not in (S.pending, S.rejecting, S.stuck),
        shop=case.merchant.display_name,
        amount=format_amount(payment.amount, payment.currency),
        usdc=None if payment.usdc is None or stage is Stage.unpriced else format_usdc(payment.usdc),
        price_expires_at=payment.quote_expires_at,
        redirect_url=redirect_url if is_pended or stage is Stage.done else None,
        back_url=redirect_url or payment.cancel_url,
        test=payment.cluster is Cluster.test,
        status=payment.status,
    )


async def quote_for_page(system: System, payment_id: str) -> None:
    """Give a payment without a price that holds a new one.

    Raises PaymentNotFound, PriceUnavailable or AmountTooLarge.
    """
    async with system.database.acquire() as connection:
        case = await read_case(connection, payment_id)
    if _is_open(system, case.payment):
        await quotes.ensure_quote(system, case.payment)


def _is_open(system: System, payment: Payment) -> bool:
    return payment.status is S.pending and system.clock.now() < payment.expires_at


def _stage(system: System, case: Case, fates: set[Fate]) -> Stage:
    payment = case.payment
    match payment.status:
        case S.completed:
            return Stage.done
        case S.paid:
            return Stage.paid
        case S.superseded:
            return Stage.already_paid
        case S.rejecting:
            # What was handed out before may still be paid: nobody is sent away while it may.
            return _issued_stage(fates) or Stage.refused
        case S.rejected:
            return Stage.refused
        case S.stuck:
            # Money that verification accepted is safe, whatever Shopify says: the customer is done paying.
            return Stage.paid if payment.paid_signature else Stage.review
        case S.expired:
            return Stage.expired
        case S.pending:
            return _open_stage(system, case, fates)


def _issued_stage(fates: set[Fate]) -> Stage | None:
    """How far the transactions are that were handed out; None: none of them is on its way."""
    if Fate.landed in fates:
        return Stage.received
    return Stage.approve if Fate.live in fates else None


def _open_stage(system: System, case: Case, fates: set[Fate]) -> Stage:
    issued = _issued_stage(fates)
    if issued is Stage.received:
        return issued
    if case.group.winner_id not in (None, case.payment.id):
        return Stage.already_paid
    if issued is not None:
        return issued
    if not _is_open(system, case.payment):
        return Stage.expired
    if case.merchant.status is not MerchantStatus.active:
        return Stage.closed
    return Stage.waiting if quotes.is_current(case.payment, system.clock.now()) else Stage.unpriced
