"""`settle check` over few and over very many payments: the time for each of them, and the memory that it takes."""

import os
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

import asyncpg

from app.coherence import check_records
from app.system import System
from tests.bench import ground
from tests.bench.figures import Figure, Target
from tests.house import make_settings
from tests.multitude import fill_shop, settle_down, write_history

STORED = {"ci": (1_000, 20_000), "soak": (10_000, 1_000_000)}


async def measure_check() -> list[Figure]:
    few, many = STORED[os.environ.get("SETTLE_TEST_SCALE", "ci")]
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            system = await System.open(make_settings(dsn, data))
            try:
                await _store(dsn, few)
                first = await _check(system)
                await _store(dsn, many - few)
                second = await _check(system)
            finally:
                await system.close()
    return [
        Figure(
            f"settle check: time for each of {many} payments / of {few}",
            second[0] / many / (first[0] / few),
            second[0] / many / (first[0] / few),
            note=f"{second[0]:.0f} s / {first[0]:.1f} s in all",
        ),
        Figure(
            "  memory at its peak",
            second[1] / first[1],
            second[1] / first[1],
            Target(1.3),
            note=f"{second[1] / 1e6:.1f} MB / {first[1] / 1e6:.1f} MB",
        ),
    ]


async def _store(dsn: str, count: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET statement_timeout = 0")
        now = datetime.now(UTC)
        merchant = await fill_shop(connection, f"shop-{count}.myshopify.com", count, until=now)
        await write_history(connection, merchant, due_at=now + timedelta(days=1))
        await settle_down(connection)
    finally:
        await connection.close()


async def _check(system: System) -> tuple[float, int]:
    """Seconds, and bytes at the peak. Raises RuntimeError when something is found."""
    tracemalloc.start()
    began = time.perf_counter()
    async for violation in check_records(system):
        raise RuntimeError(f"{violation}")
    taken, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken, peak
