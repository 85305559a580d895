"""The first command on a fresh machine, for root and for others: a clone of HEAD where only its owner may enter."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.embedded_postgres import discard
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0


@dataclass
class Machine:
    """A user with a home only it may enter, and how to run a command as that user there."""

    home: Path
    before: tuple[str, ...]
    environment: dict[str, str]

    @property
    def clone(self) -> Path:
        return self.home / "settle"

    def run(self, *command: str) -> str:
        """Run a command to its end, its output; an AssertionError with the output when it fails."""
        run = subprocess.run(
            [*self.before, *command],
            cwd=self.clone if self.clone.exists() else self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o077,
            check=False,
        )
        assert run.returncode == 0, f"{command}: {run.stdout[-4000:]}"
        return run.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command whose output goes to `output.log` in the home."""
        with (self.home / "output.log").open("wb") as output:
            return subprocess.Popen(
                [*self.before, *command],
                cwd=self.clone,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0o077,
                start_new_session=True,
            )

    @property
    def output(self) -> list[str]:
        return (self.home / "output.log").read_text(errors="replace").splitlines()


@pytest.fixture(params=["root", "ordinary user"] if AS_ROOT else ["ordinary user"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A user of this machine: ourselves, and when we are root an ordinary one as well."""
    above = Path(tempfile.mkdtemp(prefix="settle-fresh-"))
    above.chmod(0o755)
    home = above / "home"
    home.mkdir(mode=0o700)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SETTLE_", "PYTEST_", "MAKE"))
    }
    before: tuple[str, ...] = ()
    if AS_ROOT and request.param != "root":
        user = pwd.getpwnam("games")
        os.chown(home, user.pw_uid, user.pw_gid)
        before = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
        # Root's own interpreter may lie in root's home.
        environment |= {"HOME": str(home), "PYTHON": "/usr/bin/python3", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    yield Machine(home, before, environment)
    discard(home / "settle" / ".sandbox")
    shutil.rmtree(above)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def processes_in(*folders: Path) -> list[str]:
    """The command lines of living processes that name a path in one of these folders."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if any(str(folder) in words for folder in folders):
            found.append(words)
    return found


def clone_head(machine: Machine) -> None:
    """Clone what is committed here into the machine's home. The user need not be able to read this checkout."""
    bundle = machine.home.parent / "settle.bundle"
    subprocess.run(["git", "bundle", "create", "-q", str(bundle), "HEAD"], cwd=ROOT, check=True)
    bundle.chmod(0o644)
    machine.run("git", "clone", "-q", str(bundle), str(machine.clone))


def seconds_of_setup(machine: Machine) -> float:
    begin = time.monotonic()
    machine.run("make", "setup")
    return time.monotonic() - begin


async def start_look_and_stop(machine: Machine) -> None:
    """One life of the sandbox: started by `make run`, looked at, ended by Ctrl-C, and nothing left behind."""
    outside, app, shopify = free_ports(3)
    ports = f"--port {outside} --app-port {app} --shopify-port {shopify}"
    sandbox = machine.start("make", "run", f"ARGS={ports}")
    try:
        await wait_until(lambda: sandbox.poll() is not None or "ready" in machine.output, 60, "`ready` is printed")
        assert sandbox.poll() is None, "\n".join(machine.output)
        async with httpx.AsyncClient() as client:
            assert "Pay with Solana" in (await client.get(f"http://127.0.0.1:{outside}/")).text
            assert (await client.get(f"http://127.0.0.1:{app}/ready")).status_code == 200
        location = machine.clone / ".sandbox" / "postgres" / "location"
        database = Path(location.read_text().strip()) if location.exists() else machine.home
        assert processes_in(database)
        # The terminal's Ctrl-C reaches make and everything it started.
        os.killpg(sandbox.pid, signal.SIGINT)
        await wait_until(lambda: sandbox.poll() is not None, 30, "the sandbox has ended")
    finally:
        if sandbox.poll() is None:
            os.killpg(sandbox.pid, signal.SIGKILL)
            sandbox.wait()
    await wait_until(lambda: not processes_in(machine.home, database), 10, "no process is left")


@pytest.mark.timeout(600)
async def test_a_fresh_clone_in_a_private_folder_sets_up_starts_stops_and_starts_again(machine: Machine) -> None:
    clone_head(machine)
    first, second = seconds_of_setup(machine), seconds_of_setup(machine)
    print(f"make setup: {first:.0f} s, again: {second:.1f} s")
    assert second < 5
    await start_look_and_stop(machine)
    await start_look_and_stop(machine)
    assert machine.home.stat().st_mode & 0o777 == 0o700
