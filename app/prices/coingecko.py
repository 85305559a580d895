"""CoinGecko's simple price: what one USDC costs in a currency."""

import asyncio
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, localcontext

import httpx
import msgspec

from app.logs import get_logger
from app.prices.source import Price, PriceUnavailable

_COIN = "usd-coin"
# Who waits for a price waits less (SETTLE_PRICE_TIMEOUT_MS); this ends a question that nobody waits for any more.
TIMEOUT_SECONDS = 10
_STEP = Decimal(1).scaleb(-18)


class CoinGecko:
    """Numbers are read as Decimal, straight from the answer's text."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._decoder = msgspec.json.Decoder(dict[str, dict[str, Decimal]])

    async def price(self, currency: str) -> Price:
        """Raises PriceUnavailable when the answer is missing, late, or no positive price with its time."""
        wanted = currency.lower()
        query = {"ids": _COIN, "vs_currencies": wanted, "include_last_updated_at": "true", "precision": "full"}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response = await self._client.get("/api/v3/simple/price", params=query)
            response.raise_for_status()
            figures = self._decoder.decode(response.content)[_COIN]
            cost, updated = figures[wanted], figures["last_updated_at"]
            if not cost.is_finite() or cost <= 0:
                raise ValueError("not a price")
            with localcontext() as context:
                context.prec = 60
                rate = (1 / cost).quantize(_STEP, ROUND_CEILING)
            at = datetime.fromtimestamp(int(updated), UTC)
        except (
            httpx.HTTPError,
            TimeoutError,
            msgspec.DecodeError,
            LookupError,
            ArithmeticError,
            ValueError,
            OSError,
        ) as error:
            get_logger().warning("price_unavailable", currency=currency, source="coingecko", error=type(error).__name__)
            raise PriceUnavailable(currency=currency) from error
        return Price(currency, rate, "coingecko", at)
