"""The whole system with two nodes, whose faults are `rpc` and `rpc-b`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.box import Box, open_box

TWO_NODES = "WORLD/sandbox/rpc,WORLD/sandbox/rpc-b"


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    # A node that answers is never that late, even on a busy machine.
    settings = {"rpc_urls": TWO_NODES, "rpc_timeout_seconds": 3, "node_check_ms": 200}
    async with open_box(database_url, tmp_path, **settings) as opened:
        yield opened
        await opened.mend()
        assert await opened.violations() == []
