"""`settle sandbox` and Settle's own programs as processes, for tests that start, stop and kill them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.settings import variable
from tests.house import free_port

ROOT = Path(__file__).parents[1]
END_SECONDS = 20


def surroundings() -> dict[str, str]:
    """Our own environment without any setting of Settle's: its programs get theirs from the sandbox."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SETTLE_")}


class Sandbox:
    """A running `settle sandbox`. `begin` returns when it has printed `ready`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.ports = [free_port() for _ in range(3)]
        self.process: subprocess.Popen[str] | None = None
        self.tree: list[psutil.Process] = []
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.ports[0]}", trust_env=False, timeout=30)

    def spawn(self, *more: str) -> subprocess.Popen[str]:
        world, app, shopify = map(str, self.ports)
        arguments = ["--port", world, "--app-port", app, "--shopify-port", shopify, "--data", str(self.data), *more]
        return subprocess.Popen(
            [sys.executable, "-m", "handlers.cli", "sandbox", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def begin(self, *more: str, whole: bool = False) -> list[str]:
        """Start it, with Settle when it is to be `whole`; the lines it printed before `ready`."""
        self.process = self.spawn(*more) if whole else self.spawn("--outside-only", *more)
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line.rstrip("\n"))
            if lines[-1] == "ready":
                break
        else:
            raise AssertionError("\n".join(lines))
        parent = psutil.Process(self.process.pid)
        self.tree = [parent, *parent.children(recursive=True)]
        return lines[:-1]

    def end(self, order: signal.Signals) -> int:
        """Send the signal, and wait until no process is left."""
        assert self.process is not None
        self.process.send_signal(order)
        status = self.process.wait(END_SECONDS)
        _, alive = psutil.wait_procs(self.tree, timeout=END_SECONDS)
        assert alive == []
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return status

    def close(self) -> None:
        self.http.close()
        if self.process:
            ended = self.process.poll()
            self.process.kill()
            said, _ = self.process.communicate()
            psutil.wait_procs(self.tree, timeout=END_SECONDS)
            assert ended is None, f"the sandbox had ended by itself with status {ended}: {said[-3000:]}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.status_code in (200, 201), f"{answer.status_code} {answer.text}"
        return answer.json()

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.call("POST", "/sandbox/rpc", body)["result"]

    def environment(self) -> dict[str, str]:
        lines = (self.data / "sandbox.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)


class Program:
    """`settle COMMAND` with the environment of a sandbox, its output in a file; it can be started again and again."""

    def __init__(self, command: str, sandbox: Sandbox, *, name: str | None = None, **settings: str) -> None:
        """`command` with its options, if it has any; `name`: of the log, where several run the same command."""
        self.command = command
        self.log = sandbox.data.parent / f"{name or command.split(maxsplit=1)[0]}.log"
        self._sandbox = sandbox
        self._settings = {variable(name): value for name, value in settings.items()}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return surroundings() | self._sandbox.environment() | self._settings

    def start(self) -> None:
        self._spawn([sys.executable, "-m", "handlers.cli", *self.command.split()])

    def _spawn(self, argv: Sequence[str], descriptors: Sequence[int] = ()) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env=self.environment, stdout=log, stderr=subprocess.STDOUT, pass_fds=descriptors
            )

    def end(self, order: signal.Signals, seconds: float = END_SECONDS) -> int:
        """Send the signal, and wait for the end; the exit status, negative for the signal that killed it."""
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(order)
        return process.wait(seconds)

    def close(self) -> None:
        if self.process is not None:
            self.end(signal.SIGKILL)

    def lines(self) -> list[str]:
        """What it has said so far, in all its lives; a line cut off by kill -9 is left out."""
        text = self.log.read_text() if self.log.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def said(self, action: str) -> int:
        """How often it has said this, in all its lives."""
        return sum(json.loads(line)["action"] == action for line in self.lines())


# systemd's way (sd_listen_fds(3)): the descriptors are 3 and 4, and LISTEN_PID is who they are meant for.
ACTIVATE = """
import fcntl, json, os, sys
high = [fcntl.fcntl(number, fcntl.F_DUPFD, 10) for number in json.loads(sys.argv[1])]
for place, number in enumerate(high, 3):
    os.dup2(number, place)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "public:shopify"}
os.closerange(5, 256)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Activated(Program):
    """`settle serve` as systemd's socket activation starts it: the sockets are ours, and stay open while it is away."""

    def __init__(self, command: str, sandbox: Sandbox, **settings: str) -> None:
        super().__init__(command, sandbox, **settings)
        self._sockets = [socket.create_server(("127.0.0.1", port), backlog=2048) for port in sandbox.ports[1:]]

    def start(self) -> None:
        descriptors = [each.fileno() for each in self._sockets]
        command = [sys.executable, "-m", "handlers.cli", *self.command.split()]
        self._spawn([sys.executable, "-c", ACTIVATE, json.dumps(descriptors), *command], descriptors)

    def close(self) -> None:
        super().close()
        for each in self._sockets:
            each.close()


def run_settle(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `settle ARGUMENTS` to its end, with these variables and none of ours that begin with SETTLE_."""
    return subprocess.run(
        [sys.executable, "-m", "handlers.cli", *arguments],
        cwd=ROOT,
        env=surroundings() | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def wait(predicate: Callable[[], Any], what: str, seconds: float = 15) -> Any:
    """The first true value of `predicate`; fails, naming `what`, when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := predicate()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return value


def make_folder() -> Iterator[Path]:
    """A folder that a sandbox can live in, for a fixture to yield from."""
    # Not pytest's own: that is private, and as root the database runs as another user.
    path = Path(tempfile.mkdtemp(prefix="settle-sandbox-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)
