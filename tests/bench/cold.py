"""A cold start, as far as it is ours: importing what a Lambda function imports, against importing starlette alone.

As in a function, what the layer leaves out is not there, and all code is compiled (scripts/compile_code.sh).
"""

import asyncio
import os
import sys
from pathlib import Path

from scripts.layer import NOT_THERE
from tests.bench import ground
from tests.bench.figures import Figure, Target, figure_of_ratio

ROUNDS = 9
# Half a second, where starlette takes 108 ms (facts/stack.md section 4).
BOUND = 4.6
STARLETTE = "starlette.applications"
FUNCTIONS = ("handlers.aws.shopify", "handlers.aws.public", "handlers.aws.jobs", "handlers.aws.schedules")


async def measure_cold() -> list[Figure]:
    seconds: dict[str, list[float]] = {name: [] for name in (STARLETTE, *FUNCTIONS)}
    with ground.folder() as compiled:
        for name in seconds:
            await _time_import(name, compiled)  # from the disk, and compiled
        for _ in range(ROUNDS):
            for name, taken in seconds.items():
                taken.append(await _time_import(name, compiled))
    return [
        figure_of_ratio(
            f"importing {name} / {STARLETTE}",
            seconds[name],
            seconds[STARLETTE],
            Target(BOUND),
            note=f"{min(seconds[name]) * 1000:.0f} ms / {min(seconds[STARLETTE]) * 1000:.0f} ms",
        )
        for name in FUNCTIONS
    ]


async def _time_import(name: str, compiled: Path) -> float:
    """Seconds in a new interpreter, without starting it; what is compiled lies in the folder."""
    gone = "; ".join(f"sys.modules[{package!r}] = None" for package in NOT_THERE)
    code = f"import sys, time; {gone}; began = time.perf_counter(); import {name}; print(time.perf_counter() - began)"
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(compiled), "PYTHONDONTWRITEBYTECODE": ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env=environment
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} can not be imported")
    return float(output)
