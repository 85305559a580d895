"""What the browser tests share: one system for each module, since it takes long to start."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.box import open_box
from tests.customers import Counter, open_counter
from tests.desks import Desk, open_desk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def counter(
    module_database_url: str, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Counter]:
    """The whole system and a browser. At the end nothing strange was asked, and the records agree."""
    async with (
        open_box(module_database_url, tmp_path_factory.mktemp("box")) as box,
        open_counter(box, chromium) as opened,
    ):
        yield opened
        assert await box.violations() == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_desk(
    module_database_url: str, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    """The whole system and the merchant's browser."""
    async with (
        open_box(module_database_url, tmp_path_factory.mktemp("portal")) as box,
        open_desk(box, chromium) as opened,
    ):
        yield opened
        assert await box.violations() == []


@pytest_asyncio.fixture(loop_scope="module")
async def desk(shared_desk: Desk) -> AsyncIterator[Desk]:
    """With nothing broken; no test's pages ask for anything outside this machine, or meet an error."""
    await shared_desk.box.mend()
    shared_desk.strays.clear()
    yield shared_desk
    assert shared_desk.strays == []
