import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import httpx
import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette

from app.sandbox.clock import VirtualClock
from app.sandbox.devnet import Devnet
from app.sandbox.faults import Faults
from chain.node import Node
from tests.integration.chain.mutants import Chain, Payment, Told
from tests.integration.chain.rpc_server import RpcServer
from tests.waiting import wait_until


@pytest.fixture
def rpc() -> Iterator[RpcServer]:
    server = RpcServer()
    yield server
    server.close()


@pytest.fixture
def outcomes() -> list[tuple[str, str]]:
    """What the node reported of its calls."""
    return []


@pytest.fixture
async def node(rpc: RpcServer, outcomes: list[tuple[str, str]]) -> AsyncIterator[Node]:
    node = Node(rpc.url, 2, on_call=lambda method, outcome: outcomes.append((method, outcome)))
    yield node
    await node.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chain]:
    """One devnet for all mutants of a module; its slots stand still unless something lands."""
    data = tmp_path_factory.mktemp("chain")
    devnet = Devnet("live", data, VirtualClock(data / "clock"), Faults(), slot_ms=0)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/sandbox/rpc"
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=devnet.routes), log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await wait_until(lambda: server.started)
    node = Node(url, 30)
    async with httpx.AsyncClient(timeout=30) as client:
        yield Chain(devnet, node, url, client)
    await node.close()
    server.should_exit = True
    with suppress(asyncio.CancelledError):
        await serving
    await devnet.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def payment(chain: Chain) -> Payment:
    return await Payment.open(chain)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(chain: Chain) -> AsyncIterator[Told]:
    """A payment that landed, and a node that says of it what a test makes it say."""
    server = RpcServer()
    node = Node(server.url, 30)
    yield await Told.open(await Payment.open(chain), server, node)
    await node.close()
    server.close()
