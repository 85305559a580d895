"""Several sources, one price: what they say is compared with each other, and with what was true a moment ago."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from app import metrics
from app.clock import Clock
from app.logs import get_logger
from app.prices.source import Price, PriceSource, PriceUnavailable


@dataclass(frozen=True)
class Limits:
    """What a price must keep to. Shares are of the other price: 0.02 is two percent.

    `age`: how old a source's price may be. `apart_share`: how far two sources may be apart. `jump_share`: how far a
    price may be from the last one that was accepted, while that one is not older than `memory`. `patience`: how long
    the others are waited for once one has answered.
    """

    age: timedelta
    apart_share: Decimal
    jump_share: Decimal
    memory: timedelta
    patience: timedelta


class Panel:
    """Sources in the order of their rank: the first that has a price gives it, the others confirm it or object."""

    name = "panel"

    def __init__(self, sources: Sequence[PriceSource], clock: Clock, limits: Limits) -> None:
        self._sources = sources
        self._clock = clock
        self._limits = limits
        self._accepted: dict[str, Price] = {}

    async def price(self, currency: str) -> Price:
        """Raises PriceUnavailable: no source has a fresh price, they are too far apart, or it jumped."""
        prices = await self._ask(currency)
        if not prices:
            raise PriceUnavailable(currency=currency)
        first = prices[0]
        if any(_apart(first, other) > self._limits.apart_share for other in prices[1:]):
            raise self._object("price_disagreement", currency, prices)
        last = self._accepted.get(currency)
        is_recent = last is not None and self._clock.now() - last.at <= self._limits.memory
        if last is not None and is_recent and _apart(first, last) > self._limits.jump_share:
            raise self._object("price_jump", currency, [*prices, last])
        self._accepted[currency] = first
        return first

    async def _ask(self, currency: str) -> list[Price]:
        """Every source at once: the fresh prices of those that answered in time, in the sources' order."""
        asking = [asyncio.create_task(self._fresh(source, currency)) for source in self._sources]
        try:
            waiting = set(asking)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if any(task.result() is not None for task in done):
                    break
            if waiting:
                # One has a price: a slow one may still object, but not keep everybody waiting.
                await asyncio.wait(waiting, timeout=self._limits.patience.total_seconds())
            return [price for task in asking if task.done() and (price := task.result()) is not None]
        finally:
            for task in asking:
                task.cancel()

    async def _fresh(self, source: PriceSource, currency: str) -> Price | None:
        try:
            price = await source.price(currency)
        except PriceUnavailable:
            outcome = "none"
        else:
            outcome = "answered" if self._clock.now() - price.at <= self._limits.age else "stale"
        metrics.price_answers_total.labels(source=source.name, outcome=outcome).inc()
        return price if outcome == "answered" else None

    def _object(self, reason: str, currency: str, prices: Sequence[Price]) -> PriceUnavailable:
        """A price that nobody may be asked to pay: a person must look."""
        metrics.alarms_total.labels(reason=reason).inc()
        get_logger().error(reason, currency=currency, rates={price.source: str(price.rate) for price in prices})
        return PriceUnavailable(currency=currency)


def _apart(one: Price, other: Price) -> Decimal:
    """How far two prices are apart, as a share of the smaller: a tenth and the tenfold are equally far."""
    small, large = sorted((one.rate, other.rate))
    return large / small - 1
