"""The whole system with the outside world, and a merchant's browser in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from tests.box import Box, open_box, open_browser
from tests.integration.onboarding.merchant import Merchant


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    """Without a worker: what it would do, the tests do when they want it."""
    async with open_box(database_url, tmp_path, worker=False) as opened:
        yield opened


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture
async def merchant(box: Box, browser: httpx.AsyncClient) -> Merchant:
    signed_in = Merchant(box, browser)
    await signed_in.sign_in()
    return signed_in
