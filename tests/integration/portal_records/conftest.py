"""What the portal reads: rows in a database whose outside world is nowhere, or those that the whole system made."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest_asyncio

from app.database import Connection
from app.records import Merchant
from app.system import System
from tests.box import Box, open_box
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


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    """The whole system; after each test the coherence checker must find nothing."""
    async with open_box(database_url, tmp_path) as opened:
        yield opened
        assert await opened.violations() == []


async def merchant_of(box: Box) -> Merchant:
    """The sandbox's merchant, as it is now."""
    [row] = await box.house.rows("SELECT * FROM merchants")
    return Merchant.from_row(row)
