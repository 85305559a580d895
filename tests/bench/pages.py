"""Open checkout pages on one process: how soon a change reaches its page, and what a page costs in memory."""

import asyncio
import time
from pathlib import Path

import asyncpg
import httpx

from app.seeding import seed_merchant
from tests.bench import ground
from tests.bench.figures import Figure, Target, figure_of_count
from tests.house import make_settings, open_house, session_body
from tests.live_pages import LivePage, open_pages, percentile

PAGES = 2_000
CHANGES = 400
CHANGES_PER_SECOND = 50
SECONDS_MAX = 1.0

# What the page of each of these payments shows anew, in one transaction.
_SCAN = """
WITH seen AS (UPDATE payments SET scanned_at = now(), refused_at = NULL, refusal = NULL WHERE id = ANY($1) RETURNING id)
SELECT pg_notify('payments', id) FROM seen
"""


async def measure_pages() -> list[Figure]:
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            # No node is there, and none is needed.
            settings = make_settings(dsn, data, snapshot_refresh_ms=60_000)
            await seed_merchant(settings)
            async with open_house(settings, merchant=False) as house:
                payments = [
                    httpx.URL((await house.post_session(session_body())).json()["redirect_url"]).path.rpartition("/")[2]
                    for _ in range(PAGES)
                ]
            log = data / "settle.log"
            with ground.process(ground.settle("serve"), ground.environment_of(settings), log) as running:
                await ground.wait_for_port(settings.public_port, running, log)
                before = _resident(running.pid)
                async with open_pages(settings.public_port, payments) as pages:
                    grown = _resident(running.pid) - before
                    connection = await asyncpg.connect(dsn)
                    spread = await change_one_by_one(connection, pages[:CHANGES])
                    burst = await change_all(connection, pages[CHANGES:])
                    await connection.close()
    return [
        figure_of_count(
            f"{PAGES:,} open pages, {CHANGES_PER_SECOND} changes a second: seconds until the page knows, p95",
            [percentile(spread, 0.95)],
            Target(SECONDS_MAX),
            note=f"half within {percentile(spread, 0.5) * 1000:.0f} ms",
        ),
        figure_of_count(
            f"  the same, {PAGES - CHANGES:,} pages changed in one transaction",
            [percentile(burst, 0.95)],
            Target(SECONDS_MAX),
            note=f"half within {percentile(burst, 0.5) * 1000:.0f} ms",
        ),
        Figure("  memory of the server per open page, kB", grown / PAGES / 1024, grown / PAGES / 1024),
    ]


async def change_one_by_one(
    connection: asyncpg.Connection, pages: list[LivePage], per_second: float = CHANGES_PER_SECOND
) -> list[float]:
    """Seconds from each commit to its page, so many changes a second whatever the pages do."""
    took: list[asyncio.Task[float]] = []
    begins = time.monotonic()
    for number, page in enumerate(pages):
        await asyncio.sleep(max(0, begins + number / per_second - time.monotonic()))
        count = len(page.heard) + 1
        await connection.execute(_SCAN, [page.payment_id])
        took.append(asyncio.create_task(_until(page, count, time.monotonic())))
    return list(await asyncio.gather(*took))


async def change_all(connection: asyncpg.Connection, pages: list[LivePage]) -> list[float]:
    """Seconds from one commit to each of the pages that it changed."""
    counts = [len(page.heard) + 1 for page in pages]
    await connection.execute(_SCAN, [page.payment_id for page in pages])
    at = time.monotonic()
    return list(await asyncio.gather(*(_until(page, count, at) for page, count in zip(pages, counts, strict=True))))


async def _until(page: LivePage, count: int, since: float) -> float:
    return max(0.0, await asyncio.wait_for(page.hears(count), 60) - since)


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no VmRSS of {pid}")
