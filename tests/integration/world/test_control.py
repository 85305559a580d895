"""Fault switches and the clock, through the control calls."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.sandbox.clock import VirtualClock
from app.sandbox.control import Control
from app.sandbox.faults import TRANSPORT, Faults
from tests.integration.world.conftest import client_of


@pytest.fixture
async def client(clock: VirtualClock, faults: Faults) -> AsyncIterator[httpx.AsyncClient]:
    faults.register("trm", {"flag": "severe risk"})
    async with client_of(Control(clock, faults).routes) as client:
        yield client


async def test_a_switch_is_shown_until_it_is_cleared(client: httpx.AsyncClient) -> None:
    switch = {"target": "trm", "fault": "status", "value": 500, "times": 5}
    answer = await client.post("/sandbox/faults", json=switch)
    assert (answer.status_code, answer.json()) == (201, switch)
    shown = (await client.get("/sandbox/faults")).json()
    assert shown["on"] == [switch]
    assert set(shown["kinds"]["trm"]) == {"flag", *TRANSPORT}
    cleared = await client.delete("/sandbox/faults")
    assert (cleared.status_code, cleared.json()["on"]) == (200, [])
    assert (await client.get("/sandbox/faults")).json()["on"] == []


async def test_value_and_times_may_be_missing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/sandbox/faults", json={"target": "trm", "fault": "drop"})
    assert answer.json() == {"target": "trm", "fault": "drop", "value": None, "times": None}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"target": "nowhere", "fault": "drop"}, "nowhere"),
        ({"target": "trm", "fault": "sneeze"}, "sneeze"),
        ({"target": "trm", "fault": "status", "value": 42}, "200 to 599"),
        ({"target": "trm", "fault": "status", "value": True}, "200 to 599"),
        ({"target": "trm", "fault": "delay", "value": -1}, "number"),
        ({"target": "trm", "fault": "drop", "times": 0}, "times"),
        ({"target": "trm", "fault": "drop", "times": "many"}, "times"),
        ({"target": "trm", "fault": "drop", "times": True}, "times"),
        ({"target": "trm", "fault": "drop", "time": 5}, "time"),
        ({"fault": "drop"}, "target"),
        ({"target": "trm"}, "fault"),
        ([], "object"),
    ],
)
async def test_a_senseless_switch_is_refused_with_a_sentence(client: httpx.AsyncClient, body: Any, word: str) -> None:
    answer = await client.post("/sandbox/faults", json=body)
    assert answer.status_code == 422
    assert word in answer.json()["message"]


@pytest.mark.parametrize("path", ["/sandbox/faults", "/sandbox/clock"])
@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe"])
async def test_bad_json_is_400(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_the_clock_advances_and_tells_its_listeners(client: httpx.AsyncClient, clock: VirtualClock) -> None:
    told: list[int] = []
    clock.listeners.append(told.append)
    answer = await client.post("/sandbox/clock", json={"advance_seconds": 3600})
    assert answer.status_code == 200
    assert answer.json()["offset_seconds"] == 3600
    ahead = datetime.fromisoformat(answer.json()["now"]) - datetime.now(UTC)
    assert 3590 < ahead.total_seconds() <= 3600
    assert told == [3600]
    assert (await client.get("/sandbox/clock")).json()["offset_seconds"] == 3600


async def test_the_clock_keeps_its_offset_over_a_restart(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await client.post("/sandbox/clock", json={"advance_seconds": 60})
    assert VirtualClock(tmp_path / "clock").offset_seconds == 60


@pytest.mark.parametrize("seconds", [-1, 1.5, "60", None, True, 10**12])
async def test_a_senseless_step_of_time_is_refused(client: httpx.AsyncClient, seconds: Any) -> None:
    answer = await client.post("/sandbox/clock", json={"advance_seconds": seconds})
    assert answer.status_code == 422
    assert "advance_seconds" in answer.json()["message"]
    assert (await client.get("/sandbox/clock")).json()["offset_seconds"] == 0


async def test_health(client: httpx.AsyncClient) -> None:
    assert (await client.get("/sandbox/health")).json()["status"] == "ok"
