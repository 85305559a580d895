"""A list's filters in its address: read from it, and written into the links that lead on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TypeVar
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from app.errors import RequestInvalid
from app.portal.clues import read_clue
from app.portal.listing import Cursor, PaymentFilter
from app.records import PaymentException, PaymentStatus

V = TypeVar("V", bound=Enum)

_TEST = {"": None, "live": False, "test": True}


@dataclass(frozen=True)
class Filters:
    """What the address asks for, as it was written: the form shows it again."""

    query: str = ""
    statuses: tuple[PaymentStatus, ...] = ()
    exceptions: tuple[PaymentException, ...] = ()
    mode: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, params: QueryParams) -> "Filters":
        """Raises RequestInvalid for a word that no form of ours sends."""
        mode = params.get("mode", "")
        if mode not in _TEST:
            raise RequestInvalid(problem="the mode is live, test, or not given")
        return cls(
            query=params.get("query", "").strip(),
            statuses=_read_words(PaymentStatus, params.getlist("status")),
            exceptions=_read_words(PaymentException, params.getlist("exception")),
            mode=mode,
            since=params.get("from", ""),
            until=params.get("to", ""),
        )

    def wanted(self) -> PaymentFilter:
        """What the list is narrowed to. Raises RequestInvalid, ClueUnreadable."""
        last = _read_day(self.until)
        return PaymentFilter(
            statuses=self.statuses,
            exceptions=self.exceptions,
            test=_TEST[self.mode],
            since=_read_day(self.since),
            # The day that is named belongs to it.
            until=None if last is None else last + timedelta(days=1),
            clue=read_clue(self.query) if self.query else None,
        )

    @property
    def are_set(self) -> bool:
        return self != Filters()

    def link(self, path: str, **changes: object) -> str:
        """The address of the list at `path` with these filters, some of them changed; `cursor` joins it."""
        values: dict[str, object] = {
            "query": self.query,
            "status": self.statuses,
            "exception": self.exceptions,
            "mode": self.mode,
            "from": self.since,
            "to": self.until,
        } | changes
        pairs = [
            (name, str(word))
            for name, value in values.items()
            for word in (value if isinstance(value, (tuple, list)) else [value])
            if word not in (None, "")
        ]
        return f"{path}?{urlencode(pairs)}" if pairs else path


def read_cursor(params: Mapping[str, str]) -> Cursor | None:
    """Raises RequestInvalid."""
    text = params.get("cursor", "")
    return Cursor.read(text) if text else None


def _read_words(kind: type[V], words: Iterable[str]) -> tuple[V, ...]:
    try:
        return tuple(dict.fromkeys(kind(word) for word in words if word))
    except ValueError:
        raise RequestInvalid(problem=f"one of {', '.join(words)} is not known") from None


def _read_day(text: str) -> datetime | None:
    """The beginning of a day, UTC."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise RequestInvalid(problem="a day is written like 2026-11-20") from None
    if not 2000 <= day.year <= 2999:
        raise RequestInvalid(problem="a day is written like 2026-11-20")
    return day
