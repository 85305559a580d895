"""`settle sandbox`: the outside world in this process, and the database, Settle's doors and its worker as children."""

import asyncio
import errno
import fcntl
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvloop

from app.embedded_postgres import EmbeddedPostgres, PostgresError
from app.sandbox.processes import Child, Program, Supervisor
from app.sandbox.serving import serving
from app.sandbox.world import HOST, Ports, World

SETTLE = (sys.executable, "-m", "handlers.cli")
# Of a sandbox that was just killed, ports and lock may be free a moment later only.
PATIENCE_SECONDS = 2.0
READY_SECONDS = 60.0
# How long a door that takes payments but calls itself degraded may get better before we call it ready.
DEGRADED_SECONDS = 5.0
# A child that ends so often before all is up is not going to stay.
ENDS_TOO_OFTEN = 3


class SandboxFailed(Exception):
    """The sandbox can not start, or not go on. The message is for a person."""


@dataclass(frozen=True)
class Sandbox:
    """What was asked for."""

    ports: Ports
    data: Path
    outside_only: bool
    slot_ms: int

    async def run(self) -> None:
        """Run until SIGINT or SIGTERM. Raises SandboxFailed, PostgresError or OSError; all is stopped then, too."""
        stop = asyncio.Event()
        for order in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(order, stop.set)
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            stack.enter_context(_occupy(self.data))
            listener = stack.enter_context(closing(_take_port("--port", self.ports.world)))
            if not self.outside_only:
                _take_port("--app-port", self.ports.app).close()
                _take_port("--shopify-port", self.ports.shopify).close()
            postgres = EmbeddedPostgres(self.data)
            stack.callback(postgres.stop)
            database_url = postgres.start()
            world = World(self.data, self.ports, slot_ms=self.slot_ms)
            stack.push_async_callback(world.stop)
            await world.start()
            tasks = [await stack.enter_async_context(serving(world.app, listener))]
            tasks.append(asyncio.create_task(_watch(postgres)))
            stack.push_async_callback(_cancel, tasks[-1])
            env_file = world.write_environment(database_url)
            supervisor = Supervisor(self.data / "logs", stop)
            stack.push_async_callback(supervisor.stop)
            starting = asyncio.create_task(self._start(world, supervisor, database_url, env_file))
            stack.push_async_callback(_cancel, starting)
            stopping = asyncio.create_task(stop.wait())
            stack.callback(stopping.cancel)
            await _until(stopping, starting, tasks)

    async def _start(self, world: World, supervisor: Supervisor, database_url: str, env_file: Path) -> None:
        """Start Settle, unless only the outside is wanted, and say when all is up."""
        if not self.outside_only:
            environment = os.environ | world.environment(database_url)
            status = await supervisor.run(_settle("migrate", environment))
            if status != 0:
                raise SandboxFailed(f"`settle migrate` ended with status {status}:\n{supervisor.tail('migrate')}")
            children = [supervisor.keep(_settle(name, environment)) for name in ("serve", "worker")]
            await _wait_until_ready(world, self.ports, supervisor, children)
            _say(f"Settle       {world.app_url} (Shopify's door: https://{HOST}:{self.ports.shopify}, mutual TLS)")
        _say(f"environment  {env_file}")
        _say(f"store        {world.url}/")
        _say("ready")


def run_sandbox(
    *,
    port: int = 8000,
    app_port: int = 8001,
    shopify_port: int = 8443,
    data: Path = Path(".sandbox"),
    outside_only: bool = False,
    slot_ms: int = 400,
) -> int:
    """Run the sandbox until Ctrl-C or SIGTERM; call it in the main thread. Returns the process's exit status."""
    sandbox = Sandbox(Ports(port, app_port, shopify_port), data.absolute(), outside_only, slot_ms)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(sandbox.run())
    except (SandboxFailed, PostgresError) as failure:
        sys.stderr.write(f"settle sandbox: {failure}\n")
        return 1
    except OSError as failure:
        sys.stderr.write(f"settle sandbox: {data} cannot be used: {failure}\n")
        return 1
    return 0


async def _until(
    stopping: asyncio.Task[bool], starting: asyncio.Task[None], tasks: Sequence[asyncio.Task[None]]
) -> None:
    """Wait until we are to stop. Raises what any of the tasks raises before; a stop while starting is no failure."""
    waiting: set[asyncio.Task[bool] | asyncio.Task[None]] = {stopping, starting, *tasks}
    while not stopping.done():
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if stopping in done:
            return
        for task in done:
            task.result()
            if task is not starting:
                raise SandboxFailed("the outside world's server has ended")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _watch(postgres: EmbeddedPostgres) -> None:
    """Start the database again when it dies. Raises PostgresError when it cannot."""
    while True:
        await asyncio.sleep(0.5)
        if postgres.pid is None:
            _say("the database has ended; starting it again")
            postgres.stop()
            postgres.start()


async def _wait_until_ready(world: World, ports: Ports, supervisor: Supervisor, children: Sequence[Child]) -> None:
    began = time.monotonic()
    tls = world.shopify_tls()
    async with httpx.AsyncClient(base_url=world.app_url, timeout=5, trust_env=False) as client:
        while not (
            await _is_ready(client, tolerant=time.monotonic() - began > DEGRADED_SECONDS)
            and await _is_open(ports.shopify, tls)
        ):
            for child in children:
                if child.ends >= ENDS_TOO_OFTEN:
                    name = child.program.name
                    raise SandboxFailed(f"`settle {name}` does not stay up:\n{supervisor.tail(name)}")
            if time.monotonic() - began > READY_SECONDS:
                raise SandboxFailed(
                    f"Settle was not ready after {READY_SECONDS:g} s; its logs are in {world.data / 'logs'}"
                )
            await asyncio.sleep(0.05)


async def _is_ready(client: httpx.AsyncClient, *, tolerant: bool) -> bool:
    with suppress(httpx.HTTPError, ValueError):
        answer = await client.get("/ready")
        return answer.status_code == 200 and (tolerant or answer.json()["status"] == "ok")
    return False


async def _is_open(port: int, tls: ssl.SSLContext) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection(HOST, port, ssl=tls, server_hostname=HOST)
        writer.close()
        return True
    return False


@contextmanager
def _occupy(data: Path) -> Iterator[None]:
    """Hold the folder as ours. Raises SandboxFailed when another sandbox lives in it."""
    lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    holder = os.pread(lock, 20, 0).decode().strip() or "unknown"
                    raise SandboxFailed(
                        f"{data} is in use by another sandbox (process {holder}): stop that one, "
                        "or choose another folder with --data"
                    ) from None
                time.sleep(0.05)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _take_port(option: str, port: int) -> socket.socket:
    """A socket bound to the port. Raises SandboxFailed when it is somebody else's."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            # Two may bind the same port as long as neither listens.
            listener.listen(2048)
        except (OSError, OverflowError) as problem:
            listener.close()
            if isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            busy = isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE
            why = "is in use by another process" if busy else f"cannot be listened on ({problem})"
            raise SandboxFailed(f"port {port} {why}: choose another with {option}") from None
        return listener


def _settle(command: str, environment: dict[str, str]) -> Program:
    return Program(command, [*SETTLE, command], environment)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
