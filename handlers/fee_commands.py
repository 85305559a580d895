"""`settle fees` and `settle fee-payers`: what the fee payers spend, and what each still has to do."""

from typing import Annotated

import typer

from app.fees import read_locked, read_spending
from app.former_keys import list_keys, move_funds
from app.system import System
from handlers.figures import show
from handlers.running import run_with_system

fee_payers = typer.Typer(help="The fee payers of today and of the past.", no_args_is_help=True)


def fees(days: Annotated[int, typer.Option(help="How many days back, today included.", min=1)] = 30) -> None:
    """Show what the fee payers spent each day: gone, locked, returned, and the cost of a payment."""

    async def task(system: System) -> None:
        locked = await read_locked(system)
        show(
            [
                {
                    "day": day.day or "all",
                    "cluster": day.cluster,
                    "payments": day.payments,
                    "refunds": day.refunds,
                    "failed": day.failed,
                    "spent_lamports": day.spent,
                    "locked_lamports": day.locked,
                    "returned_lamports": day.returned,
                    "lamports_per_payment": day.per_payment,
                    "locked_now_lamports": None if day.day else locked[day.cluster],
                }
                for day in await read_spending(system, days)
            ]
        )

    run_with_system(task)


@fee_payers.command("list")
def list_fee_payers() -> None:
    """Show every fee payer: what it has, and what it still has to do."""

    async def task(system: System) -> None:
        show(
            [
                {
                    "cluster": key.cluster,
                    "address": key.address,
                    "role": key.role,
                    "lamports": key.lamports,
                    "open_orders": key.open,
                    "orders_with_rent": key.locked,
                }
                async for key in list_keys(system)
            ]
        )

    run_with_system(task)


@fee_payers.command("move")
def move_fee_payer(address: Annotated[str, typer.Argument(help="A former fee payer, base58.")]) -> None:
    """Move all SOL of a former fee payer to today's."""

    async def task(system: System) -> None:
        moved = await move_funds(system, address)
        typer.echo("there is nothing to move" if moved is None else f"moved {moved[1]} lamports: {moved[0]}")

    run_with_system(task)
