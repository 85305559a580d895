"""`settle serve --workers N`: a parent that keeps the listening sockets, and N processes that accept from them.

The parent serves nothing and knows nothing of the business, so that it hardly ever has a reason to end. The sockets
outlive every process behind them: whoever connects while one is replaced waits a moment and is not refused.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from app.logs import configure_logs, get_logger
from app.pauses import pause
from app.settings import Settings
from handlers import service_manager
from handlers.door_process import OPEN, Inheritance
from handlers.listeners import Listeners

PROCESSES_MAX = 64
# The wait before a process that ended is replaced: doubled each time in a row, forgotten after a long enough life.
FIRST_WAIT, LONGEST_WAIT, LONG_LIFE = 0.5, 30.0, 10.0
# How long a new process may take until its doors are open, when another is to make room for it.
OPEN_SECONDS = 60.0
# What a process may take to end, beyond the time it has to drain.
END_MARGIN_SECONDS = 5.0
LOOK_SECONDS = 60.0


class DoorProcess:
    """A process that was started: whether its doors have opened, and whether it has ended."""

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        """`line` leads to the process, which knows by its end that we are gone."""
        self.has_opened = asyncio.Event()
        self.has_ended = asyncio.Event()
        self._process = process
        self._line = line
        self._began = asyncio.get_running_loop().time()
        self._watching = asyncio.create_task(self._watch())

    @classmethod
    async def start(cls, inheritance: Inheritance) -> "DoorProcess":
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            given = msgspec.structs.replace(inheritance, line=theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "handlers.door_process", msgspec.json.encode(given).decode()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=given.descriptors,
                env={name: value for name, value in os.environ.items() if name != service_manager.VARIABLE},
            )
        return cls(process, ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def age_seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    @property
    def status(self) -> int | None:
        """How it ended, negative for the signal that killed it."""
        return self._process.returncode

    async def end(self, seconds: float) -> None:
        """Let it finish what it has begun, for so long."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        await pause(seconds, self.has_ended)
        if not self.has_ended.is_set():
            get_logger().error("serve_process_killed", process=self.pid)
            with suppress(ProcessLookupError):
                self._process.kill()
            await self.has_ended.wait()

    async def _watch(self) -> None:
        with self._line:
            hearing = asyncio.create_task(self._hear())
            await self._process.wait()
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
        self.has_ended.set()

    async def _hear(self) -> None:
        if await asyncio.get_running_loop().sock_recv(self._line, len(OPEN)) == OPEN:
            self.has_opened.set()


class Place:
    """One of the N places: somebody serves there, is replaced when it ends, and makes room for a newer one."""

    def __init__(self, inheritance: Inheritance, stop: asyncio.Event, end_seconds: float) -> None:
        self.has_opened = asyncio.Event()
        self._inheritance = inheritance
        self._stop = stop
        self._end_seconds = end_seconds
        self._renewal: asyncio.Future[bool] | None = None
        self._to_renew = asyncio.Event()

    async def keep(self) -> None:
        """Keep a process there until `stop` is set; it has ended then, and so have all that were before it."""
        wait = FIRST_WAIT
        async with asyncio.TaskGroup() as leaving:
            while not self._stop.is_set():
                process = await DoorProcess.start(self._inheritance)
                process = await self._serve(process, leaving)
                if self._stop.is_set():
                    await process.end(self._end_seconds)
                    break
                wait = FIRST_WAIT if process.age_seconds >= LONG_LIFE else wait
                get_logger().error(
                    "serve_process_ended", process=process.pid, status=process.status, replaced_in_seconds=wait
                )
                await pause(wait, self._stop)
                wait = min(wait * 2, LONGEST_WAIT)

    async def renew(self) -> bool:
        """Put a newly started process there, and let the other end. False: the new one does not open its doors."""
        self._renewal = asyncio.get_running_loop().create_future()
        self._to_renew.set()
        return await self._renewal

    async def _serve(self, process: DoorProcess, leaving: asyncio.TaskGroup) -> DoorProcess:
        """Until the process of the place ends by itself, or all are to stop; that process."""
        await _wait_any(process.has_opened, process.has_ended, self._stop)
        if process.has_opened.is_set():
            self.has_opened.set()
        while True:
            await _wait_any(process.has_ended, self._to_renew, self._stop)
            if self._stop.is_set() or process.has_ended.is_set():
                return process
            self._to_renew.clear()
            newer = await DoorProcess.start(self._inheritance)
            await pause(OPEN_SECONDS, newer.has_opened, newer.has_ended, self._stop)
            is_better = newer.has_opened.is_set() and not newer.has_ended.is_set()
            leaving.create_task((process if is_better else newer).end(self._end_seconds))
            process = newer if is_better else process
            assert self._renewal is not None
            self._renewal.set_result(is_better)


async def keep_doors(settings: Settings, count: int) -> None:
    """Serve with `count` processes until SIGTERM or SIGINT. SIGHUP puts new ones in their places, one by one.

    Raises DoorTaken or ListenersInvalid.
    """
    configure_logs(settings.log_level)
    stop, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, again.set)
    listeners = Listeners.obtain(settings)
    listeners.listen()
    end_seconds = settings.drain_seconds + settings.linger_ms / 1000 + END_MARGIN_SECONDS
    public, shopify = ([each.fileno() for each in door] for door in (listeners.public, listeners.shopify))
    with tempfile.TemporaryDirectory(prefix="settle-serve-") as folder:
        places = [
            Place(Inheritance(public, shopify, line=-1, number=number, folder=folder), stop, end_seconds)
            for number in range(count)
        ]
        renewing = asyncio.create_task(_renew(places, again))
        try:
            async with asyncio.TaskGroup() as group:
                for place in places:
                    group.create_task(place.keep())
                await stop.wait()
                service_manager.notify(service_manager.STOPPING)
        finally:
            renewing.cancel()
            listeners.close()


async def _renew(places: Sequence[Place], again: asyncio.Event) -> None:
    """Say when all have opened; from then on renew them whenever that is asked for, as far as it goes well."""
    for place in places:
        await place.has_opened.wait()
    get_logger().info("serve_processes_open", count=len(places))
    service_manager.notify(service_manager.READY)
    while True:
        await again.wait()
        again.clear()
        service_manager.notify(service_manager.RELOADING)
        for number, place in enumerate(places):
            if not await place.renew():
                get_logger().error("serve_processes_not_renewed", place=number)
                break
        else:
            get_logger().info("serve_processes_renewed", count=len(places))
        service_manager.notify(service_manager.READY)


async def _wait_any(*events: asyncio.Event) -> None:
    while not any(event.is_set() for event in events):
        await pause(LOOK_SECONDS, *events)
