"""The price board: one fresh price per currency, asked for once however many want it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from app import metrics
from app.clock import Clock
from app.prices.source import Price, PriceSource, PriceUnavailable

# One USDC is one US dollar: the merchant is paid in USDC, so no source can make it more or less.
PAR = "USD"
# How long a source that had no price is left in peace.
FAILURE_KEPT = timedelta(seconds=2)


@dataclass(frozen=True)
class _Known:
    """What was last heard of a currency, and when we asked; no price: its source had none."""

    price: Price | None
    asked_at: datetime


class PriceBoard:
    """Read-through: answers are kept for `cache_seconds`; a price its source took `age_seconds` ago is refused."""

    def __init__(self, source: PriceSource, clock: Clock, *, cache_seconds: int, age_seconds: int) -> None:
        self._source = source
        self._clock = clock
        self._cache = timedelta(seconds=cache_seconds)
        self._age = timedelta(seconds=age_seconds)
        self._known: dict[str, _Known] = {}
        self._newest: dict[str, datetime] = {}
        self._asking: dict[str, asyncio.Task[_Known]] = {}

    async def price(self, currency: str) -> Price:
        """The price of a currency. Raises PriceUnavailable."""
        now = self._clock.now()
        if currency == PAR:
            return Price(currency, Decimal(1), "par", now)
        known = self._known.get(currency)
        if known is None or not self._is_fresh(known, now):
            # One question at a time for each currency; who gives up waiting does not take it from the others.
            asking = self._asking.get(currency)
            if asking is None:
                asking = asyncio.create_task(self._ask(currency))
                self._asking[currency] = asking
                asking.add_done_callback(lambda _: self._asking.pop(currency, None))
            known = await asyncio.shield(asking)
        if (newest := self._newest.get(currency)) is not None:
            metrics.price_age_seconds.labels(currency=currency).set((now - newest).total_seconds())
        if known.price is None or now - known.price.at > self._age:
            raise PriceUnavailable(currency=currency)
        return known.price

    async def price_within(self, currency: str, seconds: float) -> Price | None:
        """The price, or None when it is not there in time: a payment session waits for nothing."""
        try:
            async with asyncio.timeout(seconds):
                return await self.price(currency)
        except (TimeoutError, PriceUnavailable):
            metrics.prices_total.labels(outcome="not_in_time").inc()
            return None

    def _is_fresh(self, known: _Known, now: datetime) -> bool:
        # A failure is forgotten soon, but not at once: every open page asks.
        kept = self._cache if known.price is not None else min(self._cache, FAILURE_KEPT)
        return timedelta(0) <= now - known.asked_at < kept

    async def _ask(self, currency: str) -> _Known:
        try:
            price: Price | None = await self._source.price(currency)
            if price is not None and self._clock.now() - price.at > self._age:
                price = None
        except PriceUnavailable:
            price = None
        metrics.prices_total.labels(outcome="none" if price is None else "answered").inc()
        if price is not None:
            self._newest[currency] = price.at
        known = self._known[currency] = _Known(price, self._clock.now())
        return known
