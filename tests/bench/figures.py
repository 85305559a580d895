"""What a measurement gives: ratios of two things timed in the same rounds, and the table that shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Target:
    """The bound of a figure: at most so much, or at least."""

    bound: float
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """One line of the table. `target` None: reported for comparison, and judged by nobody."""

    name: str
    median: float
    best: float
    target: Target | None = None
    note: str = ""

    @property
    def is_met(self) -> bool:
        """By the median: the best round is what the machine can do, the median what it does."""
        return self.target is None or self.target.is_met(self.median)


def figure_of_ratio(
    name: str, ours: Sequence[float], theirs: Sequence[float], target: Target | None = None, *, note: str = ""
) -> Figure:
    """Compare two series from the same rounds, in the same unit.

    Median: of the ratio of each round, so that a slow minute of the machine weighs on both sides. Best: our best round
    to their best round, be the better one the higher or the lower.
    """
    pick = max if target is not None and target.at_least else min
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Figure(name, median(ratios), pick(ours) / pick(theirs), target, note)


def figure_of_count(name: str, counts: Sequence[float], target: Target, *, note: str = "") -> Figure:
    """A figure that is counted: its worst value stands in both columns."""
    return Figure(name, max(counts), max(counts), target, note)


def render(figures: Sequence[Figure]) -> str:
    """The table."""
    heads = ("", "median", "best", "target", "verdict", "")
    rows = [heads, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = []
    for row in rows:
        name, *middle, note = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        numbers = [cell.strip().rjust(width) for cell, width in zip(middle[:2], widths[1:3], strict=True)]
        lines.append("  ".join([name, *numbers, *middle[2:], note]).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _cells(figure: Figure) -> tuple[str, str, str, str, str, str]:
    target = str(figure.target) if figure.target else "-"
    verdict = "-" if figure.target is None else "met" if figure.is_met else "MISSED"
    return figure.name, f"{figure.median:.2f}", f"{figure.best:.2f}", target, verdict, figure.note
