"""The command line that the rehearsals' terminals share."""

from collections.abc import Iterator

import pytest

from tests.integration.playbooks.terminal import CommandLine


@pytest.fixture(scope="session")
def command_line() -> Iterator[CommandLine]:
    opened = CommandLine()
    try:
        yield opened
    finally:
        opened.close()
