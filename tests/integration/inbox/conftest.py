"""A system on a database of its own; at a test's end, its records must be in order."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from app.coherence import check_records
from app.system import System
from tests.house import make_settings


@pytest_asyncio.fixture
async def system(database_url: str, tmp_path: Path) -> AsyncIterator[System]:
    opened = await System.open(make_settings(database_url, tmp_path))
    try:
        yield opened
        assert [violation async for violation in check_records(opened)] == []
    finally:
        await opened.close()
