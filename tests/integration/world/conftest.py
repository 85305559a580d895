"""Parts of the world on real ports."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from app.sandbox.calls import complain
from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.serving import serving


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop the sandbox itself runs on: how a connection is closed is the loop's doing."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock(tmp_path: Path) -> VirtualClock:
    return VirtualClock(tmp_path / "clock")


@pytest.fixture
def faults() -> Faults:
    return Faults()


def listen() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


@asynccontextmanager
async def client_of(routes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with these routes."""
    listener = listen()
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = Starlette(routes=routes, exception_handlers={HTTPException: complain})
    async with serving(app, listener), httpx.AsyncClient(base_url=origin, trust_env=False) as client:
        yield client
