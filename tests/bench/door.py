"""Shopify's door: how many payment sessions a second, compared with a server that only inserts; and its queries."""

import dataclasses
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from app.settings import Settings
from tests.bench import ground
from tests.bench.figures import Figure, Target, figure_of_count, figure_of_ratio
from tests.house import SHOP, free_port, make_settings, open_house, session_body

# What load.py tells of each round, and the setting that has a door's port.
Rounds = list[dict[str, float]]
Port = Literal["shopify_port", "public_port"]

CONNECTIONS = 32
ROUNDS = 7
ROUND_SECONDS = 2.5
SESSIONS_COUNTED = 20


async def measure_door() -> list[Figure]:
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            # One set of settings for both: the merchant's secrets are sealed under its keys.
            settings = make_settings(dsn, data, snapshot_refresh_ms=60_000)
            counts = await count_initiation_queries(settings)
            settle, bare = await measure_rates(
                settings, data, "tests.bench.bare_door", "shopify_port", str(data / "tls")
            )
    return [
        *compare("POST /shopify/payment", "request", settle, bare, Target(0.5, at_least=True)),
        figure_of_count("queries per initiation", counts, Target(2), note=f"{counts[-1]} when the merchant is known"),
    ]


def compare(what: str, one: str, settle: Rounds, bare: Rounds, target: Target) -> list[Figure]:
    """Rates of two servers that were asked in turns, and what one request (`one`) takes of the processor of each."""
    our_cpu, their_cpu = ([round_["server_us"] for round_ in rounds] for rounds in (settle, bare))
    best, best_bare = (max(rounds, key=lambda round_: round_["rate"]) for rounds in (settle, bare))
    return [
        figure_of_ratio(
            f"{what}, {CONNECTIONS} connections: rate of Settle / of the one INSERT",
            [round_["rate"] for round_ in settle],
            [round_["rate"] for round_ in bare],
            target,
            note=f"{best['rate']:.0f}/s, p99 {best['p99_ms']:.0f} ms / {best_bare['rate']:.0f}/s, "
            f"p99 {best_bare['p99_ms']:.0f} ms",
        ),
        figure_of_ratio(
            f"  processor time of the server process per {one}",
            our_cpu,
            their_cpu,
            note=f"{min(our_cpu):.0f} us / {min(their_cpu):.0f} us",
        ),
    ]


async def count_initiation_queries(settings: Settings) -> list[int]:
    """Statements sent to the database by each of some payment sessions, the first one of the merchant's included.

    What the driver asks once per connection (the types of enums, while it prepares a statement) is not among them.
    """
    counts = []
    async with open_house(settings) as house:
        # Opens the connection and prepares its statements; from then on the merchant only has to be read again.
        (await house.post_session(session_body())).raise_for_status()
        house.system.merchants.forget(SHOP)
        for _ in range(SESSIONS_COUNTED):
            before = len(house.queries)
            (await house.post_session(session_body())).raise_for_status()
            counts.append(len(house.queries) - before)
    return counts


async def measure_rates(settings: Settings, data: Path, bare: str, port: Port, *load: str) -> tuple[Rounds, Rounds]:
    """Rounds of Settle's door and of the module `bare`, in turns; `load` are load.py's arguments.

    No node is there, and none is needed; nor is there a worker, which would take its share of the machine.
    """
    bare_settings = dataclasses.replace(settings, shopify_port=free_port(), public_port=free_port())
    with ExitStack() as stack:
        servers = []
        for name, command, its in (
            ("settle", ground.settle("serve"), settings),
            ("bare", ground.module(bare), bare_settings),
        ):
            log, number = data / f"{name}.log", getattr(its, port)
            running = stack.enter_context(ground.process(command, ground.environment_of(its), log))
            await ground.wait_for_port(number, running, log)
            servers.append((running.pid, number))
        return _run_in_turns(stack.enter_context(_load_generator(*load)), servers)


def _run_in_turns(ask: Any, servers: list[tuple[int, int]]) -> tuple[Rounds, Rounds]:
    """The rounds of two servers, given by process id and port; the one that is not asked waits."""
    for pid, port in servers:  # connections are opened, statements prepared
        _run_round(ask, pid, port, 1)
    rounds: tuple[Rounds, Rounds] = ([], [])
    for turn in range(ROUNDS):
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        for which in order:
            rounds[which].append(_run_round(ask, *servers[which], ROUND_SECONDS))
    return rounds


def _run_round(ask: Any, pid: int, port: int, seconds: float) -> dict[str, float]:
    before = ground.cpu_seconds(pid)
    result: dict[str, float] = ask({"port": port, "connections": CONNECTIONS, "seconds": seconds})
    if result["failed"]:
        raise RuntimeError(f"{result['failed']:.0f} requests failed")
    return result | {"server_us": (ground.cpu_seconds(pid) - before) / result["requests"] * 1e6}


@contextmanager
def _load_generator(*what: str) -> Iterator[Any]:
    """A function that gives load.py an order and returns its answer; `what` are its arguments."""
    command = ground.module("tests.bench.load", *what)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        stdin, stdout = running.stdin, running.stdout

        def ask(order: dict[str, float]) -> dict[str, float]:
            stdin.write(json.dumps(order) + "\n")
            stdin.flush()
            answer: dict[str, float] = json.loads(stdout.readline())
            return answer

        try:
            yield ask
        finally:
            stdin.close()
            running.wait(10)
