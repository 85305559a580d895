"""`settle reconcile`: compare books, chain and Shopify now, and see or close what contradicts."""

from typing import Annotated

import typer

from app.database import ID_MAX
from app.reconciliation.discrepancies import close_discrepancy, list_discrepancies
from app.reconciliation.reconciler import reconcile as make_round
from app.records import Discrepancy
from app.system import System
from handlers.figures import Figure, show
from handlers.running import run_with_system


def reconcile(
    list_only: Annotated[
        bool, typer.Option("--list", help="Only list what is open; compare and repair nothing.")
    ] = False,
    close: Annotated[
        int | None, typer.Option(help="Close this discrepancy: you have looked at it.", max=ID_MAX)
    ] = None,
    note: Annotated[str, typer.Option(help="With --close: what it was, for the record's history.")] = "",
) -> None:
    """Compare our books with the chain and with what Shopify last said: repair what is safe, list the rest.

    A worker does it by itself now and then. Exits with 1 while anything is listed.
    """
    if close is not None and not note.strip():
        raise typer.BadParameter("say with --note what it was")

    async def task(system: System) -> None:
        if close is not None:
            closed = await close_discrepancy(system, close, note.strip())
            typer.echo(f"{closed.kind} of {closed.record} {closed.record_id} closed")
            return
        if not list_only:
            made = await make_round(system)
            show(
                [{"repaired": repair.debt, "record": repair.record, "id": repair.record_id} for repair in made.repairs]
            )
            typer.echo(f"{len(made.repairs)} repaired, {made.discrepancies} contradictions new")
            for cluster in made.unread:
                typer.echo(f"the {cluster} cluster did not answer: its transactions were not compared", err=True)
        async with system.database.acquire() as connection:
            found = await list_discrepancies(connection)
        show([_sum_up(discrepancy) for discrepancy in found])
        typer.echo(f"{len(found)} contradictions open")
        if found:
            raise typer.Exit(1)

    run_with_system(task)


def _sum_up(discrepancy: Discrepancy) -> dict[str, Figure]:
    return {
        "number": discrepancy.id,
        "kind": discrepancy.kind,
        "record": discrepancy.record,
        "id": discrepancy.record_id,
        "signature": discrepancy.signature,
        "since": discrepancy.found_at,
    }
