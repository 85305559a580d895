"""I9: no log line shows a secret or a customer. Looks through a log for what must not be there."""

import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from app.coherence import Violation
from app.logs import scrub
from app.settings import Settings
from app.settings.every import names

STANDARD_INPUT = Path("-")
# A shorter secret would be found in anything.
SHORTEST_SECRET = 8
_SHAPES = {
    "an access token of Shopify's": re.compile(r"\bshp[a-z]{2}_[0-9A-Za-z_]{16,}"),
    "an Authorization header": re.compile(r"\b[Bb]earer +[\w.~+/-]{16,}"),
    "an e-mail address": re.compile(r"[\w.%+-]+@[\w-]+(\.[\w-]+)*\.[A-Za-z]{2,}\b"),
}


async def check_log(settings: Settings, path: Path) -> AsyncIterator[Violation]:
    """Every line that shows a secret of these settings, or what looks like a secret or a customer.

    `path`: the log, or `-` for standard input. One line is in memory at a time.
    """
    secrets = dict(_read_secrets(settings))
    with sys.stdin if path == STANDARD_INPUT else path.open(errors="replace") as log:
        for record, problem in _find(log, secrets):
            yield Violation("I9", record, problem)


def _find(log: TextIO, secrets: dict[str, str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(log, start=1):
        record = f"line {number}"
        for value, name in secrets.items():
            if value in line:
                yield record, f"it shows the setting {name}"
        for what, shape in _SHAPES.items():
            if shape.search(line):
                yield record, f"it shows {what}"
        for name in _find_shown(line):
            yield record, f"its field {name} is not hidden"


def _read_secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in sorted(names(secret=True)):
        given = getattr(settings, name)
        for value in given if isinstance(given, tuple) else (given,):
            # Where a key may be a file, its path is no secret.
            if isinstance(value, str) and len(value) >= SHORTEST_SECRET and not value.startswith("/"):
                yield value, name


def _find_shown(line: str) -> list[str]:
    """Fields whose names tell of a secret or a customer, and whose values are there all the same."""
    try:
        fields = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return []
    if not isinstance(fields, dict):
        return []
    hidden = scrub(fields)
    return sorted(str(name) for name, value in fields.items() if hidden[name] != value)
