"""Business time: the one clock that decides what is due, late or expired."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time, in UTC."""
        ...


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SandboxClock:
    """The machine's time plus the whole seconds in a file, which the sandbox moves; read anew at every call."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=int(self._path.read_text()))


def make_clock(clock_file: str) -> Clock:
    return SandboxClock(clock_file) if clock_file else SystemClock()
