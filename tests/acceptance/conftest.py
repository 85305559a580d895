"""What the browser tests of the checkout share: one system for each module, since it takes long to start."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.box import open_box
from tests.customers import Counter, open_counter


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
