"""End to end: customers arrive at the whole sandbox, so many a second; how many settle, and who works for it."""

import asyncio
import os
import time
from collections import Counter
from contextlib import suppress
from statistics import median

import asyncpg
import httpx
import psutil
from solders.keypair import Keypair

from tests.bench import ground
from tests.bench.figures import Figure
from tests.bench.resolving import (
    Sandbox,
    fund_wallet,
    order_and_sign,
    percentile,
    running_sandbox,
    send,
    some_at_once,
)

# Customers a second. 67 is a tenth of Shopify's peak on Black Friday.
RATES = {"ci": (5, 15), "soak": (5, 10, 15, 20, 30, 67)}
ARRIVING_SECONDS = {"ci": 10, "soak": 60}
# After the last customer: what has not settled by then is counted as not settled.
PATIENCE_SECONDS = 180
LOOK_SECONDS = 0.5
# A rate is kept up when so many of its customers a second settle while they arrive.
KEPT_UP = 0.95

# Whose processor time is Settle's and its database's.
OURS = ("serve", "worker", "database")

_SETTLED = """
SELECT p.shopify_id, e.at FROM payments p JOIN events e ON e.record = 'payment' AND e.record_id = p.id
WHERE e.to_status = 'completed' AND p.shopify_id = ANY($1)
"""
_LEFT = "SELECT count(*) FROM payments WHERE shopify_id = ANY($1) AND status <> 'completed'"


async def measure_throughput() -> list[Figure]:
    scale = os.environ.get("SETTLE_TEST_SCALE", "ci")
    with ground.folder() as data:
        async with running_sandbox(data) as sandbox:
            await arrive(sandbox, 1, 3)  # to be warm
            return [await _measure_rate(sandbox, rate, ARRIVING_SECONDS[scale]) for rate in RATES[scale]]


async def _measure_rate(sandbox: Sandbox, rate: int, seconds: int) -> Figure:
    before, began = processor_seconds(sandbox.pid), time.time()
    sent = await arrive(sandbox, rate, seconds)
    settled = await until_settled(sandbox, list(sent))
    used = processor_seconds(sandbox.pid)
    used.subtract(before)
    at_once = sum(at <= began + seconds for at in settled.values()) / (rate * seconds)
    delays = [settled[checkout] - at for checkout, at in sent.items() if checkout in settled]
    whole = sum(used.values())
    shares = ", ".join(f"{name} {part / whole:.0%}" for name, part in used.most_common())
    ours = sum(used[name] for name in OURS) / (rate * seconds)
    note = (
        f"{len(settled)} of {rate * seconds} settled, half within {median(delays) * 1000:.0f} ms of sending, "
        f"p95 {percentile(delays, 0.95) * 1000:.0f} ms; "
        f"Settle and its database {ours * 1000:.1f} ms of processor each; {shares}"
    )
    verdict = "kept up" if at_once >= KEPT_UP else "fell behind"
    name = f"{rate} customers a second for {seconds} s ({verdict}): settled meanwhile, share"
    return Figure(name, at_once, at_once, note=note)


async def arrive(sandbox: Sandbox, rate: int, seconds: int) -> dict[str, float]:
    """When each checkout's payment was sent (wall clock), of customers who arrive one after the other."""
    sent: dict[str, float] = {}

    async def come(client: httpx.AsyncClient, key: Keypair, after: float) -> None:
        await asyncio.sleep(after)
        payment = await order_and_sign(client, key)
        sent[payment.checkout] = time.time()
        await send(client, payment)

    # Given up before the server does: a request on a connection that it is closing is lost.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2)
    async with httpx.AsyncClient(
        base_url=sandbox.url, timeout=PATIENCE_SECONDS, trust_env=False, limits=limits
    ) as client:
        keys = await some_at_once([lambda: fund_wallet(client)] * (rate * seconds))
        async with asyncio.TaskGroup() as customers:
            for number, key in enumerate(keys):
                customers.create_task(come(client, key, number / rate))
    return sent


async def until_settled(sandbox: Sandbox, checkouts: list[str]) -> dict[str, float]:
    """When Shopify had acknowledged each, as Settle's books say."""
    connection = await asyncpg.connect(sandbox.database_url)
    try:
        for _ in range(int(PATIENCE_SECONDS / LOOK_SECONDS)):
            if not await connection.fetchval(_LEFT, checkouts):
                break
            await asyncio.sleep(LOOK_SECONDS)
        return {row["shopify_id"]: row["at"].timestamp() for row in await connection.fetch(_SETTLED, checkouts)}
    finally:
        await connection.close()


def processor_seconds(sandbox_pid: int) -> Counter[str]:
    """Processor time so far, by what a process of the sandbox is for; the customers are this process."""
    used = Counter({"customers": time.process_time()})
    sandbox = psutil.Process(sandbox_pid)
    for process in (sandbox, *sandbox.children(recursive=True)):
        # One of the database's may have ended meanwhile: its time is its parent's from then on.
        with suppress(psutil.NoSuchProcess):
            used[_role(process.cmdline())] += sum(process.cpu_times()[:4])
    return used


def _role(command: list[str]) -> str:
    # Empty: it has just ended.
    if command and "postgres" in command[0]:
        return "database"
    return next((name for name in ("serve", "worker") if name in command), "store and chain")
