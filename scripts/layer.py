"""Prints the requirements of the Lambda functions' layer: ours, without what only servers and the command line need.

boto3 is Lambda's own.
"""

import re
import tomllib
from pathlib import Path

LEFT_OUT = frozenset({"boto3", "httptools", "typer", "uvicorn", "uvloop"})
# What only those bring along: in a function it can not be imported.
NOT_THERE = ("click", "httptools", "pygments", "rich", "typer", "uvicorn", "uvloop")


def list_requirements() -> list[str]:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["aws"]]
    return [name for name in needed if re.split(r"[^\w-]", name)[0] not in LEFT_OUT]


if __name__ == "__main__":
    print(*list_requirements(), sep="\n")
