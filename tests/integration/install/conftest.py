"""The whole system with the outside world, and a merchant's browser in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from tests.box import Box, open_box


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    """Without a worker: what it would do, the tests do when they want it."""
    async with open_box(database_url, tmp_path, worker=False) as opened:
        yield opened


@pytest_asyncio.fixture
async def browser(box: Box) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that follows redirects and keeps cookies."""
    async with httpx.AsyncClient(follow_redirects=True, headers={"Accept": "text/html"}, timeout=30) as client:
        yield client
