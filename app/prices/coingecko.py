"""CoinGecko's simple price: what one USDC costs in a currency."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import msgspec

from app.prices.source import TROUBLE, Price, rate_of, unavailable

_COIN = "usd-coin"
# Who waits for a price waits less (SETTLE_PRICE_TIMEOUT_MS); this ends a question that nobody waits for any more.
TIMEOUT_SECONDS = 10


class CoinGecko:
    """Numbers are read as Decimal, straight from the answer's text."""

    name = "coingecko"

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._decoder = msgspec.json.Decoder(dict[str, dict[str, Decimal]])

    async def price(self, currency: str) -> Price:
        """Raises PriceUnavailable when the answer is missing, late, or no plausible price with its time."""
        wanted = currency.lower()
        query = {"ids": _COIN, "vs_currencies": wanted, "include_last_updated_at": "true", "precision": "full"}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response = await self._client.get("/api/v3/simple/price", params=query)
            response.raise_for_status()
            figures = self._decoder.decode(response.content)[_COIN]
            at = datetime.fromtimestamp(int(figures["last_updated_at"]), UTC)
            return Price(currency, rate_of(figures[wanted]), self.name, at)
        except TROUBLE as error:
            raise unavailable(currency, self.name, error) from error
