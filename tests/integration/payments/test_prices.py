"""Prices from two sources: each confirms the other and stands in for it; what can not be true is asked of nobody."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app import metrics
from app.prices.source import PriceUnavailable
from app.sandbox.prices import RATES
from tests.box import Box, open_box

EUR = 1 / Decimal(RATES["EUR"])
# Longer than any answer is kept.
LATER = 31


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path, worker=False) as opened:
        yield opened


async def _quote(box: Box) -> tuple[Decimal, str]:
    price = await box.house.system.prices.price("EUR")
    return price.rate, price.source


async def _refuses(box: Box) -> None:
    with pytest.raises(PriceUnavailable):
        await box.house.system.prices.price("EUR")


def _alarms(reason: str) -> float:
    return metrics.alarms_total.labels(reason=reason)._value.get()


async def test_the_first_source_gives_the_price_when_the_second_agrees(box: Box) -> None:
    rate, source = await _quote(box)
    assert source == "coingecko"
    assert 0 <= rate - EUR < Decimal("1e-17")


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("status", 500),
        ("status", 429),
        ("drop", None),
        ("broken_json", None),
        ("delay", 5),
        ("absent", None),
        ("zero", None),
        ("negative", None),
        ("stale", None),
    ],
)
@pytest.mark.parametrize(("broken", "other"), [("coingecko", "coinbase"), ("coinbase", "coingecko")])
async def test_one_source_alone_is_enough(box: Box, broken: str, other: str, fault: str, value: Any) -> None:
    await box.fault(broken, fault, value=value)
    checkout = await box.checkout("10.00", "EUR")
    assert (await _quote(box))[1] == other
    assert (await box.status(checkout))["usdc"] == "11.568451"
    [payment] = await box.house.rows("SELECT rate, rate_source, rate_at, usdc FROM payments")
    assert payment["rate_source"] == other
    assert 0 <= payment["rate"] - EUR < Decimal("1e-17")
    assert payment["rate_at"] is not None


async def test_with_no_source_there_is_no_price(box: Box) -> None:
    await box.fault("coingecko", "absent")
    await box.fault("coinbase", "drop")
    await _refuses(box)


async def test_sources_that_disagree_are_believed_neither_and_alarm(box: Box) -> None:
    before = _alarms("price_disagreement")
    await box.fault("coinbase", "jump", value="1.05")
    await _refuses(box)
    assert _alarms("price_disagreement") == before + 1
    await box.mend()
    await box.fault("coinbase", "jump", value="1.01")
    await box.advance(LATER)
    assert (await _quote(box))[1] == "coingecko"


@pytest.mark.parametrize("factor", ["1.2", "0.8", "10", "0.1"])
async def test_a_price_that_jumped_is_refused_with_an_alarm_though_both_sources_say_it(box: Box, factor: str) -> None:
    await _quote(box)
    before = _alarms("price_jump")
    await box.fault("prices", "jump", value=factor)
    await box.advance(LATER)
    await _refuses(box)
    assert _alarms("price_jump") == before + 1
    # It was a mistake: the right price is there again at once.
    await box.mend()
    await box.advance(LATER)
    await _quote(box)


async def test_a_price_that_stays_where_it_jumped_to_is_believed_in_the_end(box: Box) -> None:
    rate, _ = await _quote(box)
    await box.fault("prices", "jump", value="2")
    for _ in range(3):
        await box.advance(LATER)
        await _refuses(box)
    await box.advance(box.house.settings.price_memory_seconds)
    assert (await _quote(box))[0] < rate * Decimal("0.51")


@pytest.mark.parametrize("value", ["1e12", "1e-12"])
async def test_an_absurd_price_is_none_also_when_nothing_was_known_before(box: Box, value: str) -> None:
    await box.fault("prices", "jump", value=value)
    await _refuses(box)


async def test_a_dollar_is_a_dollar_whatever_the_sources_say(box: Box) -> None:
    await box.fault("prices", "drop")
    await box.checkout("10.00", "USD")
    [payment] = await box.house.rows("SELECT usdc, rate, rate_source FROM payments")
    assert tuple(payment) == (10_000_000, 1, "par")


async def test_a_slow_source_keeps_nobody_waiting_who_has_a_price(box: Box) -> None:
    await box.fault("coinbase", "delay", value=60)
    await box.checkout("10.00", "EUR")
    # Quoted while the session was answered.
    [payment] = await box.house.rows("SELECT rate_source, usdc FROM payments")
    assert (payment["rate_source"], payment["usdc"]) == ("coingecko", 11_568_451)
