"""The virtual clock of the sandbox: real time plus an offset that can only grow."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

# Farther ahead, the sandbox's certificates and the calendar's own end would be what fails.
LONGEST_OFFSET_SECONDS = 100 * 366 * 86_400


class VirtualClock:
    """Time for the outside world and, through the file, for Settle's own processes.

    The file holds the offset in whole seconds, as text; it is replaced atomically, so a reader never sees half of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset_seconds = int(path.read_text()) if path.exists() else 0
        self.listeners: list[Callable[[int], None]] = []
        self._write()

    def now(self) -> datetime:
        """The current virtual time, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)

    def advance(self, seconds: int) -> None:
        """Move time forward and tell every listener by how many seconds.

        Raises ValueError for a step back, and for one beyond a hundred years.
        """
        if seconds < 0:
            raise ValueError("time only moves forward")
        if self.offset_seconds + seconds > LONGEST_OFFSET_SECONDS:
            raise ValueError("the sandbox lives a hundred years at most")
        self.offset_seconds += seconds
        self._write()
        for listener in self.listeners:
            listener(seconds)

    def _write(self) -> None:
        draft = self.path.with_suffix(".new")
        draft.write_text(str(self.offset_seconds))
        os.replace(draft, self.path)
