"""One round of reconciliation, and the part of a worker that makes one now and then."""

import asyncio
from dataclasses import dataclass, field

from app.logs import get_logger
from app.pauses import pause
from app.reconciliation.chain_page import compare_page
from app.reconciliation.debts import Repair, repay
from app.reconciliation.discrepancies import compare_with_shopify
from app.system import System
from chain.errors import NodeError


@dataclass
class Round:
    """`repairs` were made; `discrepancies`: how many contradictions are new; `unread`: clusters that did not answer."""

    repairs: list[Repair] = field(default_factory=list)
    discrepancies: int = 0
    unread: list[str] = field(default_factory=list)


async def reconcile(system: System) -> Round:
    """One round: bounded in what it reads, and harmless beside another one."""
    limit = system.settings.reconcile_rows
    made = Round(await repay(system, limit), await compare_with_shopify(system, limit))
    for name, parts in system.clusters.items():
        try:
            made.discrepancies += await compare_page(system, parts)
        except NodeError as error:
            get_logger().warning("reconcile_postponed", cluster=name, problem=error.message)
            made.unread.append(name)
    return made


async def keep_reconciling(system: System, stop: asyncio.Event) -> None:
    """A round each `reconcile_seconds`, until `stop`."""
    while not stop.is_set():
        async with system.database.operational("reconcile"):
            await reconcile(system)
        await pause(system.settings.reconcile_seconds, stop)
