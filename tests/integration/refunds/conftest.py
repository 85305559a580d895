"""The whole system on a database of its own; after each test the coherence checker must find nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.box import Box, open_box


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path) as opened:
        yield opened
        assert await opened.violations() == []
