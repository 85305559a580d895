"""Coinbase's exchange rates: what one USDC costs in every currency. It tells no time, so its price is of the moment."""

import asyncio
from decimal import Decimal

import httpx
import msgspec

from app.clock import Clock
from app.prices.coingecko import TIMEOUT_SECONDS
from app.prices.source import TROUBLE, Price, rate_of, unavailable

_COIN = "USDC"


class _Data(msgspec.Struct):
    currency: str
    rates: dict[str, Decimal]


class _Answer(msgspec.Struct):
    data: _Data


class Coinbase:
    """Rates are texts in the answer; they are read as Decimal."""

    name = "coinbase"

    def __init__(self, client: httpx.AsyncClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._decoder = msgspec.json.Decoder(_Answer)

    async def price(self, currency: str) -> Price:
        """Raises PriceUnavailable when the answer is missing, late, or no plausible price."""
        asked_at = self._clock.now()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response = await self._client.get("/v2/exchange-rates", params={"currency": _COIN})
            response.raise_for_status()
            data = self._decoder.decode(response.content).data
            if data.currency != _COIN:
                raise ValueError("the rates of another coin")
            return Price(currency, rate_of(data.rates[currency]), self.name, asked_at)
        except TROUBLE as error:
            raise unavailable(currency, self.name, error) from error
