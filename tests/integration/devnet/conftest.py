"""A devnet behind a real server, its slots in the test's hand."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from solana.rpc.async_api import AsyncClient
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from app.sandbox.clock import VirtualClock
from app.sandbox.devnet import Devnet
from app.sandbox.faults import Faults
from tests.integration.devnet.running import Running
from tests.waiting import wait_until


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: pytest has its own."""

    def install_signal_handlers(self) -> None:
        return


@asynccontextmanager
async def serving(routes: list[BaseRoute]) -> AsyncIterator[str]:
    """Serve routes on a free port; the origin."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(Starlette(routes=routes), log_level="warning", lifespan="off", ws="websockets-sansio")
    config.timeout_graceful_shutdown = 1
    server = _QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def clock(tmp_path: Path) -> VirtualClock:
    return VirtualClock(tmp_path / "clock")


@pytest.fixture
def open_devnet(tmp_path: Path, clock: VirtualClock, faults: Faults) -> Callable[..., Devnet]:
    """Open the devnet under the test's folder; again after it was stopped: the same one."""

    def open_it(*, slot_ms: int = 0, finality_slots: int = 32) -> Devnet:
        return Devnet("live", tmp_path, clock, faults, slot_ms=slot_ms, finality_slots=finality_slots)

    return open_it


@pytest_asyncio.fixture
async def running(open_devnet: Callable[..., Devnet], faults: Faults) -> AsyncIterator[Running]:
    """A devnet whose slots only the test advances, on a port, with solana-py's client."""
    devnet = open_devnet()
    await devnet.start()
    async with serving(devnet.routes) as origin:
        url = f"{origin}/sandbox/rpc"
        async with AsyncClient(url) as client:
            yield Running(devnet, url, client, faults)
        await devnet.stop()
