"""Fault switches: what goes wrong in the outside world, where, and how many times."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# A check of a fault's value: raises BadFault.
Check = Callable[[Any], None]

# Faults of the transport, which every target has; what a fault's value means is said beside it.
TRANSPORT = {
    "status": "answer this HTTP status (default 503) without doing anything",
    "rate_limit": "answer 429 with Retry-After of this many seconds (default 1)",
    "delay": "wait this many seconds (default 1) before doing anything",
    "drop": "close the connection without doing anything",
    "lost_answer": "do it, then close the connection before the answer",
    "broken_json": "do it, then answer with half of the body",
}


class UnknownFault(ValueError):
    """There is no such target, or the target has no such fault."""


class BadFault(ValueError):
    """The fault exists, but its value or its number of times makes no sense."""


@dataclass
class Fault:
    """One switch that is on. `times` counts down; None means until it is cleared."""

    target: str
    fault: str
    value: Any
    times: int | None


def number_between(least: float, most: float) -> Check:
    """A check for numbers of these bounds, both included."""

    def check(value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise BadFault(f"its value is a number from {least:g} to {most:g}")

    return check


def _check_status(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise BadFault("its value is an HTTP status from 200 to 599")


_CHECKS: dict[str, Check] = {
    "status": _check_status,
    "rate_limit": number_between(0, 86_400),
    "delay": number_between(0, 3_600),
}


class Faults:
    """All switches. Each part of the world registers its target with the faults it knows beyond the transport's."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, str]] = {}
        self._checks: dict[str, dict[str, Check]] = {}
        self._on: list[Fault] = []

    def register(
        self, target: str, kinds: Mapping[str, str] | None = None, checks: Mapping[str, Check] | None = None
    ) -> None:
        """Declare a target and its own faults: name -> what it does and what the value means.

        `checks` by fault name: for values that not every JSON value will do for; a missing value is never checked.
        """
        self._kinds[target] = TRANSPORT | dict(kinds or {})
        self._checks[target] = _CHECKS | dict(checks or {})

    @property
    def kinds(self) -> dict[str, dict[str, str]]:
        return self._kinds

    @property
    def on(self) -> list[Fault]:
        return list(self._on)

    def set(self, target: str, fault: str, value: Any = None, times: int | None = None) -> Fault:
        """Turn a switch on. Raises UnknownFault or BadFault."""
        if target not in self._kinds:
            raise UnknownFault(f"there is no target {target!r}; there are {', '.join(sorted(self._kinds))}")
        if fault not in self._kinds[target]:
            raise UnknownFault(f"{target} has no fault {fault!r}; GET /sandbox/faults lists those it has")
        if times is not None and times < 1:
            raise BadFault("`times` is at least 1, or null: until it is cleared")
        check = self._checks[target].get(fault)
        if value is not None and check:
            try:
                check(value)
            except BadFault as bad:
                raise BadFault(f"{target} {fault}: {bad}") from None
        switch = Fault(target, fault, value, times)
        self._on.append(switch)
        return switch

    def clear(self) -> None:
        self._on.clear()

    def peek(self, target: str, fault: str) -> list[Fault]:
        """The switches of this kind that are on, none used up: for faults that describe a state of the world."""
        return [f for f in self._on if f.target == target and f.fault == fault]

    def take(self, target: str, *faults: str, where: Callable[[Fault], bool] | None = None) -> Fault | None:
        """Use up one occurrence of the first switch that is on among these faults of the target.

        `where` leaves out switches that do not concern the case at hand.
        """
        for fault in self._on:
            if fault.target == target and fault.fault in faults and (where is None or where(fault)):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._on.remove(fault)
                return fault
        return None
