"""Faults of the transport, through real connections."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.sandbox.faults import Faults
from app.sandbox.transport import FaultyTransport
from tests.integration.world.conftest import client_of
from tests.waiting import wait_until

BODY = {"said": "hello, world"}


class Service:
    """Counts what it was really asked to do."""

    def __init__(self, faults: Faults) -> None:
        faults.register("service")
        self.done = 0
        self.sockets: list[WebSocket] = []
        self.routes = [Route("/do", self.do, methods=["GET", "POST"]), WebSocketRoute("/talk", self.talk)]
        for route in self.routes:
            route.app = FaultyTransport(route.app, faults, "service")

    async def do(self, request: Request) -> Response:
        await request.body()
        self.done += 1
        return JSONResponse(BODY)

    async def talk(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.sockets.append(websocket)
        try:
            while True:
                text = await websocket.receive_text()
                self.done += 1
                await websocket.send_text(json.dumps({"echo": text}))
        except WebSocketDisconnect:
            self.sockets.remove(websocket)


@pytest.fixture
def service(faults: Faults) -> Service:
    return Service(faults)


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service.routes) as client:
        yield client


@asynccontextmanager
async def talk_to(client: httpx.AsyncClient) -> AsyncIterator[websockets.ClientConnection]:
    url = str(client.base_url).replace("http", "ws", 1).rstrip("/") + "/talk"
    async with websockets.connect(url, proxy=None) as connection:
        yield connection


async def test_without_a_fault_everything_passes(client: httpx.AsyncClient) -> None:
    assert (await client.get("/do")).json() == BODY


@pytest.mark.parametrize("status", [500, 502, 503, 404, 599])
async def test_status_answers_it_and_does_nothing(
    client: httpx.AsyncClient, faults: Faults, service: Service, status: int
) -> None:
    faults.set("service", "status", status, times=1)
    assert (await client.post("/do", content=b"x" * 200_000)).status_code == status
    assert service.done == 0
    assert (await client.get("/do")).status_code == 200


async def test_a_rate_limit_says_when_to_come_again(
    client: httpx.AsyncClient, faults: Faults, service: Service
) -> None:
    faults.set("service", "rate_limit", 7, times=1)
    answer = await client.get("/do")
    assert (answer.status_code, answer.headers["Retry-After"], service.done) == (429, "7", 0)


async def test_a_delay_waits_and_then_does_it(client: httpx.AsyncClient, faults: Faults, service: Service) -> None:
    faults.set("service", "delay", 0.2, times=1)
    began = time.monotonic()
    assert (await client.get("/do")).json() == BODY
    assert time.monotonic() - began >= 0.2
    assert service.done == 1


async def test_a_delay_and_another_fault_add_up(client: httpx.AsyncClient, faults: Faults, service: Service) -> None:
    faults.set("service", "status", 503)
    faults.set("service", "delay", 0.1)
    began = time.monotonic()
    assert (await client.get("/do")).status_code == 503
    assert time.monotonic() - began >= 0.1
    assert service.done == 0


@pytest.mark.parametrize("size", [0, 10, 300_000])
async def test_drop_closes_the_connection_without_doing_anything(
    client: httpx.AsyncClient, faults: Faults, service: Service, size: int
) -> None:
    faults.set("service", "drop", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await client.post("/do", content=b"x" * size)
    assert service.done == 0
    assert (await client.get("/do")).status_code == 200


async def test_a_lost_answer_has_been_done(client: httpx.AsyncClient, faults: Faults, service: Service) -> None:
    faults.set("service", "lost_answer", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await client.post("/do", content=b"{}")
    assert service.done == 1


async def test_broken_json_is_half_of_the_answer(client: httpx.AsyncClient, faults: Faults, service: Service) -> None:
    faults.set("service", "broken_json", times=1)
    answer = await client.get("/do")
    whole = (await client.get("/do")).content
    assert answer.status_code == 200
    assert answer.content == whole[: len(whole) // 2]
    assert service.done == 2


async def test_one_faulty_connection_leaves_the_others_alone(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.set("service", "drop", times=3)
    answers = await asyncio.gather(*(client.get("/do") for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, httpx.RemoteProtocolError) for answer in answers) == 3
    assert sum(isinstance(answer, httpx.Response) for answer in answers) == 7


async def test_a_websocket_can_be_refused_at_the_handshake(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.set("service", "status", 503, times=1)
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with talk_to(client):
            pass
    assert refused.value.response.status_code == 503
    async with talk_to(client) as connection:
        await connection.send("hello")
        assert json.loads(await connection.recv()) == {"echo": "hello"}


async def test_a_websocket_can_be_dropped_at_the_handshake(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.set("service", "drop", times=1)
    with pytest.raises(websockets.InvalidMessage):
        async with talk_to(client):
            pass


async def test_drop_closes_an_open_websocket(client: httpx.AsyncClient, faults: Faults, service: Service) -> None:
    async with talk_to(client) as connection:
        await connection.send("one")
        await connection.recv()
        faults.set("service", "drop", times=1)
        await connection.send("two")
        with pytest.raises(websockets.ConnectionClosedError):
            await connection.recv()
    assert service.done == 1
    await wait_until(lambda: not service.sockets)


async def test_a_websockets_answer_can_be_lost_or_broken(
    client: httpx.AsyncClient, faults: Faults, service: Service
) -> None:
    async with talk_to(client) as connection:
        faults.set("service", "broken_json", times=1)
        await connection.send("one")
        text = await connection.recv()
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        faults.set("service", "lost_answer", times=1)
        await connection.send("two")
        with pytest.raises(websockets.ConnectionClosedError):
            await connection.recv()
    assert service.done == 2


async def test_a_network_that_is_down_ends_a_websocket_at_its_next_message(
    client: httpx.AsyncClient, faults: Faults, service: Service
) -> None:
    async with talk_to(client) as connection:
        await wait_until(lambda: service.sockets)
        faults.set("service", "drop")
        await service.sockets[0].send_text("something happened")
        with pytest.raises(websockets.ConnectionClosedError):
            await connection.recv()
