"""Plots, drawn here as shapes of an SVG: the page needs no script, and a screen reader gets the table beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.money import from_base_units
from app.portal.overview import Day

# A drawing's size in its own units, which are pixels where it has the room it was made for.
WIDE, NARROW = (900, 220), (340, 180)
LEFT, RIGHT, TOP, BOTTOM = 4, 56, 14, 26
# A bar for a day on which anything was paid can be seen.
BAR_MIN = 2


@dataclass(frozen=True)
class Bar:
    """One day's bar and the target around it, in the drawing's units, and what to say about it."""

    x: float
    y: float
    width: float
    height: float
    day: datetime
    usdc: Decimal
    paid: int


@dataclass(frozen=True)
class Plot:
    """Bars, lines with their labels, and labels of days; `left`, `right`, `top` and `base` frame the bars."""

    width: int
    height: int
    left: int
    right: int
    top: int
    base: int
    bars: Sequence[Bar]
    lines: Sequence[tuple[float, str]]
    labels: Sequence[tuple[float, datetime]]


def plot_days(days: Sequence[Day], size: tuple[int, int]) -> Plot:
    """What was paid on each day, as bars over a scale that ends at a round number."""
    width, height = size
    right, base = width - RIGHT, height - BOTTOM
    amounts = [from_base_units(day.usdc) for day in days]
    top, room, step = round_up(max(amounts)), base - TOP, (right - LEFT) / len(days)
    bars = []
    for number, (day, amount) in enumerate(zip(days, amounts, strict=True)):
        # Pixels, not money.
        tall = max(int(amount * room / top), BAR_MIN) if amount else 0
        x = round(LEFT + (number + 0.14) * step, 1)
        bars.append(Bar(x, base - tall, round(step * 0.72, 1), tall, day.day, amount, day.paid))
    lines = [(base - room * share // 2, f"{(top * share / 2).normalize():,f}") for share in (0, 1, 2)]
    every_week = range(len(days) - 1, -1, -7)
    labels = [(round(LEFT + (number + 0.5) * step, 1), days[number].day) for number in every_week]
    return Plot(width, height, LEFT, right, TOP, base, bars, lines, labels)


def round_up(amount: Decimal) -> Decimal:
    """The next of 1, 2 and 5 times a power of ten; 10 for nothing and for less."""
    power = Decimal(10)
    while True:
        for times in (1, 2, 5):
            if power * times >= amount:
                return power * times
        power *= 10
