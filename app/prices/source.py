"""Where prices come from: an interface, and what every price must satisfy."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Protocol

import httpx

from app.errors import CustomerError
from app.logs import get_logger

_STEP = Decimal(1).scaleb(-18)
# No currency is worth more or less than this; what a source says beyond is a mistake of its own.
_RATE_MIN, _RATE_MAX = Decimal("1e-9"), Decimal(1_000)


class PriceUnavailable(CustomerError):
    """The exchange rate for {currency} is not available right now. Nothing was paid; please try again in a moment."""

    reason = "price_unavailable"
    status = 503


@dataclass(frozen=True)
class Price:
    """What one unit of a currency is worth in USDC: rounded up to 18 decimals, so that the merchant is never short."""

    currency: str
    rate: Decimal
    source: str
    at: datetime


class PriceSource(Protocol):
    """One place that knows prices."""

    name: str

    async def price(self, currency: str) -> Price:
        """Ask for the current price. Raises PriceUnavailable."""
        ...


def rate_of(cost: Decimal) -> Decimal:
    """USDC for one unit of a currency, from what one USDC costs in it. Raises ValueError when that is no price."""
    if not cost.is_finite() or cost <= 0:
        raise ValueError("not a price")
    with localcontext() as context:
        context.prec = 60
        rate = (1 / cost).quantize(_STEP, ROUND_CEILING)
    if not _RATE_MIN <= rate <= _RATE_MAX:
        raise ValueError("no currency is worth that")
    return rate


# What goes wrong when a source does not answer, or not with a price (msgspec's errors are ValueErrors).
TROUBLE = (httpx.HTTPError, TimeoutError, LookupError, ArithmeticError, ValueError, OSError)


def unavailable(currency: str, source: str, error: Exception) -> PriceUnavailable:
    """The error for a source's trouble, which is logged."""
    get_logger().warning("price_unavailable", currency=currency, source=source, error=type(error).__name__)
    return PriceUnavailable(currency=currency)
