"""The house with nothing outside: the portal needs only the database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.house import House, make_settings, open_house


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(make_settings(database_url, tmp_path)) as opened:
        yield opened
