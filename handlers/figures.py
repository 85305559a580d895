"""Figures on the command line: a table for people at a terminal, a line of JSON for each row elsewhere."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import typer

Written = str | int | Decimal | None
Figure = Written | datetime


def show(rows: Sequence[dict[str, Figure]]) -> None:
    """Rows with the same names in the same order; times in UTC, to the second.

    Decimals are strings in JSON: a float could not hold them.
    """
    written = [{name: _write_time(value) for name, value in row.items()} for row in rows]
    if not sys.stdout.isatty():
        for row in written:
            typer.echo(
                json.dumps({name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()})
            )
        return
    if not written:
        typer.echo("nothing yet")
        return
    names = list(written[0])
    cells = [[name.replace("_", " ") for name in names]] + [[_cell(row[name]) for name in names] for row in written]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    is_number = [all(isinstance(row[name], int | Decimal | None) for row in written) for name in names]
    for line in cells:
        fields = zip(line, widths, is_number, strict=True)
        typer.echo(
            "  ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in fields).rstrip()
        )


def _write_time(value: Figure) -> Written:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value


def _cell(value: Written) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | Decimal) else value
