"""A system whose outside world is nowhere, on a database of its own: what the portal reads is all in there."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest_asyncio

from app.database import Connection
from app.system import System
from tests.house import make_settings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest_asyncio.fixture
async def system(database_url: str, tmp_path: Path) -> AsyncIterator[System]:
    system = await System.open(make_settings(database_url, tmp_path))
    yield system
    await system.close()


@pytest_asyncio.fixture
async def connection(system: System) -> AsyncIterator[Connection]:
    async with system.database.acquire() as connection:
        yield connection
