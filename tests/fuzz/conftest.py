"""Both doors with the outside world nowhere: what needs it answers 503 then, and nothing else may be a 5xx."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.fuzz.inputs import SEED
from tests.house import House, make_settings, open_house


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    print(f"SETTLE_TEST_SEED={SEED}")
    async with open_house(make_settings(database_url, tmp_path)) as opened:
        yield opened
        assert (await opened.public.get("/health")).status_code == 200
