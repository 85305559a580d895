"""The command line that the rehearsals' terminals share."""

from collections.abc import Iterator

import pytest

from app import gauges
from tests.integration.playbooks.terminal import CommandLine


@pytest.fixture(scope="session")
def command_line() -> Iterator[CommandLine]:
    opened = CommandLine()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(autouse=True)
def _fresh_gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape sees what is, not what was two seconds ago."""
    monkeypatch.setattr(gauges, "GAUGES_SECONDS", 0)
