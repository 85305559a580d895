"""`make bench`: measure, and print one table. Arguments choose some of them: see MEASUREMENTS."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from app.logs import configure_logs
from tests.bench.building import measure_building
from tests.bench.chain import measure_chain
from tests.bench.check import measure_check
from tests.bench.cold import measure_cold
from tests.bench.door import measure_door
from tests.bench.figures import Figure, render
from tests.bench.first_view import measure_first_view
from tests.bench.growth import measure_growth
from tests.bench.pages import measure_pages
from tests.bench.portal import measure_portal
from tests.bench.queue import measure_queue
from tests.bench.refund import measure_refund
from tests.bench.request import measure_request
from tests.bench.resolving import measure_resolving
from tests.bench.throughput import measure_throughput
from tests.bench.watching import measure_watching
from tests.bench.webhook import measure_webhook

MEASUREMENTS: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
    "building": measure_building,
    "chain": measure_chain,
    "check": measure_check,
    "cold": measure_cold,
    "door": measure_door,
    "first-view": measure_first_view,
    "growth": measure_growth,
    "pages": measure_pages,
    "portal": measure_portal,
    "queue": measure_queue,
    "refund": measure_refund,
    "request": measure_request,
    "resolving": measure_resolving,
    "throughput": measure_throughput,
    "watching": measure_watching,
    "webhook": measure_webhook,
}


async def measure(names: list[str]) -> list[Figure]:
    figures = []
    for name in names:
        if sys.stderr.isatty():
            print(f"measuring {name} ...", file=sys.stderr)
        figures += await MEASUREMENTS[name]()
    return figures


def main() -> int:
    """0: every target is met. 1: one is missed. 2: there is no such measurement."""
    names = sys.argv[1:] or list(MEASUREMENTS)
    if unknown := set(names) - set(MEASUREMENTS):
        print(
            f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}", file=sys.stderr
        )
        return 2
    configure_logs("error")
    figures = asyncio.run(measure(names))
    print(render(figures))
    return 0 if all(figure.is_met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
