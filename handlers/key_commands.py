"""`settle keys`: the keys of secrets at rest."""

import asyncio
import json
import sys

import typer

from app.database import Database
from app.keyring import KeyRing
from app.logs import configure_logs
from app.resealing import Progress, reseal
from app.settings import load

keys = typer.Typer(help="Keys of secrets at rest.", no_args_is_help=True)


@keys.command()
def rotate() -> None:
    """Seal everything anew under the first key of SETTLE_TOKEN_KEYS. It may be stopped and started again."""
    settings = load()
    configure_logs("error")
    on_terminal = sys.stdout.isatty()

    async def task() -> list[Progress]:
        ended = []
        async with await Database.connect(settings.database_url, max_size=1) as database:
            async for progress in reseal(database, KeyRing(settings.token_keys)):
                _show(progress, on_terminal)
                if progress.done:
                    ended.append(progress)
        return ended

    ended = asyncio.run(task())
    if broken := sum(progress.broken for progress in ended):
        typer.echo(f"{broken} can not be opened with any key: put the key that sealed them into the setting", err=True)
        raise typer.Exit(1)
    typer.echo(f"{sum(progress.resealed for progress in ended)} sealed anew; all is under the first key", err=True)


def _show(progress: Progress, on_terminal: bool) -> None:
    if on_terminal:
        ends = "\n" if progress.done else ""
        text = f"\r{progress.column}: {progress.looked} looked at, {progress.resealed} sealed anew"
        typer.echo(text + ends, nl=False)
    else:
        line = {name: getattr(progress, name) for name in ("column", "looked", "resealed", "broken", "done")}
        typer.echo(json.dumps(line))
