"""Restarted at random moments while customers pay: nobody at a door is refused or cut off, and no job is lost.

The seed is printed; SETTLE_TEST_SEED repeats the same restarts at the same moments.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos.town import Town, begun
from tests.conftest import Scale
from tests.house import SHOP, VERSION, client_context, session_body
from tests.sandbox_process import Activated, Program, make_folder, run_settle
from tests.waiting import wait_until

PROCESSES = 2
CUSTOMERS = 2
PAUSE_SECONDS = (0.2, 1.5)
# What is done again and again: new door processes one by one, the whole of `settle serve` anew, a worker anew.
RESTARTS = ("renew", "serve", "worker")
# Longer than a restart takes on a busy machine: whoever connects meanwhile waits.
ANSWER_SECONDS = 60
BUGS = {"request_failed", "job_failed", "settle_failed", "serve_process_ended", "serve_process_killed"}


class Station(Town):
    """Doors of several processes behind sockets that the test keeps, as systemd does, and two workers."""

    serve: Activated

    def __init__(self, folder: Path, slot_ms: int) -> None:
        super().__init__(folder, slot_ms)
        self.serve = Activated(f"serve --workers {PROCESSES}", self.world, job_poll_ms="200")
        self.workers = [Program("worker", self.world, name=f"worker-{number}", job_poll_ms="200") for number in (1, 2)]

    @property
    def programs(self) -> tuple[Program, ...]:
        return self.serve, *self.workers

    @property
    def public(self) -> str:
        return f"http://127.0.0.1:{self.world.ports[1]}"


@dataclass
class Restarter:
    """Restarts, as an operator does."""

    station: Station
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)
    # How often each program was ended, by its log.
    lives: Counter[str] = field(default_factory=Counter)

    def plan(self, count: int) -> list[str]:
        """Every kind once, the rest as the dice fall."""
        kinds = [*RESTARTS, *(self.dice.choice(RESTARTS) for _ in range(count - len(RESTARTS)))]
        self.dice.shuffle(kinds)
        return kinds

    async def run(self, count: int) -> None:
        for kind in self.plan(count):
            await asyncio.sleep(self.dice.uniform(*PAUSE_SECONDS))
            if kind == "renew":
                await self._renew()
            else:
                program = self.station.serve if kind == "serve" else self.dice.choice(self.station.workers)
                await self._restart(program)
            self.done[kind] += 1

    async def _renew(self) -> None:
        await self._until_begun(self.station.serve)
        before = self.station.serve.said("serve_processes_renewed")
        assert self.station.serve.process is not None
        self.station.serve.process.send_signal(signal.SIGHUP)
        await wait_until(lambda: self.station.serve.said("serve_processes_renewed") > before, 90, "all are renewed")

    async def _until_begun(self, program: Program) -> None:
        """Until it has, in this life of its: what is told to stop before ends at once, and has done nothing."""
        word = "serve_processes_open" if program is self.station.serve else "worker_started"

        def has_begun() -> bool:
            return program.said(word) > self.lives[program.log.name]

        await wait_until(has_begun, 90, f"{program.log.stem} has begun")

    async def _restart(self, program: Program) -> None:
        await self._until_begun(program)
        assert await asyncio.to_thread(program.end, signal.SIGTERM, 40) == 0
        self.lives[program.log.name] += 1
        program.start()


@dataclass
class Visitors:
    """Everybody who comes to a door. The first that is not served ends the test."""

    station: Station
    until: asyncio.Event
    served: Counter[str] = field(default_factory=Counter)
    bought: list[dict[str, Any]] = field(default_factory=list)
    slowest_seconds: float = 0

    async def come(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CUSTOMERS):
                group.create_task(self._again(self._buy))
            group.create_task(self._again(self._send_session))
            async with httpx.AsyncClient(base_url=self.station.public, timeout=ANSWER_SECONDS) as kept:
                # One that keeps its connection, and one that opens another for each request.
                await asyncio.gather(self._again(lambda: self._look(kept)), self._again(self._look_anew))

    async def _again(self, visit: Callable[[], Awaitable[None]]) -> None:
        while not self.until.is_set():
            began = time.monotonic()
            await visit()
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)

    async def _buy(self) -> None:
        """The store sends the session; the customer watches the page, pays, and is told so by the page."""
        checkout = await self.station.checkout()
        watching = asyncio.create_task(self._watch(checkout))
        wallet = await self.station.wallet()
        paid = await self.station.pay(wallet, checkout)
        assert paid.status_code == 200, paid.text
        self.bought.append(checkout)
        await watching
        self.served["bought"] += 1
        await asyncio.sleep(0.1)

    async def _watch(self, checkout: dict[str, Any]) -> None:
        """The page's stream until it says that the payment is there, opened anew when it ends."""
        page = checkout["redirect_url"]
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as browser, asyncio.timeout(2 * ANSWER_SECONDS):
            while True:
                # A stream that is cut off, and not ended, raises here.
                async with browser.stream("GET", f"{page}/events") as stream:
                    assert stream.status_code == 200, stream.status_code
                    async for line in stream.aiter_lines():
                        if line.startswith("data: {") and json.loads(line[6:])["status"] == "completed":
                            return
                self.served["streams ended by a door"] += 1

    async def _send_session(self) -> None:
        """Shopify itself, over a new connection each time."""
        tls = self.station.world.data / "tls"
        context = client_context(tls, tls / "shopify-client.crt", tls / "shopify-client.key")
        headers = {"Shopify-Shop-Domain": SHOP, "Shopify-Api-Version": VERSION}
        url = f"https://127.0.0.1:{self.station.world.ports[2]}/shopify/payment"
        async with httpx.AsyncClient(verify=context, timeout=ANSWER_SECONDS) as shopify:
            answer = await shopify.post(url, json=session_body(), headers=headers)
        assert answer.status_code == 200, answer.text
        self.served["sessions"] += 1
        await asyncio.sleep(0.05)

    async def _look(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/health")).status_code == 200
        self.served["looks"] += 1
        await asyncio.sleep(0.02)

    async def _look_anew(self) -> None:
        async with httpx.AsyncClient(base_url=self.station.public, timeout=ANSWER_SECONDS) as client:
            await self._look(client)


@pytest.mark.timeout(3600)
async def test_restarted_under_load_nobody_is_refused_and_no_job_is_lost(scale: Scale) -> None:
    seed = int(os.environ.get("SETTLE_TEST_SEED") or random.randrange(2**32))
    print(f"SETTLE_TEST_SEED={seed}")
    for folder in make_folder():
        with begun(Station(folder, slot_ms=50)) as station:
            async with station.connected():
                station.outside.timeout = httpx.Timeout(ANSWER_SECONDS)
                await station.until_open()
                visitors, restarter = Visitors(station, asyncio.Event()), Restarter(station, random.Random(seed))
                async with asyncio.TaskGroup() as group:
                    group.create_task(visitors.come())
                    await restarter.run(scale.pick(3, 100))
                    visitors.until.set()
                print(f"restarts {dict(restarter.done)}, served {dict(visitors.served)}")
                print(f"the slowest visit took {visitors.slowest_seconds:.1f} s")
                assert visitors.served.keys() == {"bought", "sessions", "looks", "streams ended by a door"}
                for checkout in visitors.bought:
                    await station.until_completed(checkout)
                    await station.assert_resolved_once(checkout)
                assert await station.rows("SELECT kind, status FROM jobs WHERE status IN ('running', 'dead')") == []
            for program in station.programs:
                assert [line for line in program.lines() if json.loads(line)["action"] in BUGS] == []
                assert program.end(signal.SIGTERM) == 0
            checked = run_settle("check", "--chain", environment=station.world.environment())
            assert checked.returncode == 0, checked.stdout + checked.stderr
