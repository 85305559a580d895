"""Running a command: an event loop of its own, and the system where the command needs it."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from app.errors import SettleError
from app.logs import configure_logs
from app.reporting import configure_reporting
from app.settings import Settings, load
from app.system import System
from app.tracing import tracing
from chain.errors import ChainError


def run_command(command: Callable[[], object]) -> None:
    """Run it to its end; an error of ours is one sentence, not a traceback."""
    try:
        command()
    except (SettleError, ChainError) as error:
        sys.stderr.write(f"settle: {error}\n")
        sys.exit(1)


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


def run_until_stopped(
    settings: Settings, service: str, part: Callable[[System, asyncio.Event], Awaitable[None]]
) -> None:
    """Run a part of the system, `serve` or `worker`, until SIGTERM or SIGINT, which let it finish what it has begun."""

    async def opened() -> None:
        configure_logs(settings.log_level)
        configure_reporting(settings.sentry_dsn, settings.environment)
        tracing.configure(settings, service)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        system = await System.open(settings)
        try:
            await part(system, stop)
        finally:
            await system.close()
            tracing.close()

    run(opened)
