"""Supervision of real child processes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from app.sandbox.processes import Program, Supervisor
from tests.waiting import wait_until

KEEPER = Path(__file__).with_name("keeper.py")
ROOT = Path(__file__).parents[3]
PLAIN = {"PATH": "/usr/bin:/bin"}


def shell(command: str, name: str = "child") -> Program:
    return Program(name, ["/bin/sh", "-c", command], PLAIN)


def start_keeper(logs: Path, *commands: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(KEEPER), str(logs), *commands], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "logs", asyncio.Event(), stop_seconds=0.5)
    yield supervisor
    await supervisor.stop()


async def test_a_program_run_to_its_end_tells_its_status(supervisor: Supervisor) -> None:
    assert await supervisor.run(shell("exit 0")) == 0
    assert await supervisor.run(shell("echo it broke >&2; exit 3")) == 3
    assert "it broke" in supervisor.tail("child")


async def test_logs_and_their_folder_are_private(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.run(shell("echo secret"))
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "logs" / "child.log").stat().st_mode & 0o777 == 0o600


async def test_a_child_has_only_the_environment_it_was_given(supervisor: Supervisor) -> None:
    await supervisor.run(Program("child", ["/usr/bin/env"], {"ONLY": "this"}))
    assert supervisor.tail("child").splitlines()[0] == "ONLY=this"


async def test_a_child_that_ends_is_started_again(supervisor: Supervisor) -> None:
    child = supervisor.keep(shell("echo alive; sleep 1000"))
    first = await wait_until(lambda: child.pid)
    os.kill(first, signal.SIGKILL)
    second = await wait_until(lambda: child.pid not in (None, first) and child.pid)
    assert psutil.pid_exists(int(second))
    assert child.ends == 1
    assert "was killed by SIGKILL" in supervisor.tail("child")


async def test_a_child_that_ends_at_once_is_started_ever_more_slowly(supervisor: Supervisor) -> None:
    child = supervisor.keep(shell("exit 1"))
    began = time.monotonic()
    await wait_until(lambda: child.ends >= 3)
    assert time.monotonic() - began >= 0.2 + 0.4


async def test_stopping_lets_a_child_finish(supervisor: Supervisor) -> None:
    child = supervisor.keep(shell("trap 'echo finished; exit 0' TERM; echo ready; while :; do sleep 0.05; done"))
    await wait_until(lambda: "ready" in supervisor.tail("child"))
    pid = child.pid
    await supervisor.stop()
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert child.last_exit == 0
    assert "finished" in supervisor.tail("child")


async def test_stopping_kills_a_child_that_will_not_end(supervisor: Supervisor) -> None:
    child = supervisor.keep(shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"))
    await wait_until(lambda: "ready" in supervisor.tail("child"))
    await supervisor.stop()
    assert child.last_exit == -signal.SIGKILL


async def test_stopping_ends_a_program_that_is_run_to_its_end(tmp_path: Path) -> None:
    stop = asyncio.Event()
    supervisor = Supervisor(tmp_path / "logs", stop)
    running = asyncio.create_task(supervisor.run(shell("echo begun; exec sleep 1000")))
    await wait_until(lambda: (tmp_path / "logs" / "child.log").exists() and "begun" in supervisor.tail("child"))
    stop.set()
    assert await running == -signal.SIGTERM


async def test_children_are_out_of_reach_of_the_terminals_interrupt(supervisor: Supervisor) -> None:
    child = supervisor.keep(shell("sleep 1000"))
    pid = await wait_until(lambda: child.pid)
    assert os.getsid(pid) != os.getsid(0)


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGKILL])
async def test_no_child_outlives_its_parent(tmp_path: Path, order: signal.Signals) -> None:
    # One of them would not end by itself for anything but a kill.
    commands = ["one=exec sleep 1000", "two=trap '' HUP INT; while :; do read x </dev/zero; done"]
    keeper = start_keeper(tmp_path / "logs", *commands)
    try:
        parent = psutil.Process(keeper.pid)
        children = await wait_until(lambda: len(parent.children()) == 2 and parent.children())
        keeper.send_signal(order)
        await wait_until(lambda: keeper.poll() is not None)
        await wait_until(lambda: not any(child.is_running() for child in children or []), 5)
    finally:
        keeper.kill()
        keeper.wait()
