"""Prints the requirements of the Lambda functions' layer: ours, without what only servers and the command line need.

boto3 is Lambda's own. Optional parts of pyproject.toml may be named as well: `traces`.
"""

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

LEFT_OUT = frozenset({"boto3", "httptools", "typer", "uvicorn", "uvloop"})
# What only those bring along: in a function it can not be imported.
NOT_THERE = ("click", "httptools", "pygments", "rich", "typer", "uvicorn", "uvloop")


def list_requirements(parts: Sequence[str] = ()) -> list[str]:
    """By the names that pip knows. Raises KeyError for a part that there is none of."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    needed = [*project["dependencies"], *(name for part in ("aws", *parts) for name in optional[part])]
    return [name for name in needed if re.split(r"[^\w-]", name)[0] not in LEFT_OUT]


if __name__ == "__main__":
    print(*list_requirements(sys.argv[1:]), sep="\n")
