"""`settle restored`, `unknown` and `adopt`: what a person says, and asks, about our books and the chain."""

from decimal import Decimal
from typing import Annotated

import typer

from app.money import from_base_units, parse_amount
from app.restores import pause_issuing
from app.system import System
from app.watching.adoption import adopt as adopt_transaction
from app.watching.unknown import list_unknown, review
from handlers.figures import show
from handlers.running import run_with_system


def restored() -> None:
    """Say that the database was restored from a backup: nothing is issued until what is missing in it can not land."""

    async def task(system: System) -> None:
        await pause_issuing(system.database, system.clusters, system.clock.now())
        typer.echo(
            "nothing is issued until 150 blocks and finality have passed and the sweep has run; /ready says when"
        )

    run_with_system(task)


def unknown(
    reviewed: Annotated[
        str | None, typer.Option(help="A signature that a person has looked at: it is not listed any more.")
    ] = None,
) -> None:
    """List the transactions that our fee payers signed and our books do not have."""

    async def task(system: System) -> None:
        if reviewed is not None and not await review(system, reviewed):
            typer.echo(f"{reviewed} is not among those that must be looked at", err=True)
            raise typer.Exit(1)
        show(
            [
                {
                    "signature": one.signature,
                    "cluster": one.cluster,
                    "fee_payer": one.fee_payer,
                    "slot": one.slot,
                    "looks_like_payment": one.payment_id,
                    "found_at": one.created_at,
                }
                for one in await list_unknown(system)
            ]
        )

    run_with_system(task)


def adopt(
    signature: Annotated[str, typer.Argument(help="A transaction that `settle unknown` lists.")],
    usdc: Annotated[
        str | None,
        typer.Option(help="What the payment cost, by your word: where the books lost that, too."),
    ] = None,
) -> None:
    """Take a transaction that the books lost into them, if the chain proves that it paid one of their records."""
    said: Decimal | None = None if usdc is None else parse_amount(usdc)

    async def task(system: System) -> None:
        adopted = await adopt_transaction(system, signature, said)
        show(
            [
                {
                    "record": adopted.record,
                    "id": adopted.id,
                    "status": adopted.status,
                    "exception": adopted.exception,
                    "wallet": adopted.wallet,
                    "usdc": from_base_units(adopted.usdc),
                }
            ]
        )

    run_with_system(task)
