"""The process in which request.py measures: python -m tests.bench.request_process KNOWN RESULT ROUNDS.

It serves the public door as `settle serve` does, asks it over sockets, eight wallets at once, and builds the bare
transaction once after each. KNOWN names the wallets that the outside knows; microseconds of each round go to RESULT.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import uvicorn
import uvloop
from solders.pubkey import Pubkey
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import chain.rpc
from app.logs import configure_logs
from app.page_feed import PaymentFeed
from app.payments.initiation import open_payment
from app.screening.trm import TrmScreener
from app.settings import Settings, load
from app.shopify.payloads import read_payment_session
from app.system import System
from handlers.public_door import make_public_door
from tests.bench.bare import build_bare, make_order
from tests.bench.meter import MeteredDatabase, MeteredDoor, MeteredHttp, MeteredRpc, Metering, measure_metering
from tests.house import SHOP, VERSION, session_body
from tests.waiting import wait_until

AT_ONCE = 8
HOT_BUILDS = 60


class MeteredProtocol(HttpToolsProtocol):
    """Sums the time that reading requests takes; asking one at a time is not needed for a sum."""

    seconds = 0.0

    def data_received(self, data: bytes) -> None:
        began = time.thread_time()
        super().data_received(data)
        MeteredProtocol.seconds += time.thread_time() - began


async def open_systems(settings: Settings) -> tuple[System, System]:
    """A system as it is, and the same with what goes outside measured."""
    # For good: a node's client is made when it is first asked.
    patch.object(chain.rpc, "AsyncClient", MeteredRpc).start()
    system = await System.open(settings)
    trm = MeteredHttp(base_url=settings.trm_url, timeout=settings.trm_timeout_seconds, trust_env=False)
    database: Any = MeteredDatabase(system.database)
    screener = TrmScreener(trm, settings.trm_api_key, settings.trm_risk_level)
    return system, dataclasses.replace(system, database=database, screener=screener)


@contextlib.asynccontextmanager
async def serving(system: System, beside: Callable[[], object]) -> AsyncIterator[MeteredDoor]:
    """The public door with its background refreshing, as handlers/serving.py has them."""
    stop = asyncio.Event()
    door = MeteredDoor(make_public_door(system, PaymentFeed(), stop), beside)
    config = uvicorn.Config(
        door,
        port=system.settings.public_port,
        http=MeteredProtocol,
        loop="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    tasks = [asyncio.create_task(server.serve())]
    tasks += [asyncio.create_task(parts.snapshots.run(stop)) for parts in system.clusters.values()]
    try:
        await wait_until(lambda: server.started, what="the door is open")
        yield door
    finally:
        stop.set()
        server.should_exit = True
        await asyncio.gather(*tasks)


async def ask_all(client: httpx.AsyncClient, paths: list[str], wallets: list[str]) -> None:
    async def ask(path: str, wallet: str) -> None:
        answer = await client.post(path, json={"account": wallet})
        if answer.status_code != 200:
            raise RuntimeError(answer.text)

    for begin in range(0, len(paths), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        await asyncio.gather(*(ask(*pair) for pair in zip(paths[some], wallets[some], strict=True)))


async def make_paths(system: System, count: int) -> list[str]:
    """Transaction requests of new payments: no wallet has asked for any of them."""
    paths = []
    for _ in range(count):
        session = read_payment_session(json.dumps(session_body()).encode())
        opened = await open_payment(system, SHOP, VERSION, session)
        paths.append(f"/transactions/payment/{opened.payment.id}")
    return paths


def bare_builder(wallets: list[Pubkey]) -> Callable[[], object]:
    """Builds the bare transaction for one wallet after the other."""
    order, turns = make_order(), itertools.cycle(wallets)
    return lambda: build_bare(order, next(turns))


def time_hot(build: Callable[[], object]) -> float:
    """Microseconds of a build in a loop, with nothing in between."""
    began = time.thread_time()
    for _ in range(HOT_BUILDS):
        build()
    return (time.thread_time() - began) / HOT_BUILDS * 1e6


async def measure(settings: Settings, wallets: list[str], rounds: int) -> dict[str, list[float]]:
    plain, system = await open_systems(settings)
    build = bare_builder([Pubkey.from_string(wallet) for wallet in wallets])
    names = ("ours", "server", "bare", "hot", "rpc", "queries", "metering")
    result: dict[str, list[float]] = {name: [] for name in names}
    async with serving(system, build) as door, httpx.AsyncClient(base_url=settings.public_url, timeout=30) as client:
        await ask_all(client, await make_paths(plain, len(wallets)), wallets)  # to be warm
        for _ in range(rounds):
            paths = await make_paths(plain, len(wallets))
            door.accounts.clear()
            door.beside_seconds.clear()
            MeteredProtocol.seconds = 0.0
            await ask_all(client, paths, wallets)
            _note(result, door, await measure_metering())
            result["hot"].append(time_hot(build))
    await plain.close()
    return result


def _note(result: dict[str, list[float]], door: MeteredDoor, metering: Metering) -> None:
    accounts, count = door.accounts, len(door.accounts)
    reading = MeteredProtocol.seconds
    added = sum(metering.cost(account) for account in accounts)
    result["ours"].append((sum(account.ours for account in accounts) - added) / count * 1e6)
    result["bare"].append(sum(door.beside_seconds) / count * 1e6)
    result["metering"].append(added / count * 1e6)
    result["server"].append((sum(account.server for account in accounts) + reading) / count * 1e6)
    result["rpc"].append(max(account.calls["rpc"] for account in accounts))
    result["queries"].append(max(account.calls["query"] for account in accounts))


def main() -> None:
    known, result, rounds = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), int(sys.argv[3])
    settings = load()
    configure_logs(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result.write_text(json.dumps(runner.run(measure(settings, known["wallets"], rounds))))


if __name__ == "__main__":
    main()
