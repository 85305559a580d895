"""`settle privacy`: what Shopify asked for, and what is known of a customer."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from app.database import ID_MAX
from app.privacy.requests import list_requests, read_export
from app.system import System
from handlers.running import run_with_system

privacy = typer.Typer(help="Requests for privacy.", no_args_is_help=True)


@privacy.command("list")
def list_all() -> None:
    """Every request, newest first, a JSON line each."""

    async def task(system: System) -> str:
        async with system.database.acquire() as connection:
            found = await list_requests(connection)
        lines = [
            {
                "id": one.id,
                "merchant_id": one.merchant_id,
                "kind": one.kind,
                "asked_at": one.asked_at.isoformat(),
                "due_at": one.due_at.isoformat(),
                "done_at": one.done_at.isoformat() if one.done_at else None,
                "outcome": one.outcome,
                "payments": one.payments,
                "export": one.export_sealed is not None,
            }
            for one in found
        ]
        return "\n".join(json.dumps(line) for line in lines)

    _print(task)


@privacy.command()
def export(
    request: Annotated[int, typer.Argument(help="The request's id, from `settle privacy list`.", max=ID_MAX)],
) -> None:
    """What is known of the customer that a data request is about, as JSON: for the merchant to hand over."""
    _print(lambda system: read_export(system, request))


def _print(tell: Callable[[System], Awaitable[str]]) -> None:
    async def task(system: System) -> None:
        if text := await tell(system):
            typer.echo(text)

    run_with_system(task)
