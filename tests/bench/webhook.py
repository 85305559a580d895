"""Shopify's webhooks: how many are acknowledged in a second, compared with a server that only inserts them."""

from contextlib import ExitStack
from pathlib import Path

import msgspec

from tests.bench import ground
from tests.bench.door import compare, load_generator, run_in_turns
from tests.bench.figures import Figure, Target
from tests.house import free_port, make_settings


async def measure_webhook() -> list[Figure]:
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            settle, bare = await _measure_rates(dsn, data)
    return compare("POST /webhooks/shopify/...", "webhook", settle, bare, Target(0.4, at_least=True))


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
