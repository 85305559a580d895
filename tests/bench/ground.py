"""The ground a measurement stands on: a database of its own, and processes of Settle."""

import asyncio
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from app.embedded_postgres import EmbeddedPostgres
from app.migrations import migrate
from app.settings import Settings, variable
from tests.sandbox_process import surroundings

STOP_SECONDS = 15
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards. Not TMPDIR: as root the database runs as another user."""
    path = Path(tempfile.mkdtemp(prefix="settle-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@asynccontextmanager
async def database(data: Path) -> AsyncIterator[str]:
    """The DSN of a migrated database, on a server set as the sandbox's is. On the main thread only."""
    server = EmbeddedPostgres(data)
    try:
        dsn = server.start()
        await migrate(dsn)
        yield dsn
    finally:
        server.stop()


def environment_of(settings: Settings) -> dict[str, str]:
    """Our environment with these settings, and no other of Settle's."""
    given = dataclasses.asdict(settings)
    texts = {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in given.items()}
    return surroundings() | {variable(name): text for name, text in texts.items() if text}


@contextmanager
def process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, its output in a file, ended with the block."""
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as running:
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()


def settle(command: str) -> list[str]:
    return [sys.executable, "-m", "handlers.cli", command]


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def wait_for_port(port: int, running: subprocess.Popen[bytes], log: Path, seconds: float = 20) -> None:
    """Raises RuntimeError with the log's end when nobody listens in time."""
    for _ in range(int(seconds / 0.05)):
        if running.poll() is not None:
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise RuntimeError(f"nobody listens on port {port}:\n{log.read_text()[-2000:]}")
