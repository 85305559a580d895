"""Quotes: how much USDC an amount is, by which rate, and until when that holds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from app import events
from app.database import Connection
from app.errors import CustomerError
from app.money import from_base_units, to_base_units
from app.page_feed import notify_page
from app.prices.board import PAR
from app.prices.source import Price
from app.records import Payment, PaymentStatus, RecordKind
from app.system import System
from app.transactions.issued import has_open_transactions

# The chain counts token amounts in unsigned 64-bit integers, PostgreSQL in signed ones.
USDC_UNITS_MAX = 2**63 - 1


class AmountTooLarge(CustomerError):
    """This amount is larger than a payment in USDC can be. Please choose another way to pay at the shop."""

    reason = "amount_too_large"
    status = 422


@dataclass(frozen=True)
class Quote:
    """USDC in base units, the rate it came from, and its end (None: it has none)."""

    usdc: int
    rate: Decimal
    source: str
    at: datetime
    expires_at: datetime | None


def make_quote(amount: Decimal, price: Price, lifetime_seconds: int, now: datetime) -> Quote:
    """Raises AmountTooLarge."""
    usdc = to_base_units(amount, price.rate)
    if usdc > USDC_UNITS_MAX:
        raise AmountTooLarge
    ends = None if price.currency == PAR else now + timedelta(seconds=lifetime_seconds)
    return Quote(usdc, price.rate, price.source, price.at, ends)


def is_current(payment: Payment, now: datetime) -> bool:
    """Whether a transaction may be issued at the payment's price."""
    return payment.usdc is not None and (payment.quote_expires_at is None or now < payment.quote_expires_at)


_REQUOTE = """
UPDATE payments SET usdc = $2, rate = $3, rate_source = $4, rate_at = $5, quote_expires_at = $6, updated_at = $7
WHERE id = $1 RETURNING *
"""


_NOTE_PAID = """
UPDATE payments SET usdc = $2, rate = $3, rate_source = $4, rate_at = $5, quote_expires_at = NULL, updated_at = $5
WHERE id = $1
"""
# What stands for the source of a price that only the chain remembers.
FROM_THE_CHAIN = "what was paid"


async def note_price_paid(connection: Connection, payment: Payment, usdc: int, *, at: datetime) -> None:
    """The price that a payment, which is locked, was paid at, where our books have another or none."""
    rate = from_base_units(usdc) / payment.amount
    await connection.execute(_NOTE_PAID, payment.id, usdc, rate, FROM_THE_CHAIN, at)
    await events.write_event(
        connection,
        RecordKind.payment,
        payment.id,
        events.QUOTED,
        at=at,
        usdc=usdc,
        rate=str(rate),
        source=FROM_THE_CHAIN,
    )


async def ensure_quote(system: System, payment: Payment) -> Payment:
    """The payment with a price that holds: as it is, or quoted anew.

    While a transaction at the old price may still land, the old price stays. Raises PriceUnavailable or AmountTooLarge.
    """
    now = system.clock.now()
    if payment.status is not PaymentStatus.pending or is_current(payment, now):
        return payment
    price = await system.prices.price(payment.currency)
    now = system.clock.now()
    quote = make_quote(payment.amount, price, system.settings.quote_lifetime_seconds, now)
    async with system.database.transaction() as connection:
        row = await connection.fetchrow("SELECT * FROM payments WHERE id = $1 FOR UPDATE", payment.id)
        assert row is not None
        payment = Payment.from_row(row)
        # Somebody else may have quoted, issued or moved it meanwhile.
        if payment.status is not PaymentStatus.pending or is_current(payment, now):
            return payment
        if await has_open_transactions(connection, payment.id):
            return payment
        row = await connection.fetchrow(
            _REQUOTE, payment.id, quote.usdc, quote.rate, quote.source, quote.at, quote.expires_at, now
        )
        assert row is not None
        await events.write_event(
            connection,
            RecordKind.payment,
            payment.id,
            events.QUOTED,
            at=now,
            usdc=quote.usdc,
            rate=str(quote.rate),
            source=quote.source,
        )
        await notify_page(connection, payment.id)
        return Payment.from_row(row)
