"""Child processes: started again when they end, stopped in order, and gone whenever we are, even by kill -9."""

import asyncio
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PR_SET_PDEATHSIG = 1
# How long a child may take to finish what it is doing before it is killed.
STOP_SECONDS = 15.0
# The wait before a child is started again: doubled at each end in a row, forgotten after a long enough life.
FIRST_WAIT, LONGEST_WAIT, LONG_LIFE = 0.2, 5.0, 10.0
LARGEST_LOG = 20_000_000

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Program:
    """What to run. Its output goes to NAME.log in the folder of logs."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]


class Child:
    """One program that is kept running. `ends` counts how often it ended by itself."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.log = log
        self.ends = 0
        self.last_exit: int | None = None
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self.process.pid if self.process and self.process.returncode is None else None


class Supervisor:
    """Starts, restarts and stops children. Its methods are called on an event loop in the main thread.

    The main thread, because the kernel ties a child's death signal to the thread that started it.
    """

    def __init__(self, logs: Path, stop: asyncio.Event, *, stop_seconds: float = STOP_SECONDS) -> None:
        """Children are asked to end as soon as `stop` is set, by whomever."""
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logs = logs
        self._stop_seconds = stop_seconds
        self._stopping = stop
        self._children: list[tuple[Child, asyncio.Task[None]]] = []

    @property
    def children(self) -> list[Child]:
        return [child for child, _ in self._children]

    async def run(self, program: Program) -> int:
        """Run a program to its end, which comes early when we are stopped. Returns its exit status."""
        child = Child(program, self._open_log(program))
        await self._live(child)
        assert child.last_exit is not None
        return child.last_exit

    def keep(self, program: Program) -> Child:
        """Start a program, and start it again whenever it ends."""
        child = Child(program, self._open_log(program))
        self._children.append((child, asyncio.create_task(self._keep(child))))
        return child

    async def stop(self) -> None:
        """Ask every child to end, wait, and kill what is left."""
        self._stopping.set()
        await asyncio.gather(*(task for _, task in self._children))

    def tail(self, name: str) -> str:
        """The last lines of a program's output."""
        text = (self._logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-12:])

    async def _keep(self, child: Child) -> None:
        wait = FIRST_WAIT
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            await self._live(child)
            if self._stopping.is_set():
                break
            child.ends += 1
            wait = FIRST_WAIT if loop.time() - began >= LONG_LIFE else wait
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _live(self, child: Child) -> None:
        """One life of the child, ended by us when we are stopping."""
        process = child.process = _start(child)
        # A thread of its own, which sleeps in waitpid; it ends with the child, which is certain to end.
        ended = asyncio.create_task(_wait(process))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                process.terminate()
                await asyncio.wait([ended], timeout=self._stop_seconds)
        finally:
            stopping.cancel()
            if process.poll() is None and not ended.done():
                process.kill()
        child.last_exit = await ended
        with child.log.open("a") as log:
            log.write(f"--- {datetime.now(UTC):%Y-%m-%d %H:%M:%S} {child.program.name} {_say_exit(child.last_exit)}\n")

    def _open_log(self, program: Program) -> Path:
        path = self._logs / f"{program.name}.log"
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            os.replace(path, path.with_suffix(".log.old"))
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        return path


def _start(child: Child) -> subprocess.Popen[bytes]:
    assert threading.current_thread() is threading.main_thread()
    with child.log.open("ab") as log:
        return subprocess.Popen(
            child.program.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(child.program.environment),
            # Ctrl-C in the terminal is for us alone: we stop the children in order.
            start_new_session=True,
            # Between fork and exec only system calls are made, so other threads cannot matter.
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509
        )


def _die_with(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        # Our parent may have ended before the line above: then no signal comes any more.
        if os.getppid() != parent:
            os._exit(1)

    return prepare


async def _wait(process: subprocess.Popen[bytes]) -> int:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[int] = loop.create_future()

    def tell(status: int) -> None:
        if not done.done():
            done.set_result(status)

    def wait() -> None:
        status = process.wait()
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(tell, status)

    threading.Thread(target=wait, name=f"wait-{process.pid}", daemon=True).start()
    return await done


def _say_exit(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
