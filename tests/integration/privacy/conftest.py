"""The whole system with the outside world, a worker that does what it is told, and a way to ask as Shopify does."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from tests.box import Box, open_box, open_browser


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path, upkeep_seconds=86_400, expiry_poll_ms=200) as opened:
        yield opened


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with open_browser() as opened:
        yield opened
