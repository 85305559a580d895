"""Shopify's webhooks: how many are acknowledged in a second, compared with a server that only inserts them."""

from contextlib import ExitStack
from pathlib import Path

import msgspec

from tests.bench import ground
from tests.bench.door import CONNECTIONS, load_generator, run_in_turns
from tests.bench.figures import Figure, Target, figure_of_ratio
from tests.house import free_port, make_settings


async def measure_webhook() -> list[Figure]:
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            settle, bare = await _measure_rates(dsn, data)
    best, best_bare = (max(rounds, key=lambda round_: round_["rate"]) for rounds in (settle, bare))
    our_cpu, their_cpu = ([round_["server_us"] for round_ in rounds] for rounds in (settle, bare))
    return [
        figure_of_ratio(
            f"POST /webhooks/shopify/..., {CONNECTIONS} connections: rate of Settle / of the one INSERT",
            [round_["rate"] for round_ in settle],
            [round_["rate"] for round_ in bare],
            Target(0.4, at_least=True),
            note=f"{best['rate']:.0f}/s, p99 {best['p99_ms']:.0f} ms / {best_bare['rate']:.0f}/s, "
            f"p99 {best_bare['p99_ms']:.0f} ms",
        ),
        figure_of_ratio(
            "  processor time of the server process per webhook",
            our_cpu,
            their_cpu,
            note=f"{min(our_cpu):.0f} us / {min(their_cpu):.0f} us",
        ),
    ]


async def _measure_rates(dsn: str, data: Path) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    # No node is there, and none is needed; nor is there a worker, which would take its share of the machine.
    settings = make_settings(dsn, data, snapshot_refresh_ms=60_000)
    bare_settings = msgspec.structs.replace(settings, shopify_port=free_port(), public_port=free_port())
    with ExitStack() as stack:
        servers = []
        for name, command, its in (
            ("settle", ground.settle("serve"), settings),
            ("bare", ground.module("tests.bench.bare_inbox"), bare_settings),
        ):
            log = data / f"{name}.log"
            running = stack.enter_context(ground.process(command, ground.environment_of(its), log))
            await ground.wait_for_port(its.public_port, running, log)
            servers.append((running.pid, its.public_port))
        return run_in_turns(stack.enter_context(load_generator("--webhooks")), servers)
