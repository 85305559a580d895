"""The whole system, whose jobs are done and whose chain goes on only when a test says so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.scene import Scene, open_scene


@pytest_asyncio.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_scene(database_url, tmp_path) as opened:
        yield opened
        assert await opened.box.violations() == []
