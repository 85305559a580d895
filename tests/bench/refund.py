"""Refund sessions at Shopify's door: how many a second, compared with a server that only inserts."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from tests.bench import ground
from tests.bench.door import compare, load_generator, run_in_turns
from tests.bench.figures import Figure, Target
from tests.house import SHOP, free_port, make_settings
from tests.multitude import fill_shop, make_payable, settle_down

PAYMENTS = 6_000


async def measure_refund() -> list[Figure]:
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            await _fill(dsn, data / "payments")
            settle, bare = await _measure_rates(dsn, data)
    return compare("POST /shopify/refund", "refund session", settle, bare, Target(0.4, at_least=True))


async def _fill(dsn: str, file: Path) -> None:
    """A shop with paid payments; their ids go into the file."""
    connection = await asyncpg.connect(dsn)
    try:
        await fill_shop(connection, SHOP, PAYMENTS, until=datetime.now(UTC))
        paid = await make_payable(connection)
        await settle_down(connection)
        file.write_text("\n".join(paid))
    finally:
        await connection.close()


async def _measure_rates(dsn: str, data: Path) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    # No node is there, and none is needed; nor is there a worker, which would take its share of the machine.
    settings = make_settings(dsn, data, snapshot_refresh_ms=60_000)
    bare_settings = msgspec.structs.replace(settings, shopify_port=free_port(), public_port=free_port())
    with ExitStack() as stack:
        servers = []
        for name, command, its in (
            ("settle", ground.settle("serve"), settings),
            ("bare", ground.module("tests.bench.bare_refund"), bare_settings),
        ):
            log = data / f"{name}.log"
            running = stack.enter_context(ground.process(command, ground.environment_of(its), log))
            await ground.wait_for_port(its.shopify_port, running, log)
            servers.append((running.pid, its.shopify_port))
        return run_in_turns(stack.enter_context(load_generator(str(data / "tls"), str(data / "payments"))), servers)
