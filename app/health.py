"""Is it ready, and how is it doing: asked of the database when somebody wants to know."""

import asyncio
from contextlib import suppress
from typing import Literal

import msgspec

from app import metrics, restores
from app.database import classify_error
from app.system import System
from app.transactions import quotas
from chain.errors import NodeError

# A node that has given no blockhash for this long is in trouble.
STALE_SECONDS = 30
# How often the fee payers' balances are asked for.
BALANCE_SECONDS = 60


class Readiness(msgspec.Struct, frozen=True):
    """`degraded`: payments are taken, but something needs a look; the problems say what."""

    status: Literal["ok", "degraded", "unavailable"]
    problems: list[str] = []


async def check_readiness(system: System) -> Readiness:
    try:
        async with system.database.acquire() as connection:
            problems = await restores.find_problems(connection)
        problems += await quotas.find_problems(system)
    except Exception as error:
        if classify_error(error) is None:
            raise
        return Readiness("unavailable", ["the database can not be reached"])
    problems += [
        f"no fresh blockhash of the {name} cluster: its RPC node does not answer"
        for name, parts in system.clusters.items()
        if parts.snapshots.age_seconds is None or parts.snapshots.age_seconds >= STALE_SECONDS
    ]
    return Readiness("degraded" if problems else "ok", problems)


async def watch_balances(system: System, stop: asyncio.Event) -> None:
    """Keep the gauge of what the fee payers have up to date until `stop` is set."""
    while not stop.is_set():
        for name, parts in system.clusters.items():
            # A node in trouble is counted where it is asked; the gauge then keeps what was last known.
            with suppress(NodeError):
                lamports = await parts.node.balance(parts.fee_payer.address)
                metrics.fee_payer_lamports.labels(cluster=name).set(lamports)
                parts.purse.lamports = lamports
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), BALANCE_SECONDS)
