"""Where prices come from: an interface, and what every price must satisfy."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from app.errors import CustomerError


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
    async def price(self, currency: str) -> Price:
        """Ask for the current price. Raises PriceUnavailable."""
        ...
