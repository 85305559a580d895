"""Running a command: an event loop of its own, and the system where the command needs it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from app.logs import configure_logs
from app.settings import load
from app.system import System


def run(task: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(task())


def run_with_system(task: Callable[[System], Coroutine[Any, Any, None]]) -> None:
    """Run a command that needs the whole system, and says only what it prints itself."""
    settings = load()

    async def opened() -> None:
        system = await System.open(settings)
        try:
            await task(system)
        finally:
            await system.close()

    configure_logs("error")
    run(opened)
