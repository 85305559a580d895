"""What a payment costs the fee payer and weighs on the chain, counted over payments made from checkout to reclaim."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chain.reclaim import ACCOUNTS_PER_RECLAIM
from tests.bench import ground
from tests.bench.figures import Figure, Target, figure_of_count
from tests.scene import Scene, open_scene

# Whole batches: a last one that is not full costs as much for fewer, and waits a day for more.
PAYMENTS = 10 * ACCOUNTS_PER_RECLAIM
# Without them the chain's own price counts; a priority fee is what the operator allows on top.
WITHOUT_PRIORITY = {"compute_unit_price_max": 0}


@dataclass(frozen=True)
class Counted:
    """Over all payments: lamports lost for each, rent locked and returned, and of the dearest one bytes and units."""

    lamports_per_payment: float
    locked: int
    returned: int
    wire_bytes: int
    compute_units: int


async def measure_chain() -> list[Figure]:
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            counted = await count_chain(dsn, data, PAYMENTS)
    note = f"counted over {PAYMENTS} payments"
    return [
        figure_of_count(
            "lamports per settled payment that never come back",
            [counted.lamports_per_payment],
            Target(10_600),
            note=note,
        ),
        figure_of_count(
            "rent returned, percent of what was locked",
            [100 * counted.returned / counted.locked],
            Target(100, at_least=True),
            note=f"{counted.returned} of {counted.locked} lamports",
        ),
        figure_of_count("bytes of a payment's transaction", [counted.wire_bytes], Target(800)),
        figure_of_count("compute units of a payment", [counted.compute_units], Target(10_000)),
    ]


async def count_chain(dsn: str, folder: Path, payments: int) -> Counted:
    """Make so many payments, let them become final, and take all rent back."""
    async with open_scene(dsn, folder, **WITHOUT_PRIORITY) as scene:
        before = await scene.lamports()
        for _ in range(payments):
            await scene.pay()
        spent = before - await scene.lamports()
        fees = await scene.value("SELECT sum(fee_lamports) FROM issued_transactions")
        await scene.settle()
        assert await scene.value("SELECT count(*) FROM payments WHERE status = 'paid'") == payments
        units = [await _compute_units(scene, row["signature"]) for row in await _issued(scene)]
        await scene.die()
        await scene.reclaim_all()
        lost, locked = before - await scene.lamports(), spent - fees
        reclaiming = await scene.value("SELECT sum(fee_lamports) FROM reclaims WHERE fate = 'landed'")
        return Counted(
            lamports_per_payment=lost / payments,
            locked=locked,
            # From the balance, not from our records: what it has less than at the beginning, the fees set aside.
            returned=locked - (lost - fees - reclaiming),
            wire_bytes=await scene.value("SELECT max(octet_length(message)) FROM issued_transactions"),
            compute_units=max(units),
        )


async def _issued(scene: Scene) -> list[Any]:
    return await scene.box.house.rows("SELECT signature FROM issued_transactions")


async def _compute_units(scene: Scene, signature: str) -> int:
    """As the node tells it."""
    params = [signature, {"encoding": "json", "commitment": "confirmed", "maxSupportedTransactionVersion": 0}]
    body = {"jsonrpc": "2.0", "id": 1, "method": "getTransaction", "params": params}
    answer = (await scene.box.outside.post("/sandbox/rpc", json=body)).json()
    units: int = answer["result"]["meta"]["computeUnitsConsumed"]
    return units
