"""What a payment costs with few and with very many payments stored: the same customers, in turns at growing books."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

import asyncpg

from tests.bench import ground
from tests.bench.figures import Figure, Target
from tests.bench.resolving import Sandbox, running_sandbox
from tests.bench.throughput import OURS, arrive, processor_seconds, until_settled
from tests.multitude import fill_shop, finish_all, settle_down, write_history

STORED = {"ci": (1_000, 20_000), "soak": (1_000, 100_000, 1_000_000)}
RATE, SECONDS, ROUNDS = 10, 20, 2
# Older than what reconciliation compares with the chain, which never saw them.
AGE = timedelta(days=40)
BOUND = 1.5


async def measure_growth() -> list[Figure]:
    """Processor time of Settle and its database for a payment, session to acknowledgement; the better of two rounds."""
    steps = STORED[os.environ.get("SETTLE_TEST_SCALE", "ci")]
    costs, stored = [], 0
    with ground.folder() as data:
        async with running_sandbox(data) as sandbox:
            await arrive(sandbox, RATE, 5)  # to be warm
            for count in steps:
                await _store(sandbox, count - stored)
                stored = count
                costs.append(min([await _measure(sandbox) for _ in range(ROUNDS)]))
    return [
        Figure(
            f"a payment's cost with {count} stored / with {steps[0]}",
            cost / costs[0],
            cost / costs[0],
            Target(BOUND),
            note=f"{cost * 1000:.1f} ms / {costs[0] * 1000:.1f} ms of processor",
        )
        for count, cost in zip(steps[1:], costs[1:], strict=True)
    ]


async def _store(sandbox: Sandbox, count: int) -> None:
    connection = await asyncpg.connect(sandbox.database_url)
    try:
        await connection.execute("SET statement_timeout = 0")
        shop = f"shop-of-{count}.myshopify.com"
        merchant = await fill_shop(connection, shop, count, until=datetime.now(UTC) - AGE, apart=timedelta(seconds=2))
        await finish_all(connection, merchant)
        await write_history(connection, merchant, due_at=datetime.now(UTC))
        await settle_down(connection)
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    # Gigabytes that the system has yet to write would hold back every commit of those who pay next.
    await asyncio.to_thread(os.sync)


async def _measure(sandbox: Sandbox) -> float:
    """Seconds of processor time for a payment. Raises RuntimeError when one is not settled."""
    before = processor_seconds(sandbox.pid)
    sent = await arrive(sandbox, RATE, SECONDS)
    settled = await until_settled(sandbox, list(sent))
    if len(settled) < len(sent):
        raise RuntimeError(f"{len(sent) - len(settled)} payments were not settled")
    used = processor_seconds(sandbox.pid)
    used.subtract(before)
    return sum(used[name] for name in OURS) / len(sent)
