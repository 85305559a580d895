"""A program that supervises children, for tests that kill it: keeper.py LOGS NAME=SHELL-COMMAND..."""

import asyncio
import signal
import sys
from pathlib import Path

from app.sandbox.processes import Program, Supervisor


async def keep() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    supervisor = Supervisor(Path(sys.argv[1]), stop)
    for argument in sys.argv[2:]:
        name, _, command = argument.partition("=")
        supervisor.keep(Program(name, ["/bin/sh", "-c", command], {"PATH": "/usr/bin:/bin"}))
    await stop.wait()
    await supervisor.stop()


asyncio.run(keep())
