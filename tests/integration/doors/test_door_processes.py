"""`settle serve --workers N` as processes: who is replaced when, who goes with whom, and what a scrape gets."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.seeding import seed_merchant
from app.settings import Settings, read_fields, variable
from handlers.listeners import DoorTaken, Listeners, ListenersInvalid, bind
from tests.house import make_settings
from tests.sandbox_process import ROOT, surroundings
from tests.waiting import wait_until

WORKERS = 2
SECONDS = 60


def environment_of(settings: Settings) -> dict[str, str]:
    given = {name: getattr(settings, name) for name in read_fields()}
    return {
        variable(name): ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in given.items()
        if value not in ("", (), None)
    }


class Manager:
    """systemd's end of the line: a datagram socket whose address is none of the file system's."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")
        self._socket.setblocking(False)
        self.address = f"@{self._socket.getsockname()[1:].decode()}"

    def __enter__(self) -> "Manager":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()

    def heard(self) -> list[str]:
        """What it was told so far."""
        told = []
        while True:
            try:
                told.append(self._socket.recv(200).decode())
            except BlockingIOError:
                return told


class Doors:
    """The parent, and what can be seen of it."""

    def __init__(self, settings: Settings, log: Path, manager: Manager, workers: int) -> None:
        self.settings = settings
        self.http = httpx.AsyncClient(base_url=settings.public_url, timeout=SECONDS)
        self.manager = manager
        self._log = log
        with log.open("wb") as out:
            self.parent = psutil.Popen(
                [sys.executable, "-m", "handlers.cli", "serve", "--workers", str(workers)],
                cwd=ROOT,
                env=surroundings() | environment_of(settings) | {"NOTIFY_SOCKET": manager.address},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def children(self) -> list[psutil.Process]:
        """The door processes, the oldest first."""
        found: list[psutil.Process] = sorted(self.parent.children(), key=lambda each: (each.create_time(), each.pid))
        return found

    def said(self, action: str) -> list[dict[str, Any]]:
        text = self._log.read_text()
        # What a process says that can not start is a sentence, for people.
        lines = [line for line in text[: text.rfind("\n") + 1].splitlines() if not line.startswith("settle: ")]
        return [found for line in lines if (found := json.loads(line))["action"] == action]

    async def until_said(self, action: str, count: int = 1) -> list[dict[str, Any]]:
        def found() -> list[dict[str, Any]]:
            assert self.parent.poll() is None or action.endswith("gone"), self._log.read_text()[-3000:]
            said = self.said(action)
            return said if len(said) >= count else []

        return await wait_until(found, SECONDS, f"{action}: {self._log.read_text()[-2000:]}")

    async def until_only(self, count: int) -> None:
        await wait_until(lambda: len(self.children()) == count, SECONDS, f"{count} processes are left")

    async def close(self) -> None:
        await self.http.aclose()
        family = [self.parent, *self.parent.children()] if self.parent.is_running() else []
        for each in family:
            each.kill()
        self.parent.wait(10)


@asynccontextmanager
async def open_doors(database_url: str, folder: Path, workers: int) -> AsyncIterator[Doors]:
    settings = make_settings(database_url, folder, linger_ms=200, database_pool_size=2)
    await seed_merchant(settings)
    with Manager() as manager:
        doors = Doors(settings, folder / "serve.log", manager, workers)
        try:
            await doors.until_said("serve_processes_open")
            yield doors
        finally:
            await doors.close()


async def test_a_killed_process_is_replaced_and_sighup_replaces_all_but_none_for_one_that_can_not_open(
    database_url: str, tmp_path: Path
) -> None:
    async with open_doors(database_url, tmp_path, WORKERS) as doors:
        assert doors.manager.heard() == ["READY=1"]
        await _kill_one(doors)
        await wait_until(lambda: _scraped(doors), SECONDS, "both processes are scraped")
        before = doors.children()
        key = Path(doors.settings.shopify_key)
        good = key.read_bytes()
        key.write_bytes(b"no key")
        doors.parent.send_signal(signal.SIGHUP)
        await doors.until_said("serve_processes_not_renewed")
        await doors.until_only(WORKERS)
        assert doors.children() == before
        key.write_bytes(good)
        doors.parent.send_signal(signal.SIGHUP)
        await doors.until_said("serve_processes_renewed")
        await doors.until_only(WORKERS)
        assert set(doors.children()).isdisjoint(before)
        assert await _scraped(doors)
        assert doors.manager.heard() == ["RELOADING=1", "READY=1", "RELOADING=1", "READY=1"]
        doors.parent.terminate()
        assert await asyncio.to_thread(doors.parent.wait, SECONDS) == 0
        assert doors.manager.heard() == ["STOPPING=1"]
        assert doors.said("serve_process_killed") == []


async def _kill_one(doors: Doors) -> None:
    first, second = doors.children()
    first.kill()
    # Whoever is left answers meanwhile.
    assert (await doors.http.get("/health")).status_code == 200
    [ended] = await doors.until_said("serve_process_ended")
    assert (ended["process"], ended["status"]) == (first.pid, -signal.SIGKILL)
    await doors.until_only(WORKERS)
    assert second in doors.children()


async def _scraped(doors: Doors) -> bool:
    """Whether one answer tells of both processes, in the form that Prometheus reads."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families((await doors.http.get("/metrics")).text):
        assert family.name not in found, "a family in two pieces"
        found[family.name] = {sample.labels["process"] for sample in family.samples}
    return found["process_start_time_seconds"] == found["settle_jobs_unfinished"] == {"0", "1"}


async def test_without_their_parent_the_processes_end(database_url: str, tmp_path: Path) -> None:
    async with open_doors(database_url, tmp_path, 1) as doors:
        children = doors.children()
        doors.parent.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, SECONDS)
        assert alive == []
        assert len(doors.said("parent_gone")) == 1


def test_only_sockets_that_listen_and_that_have_a_doors_name_are_taken_over(tmp_path: Path) -> None:
    with socket.socket() as deaf, pytest.raises(ListenersInvalid, match="does not listen"):
        Listeners.inherit([os.dup(deaf.fileno())], [])
    settings = make_settings("postgresql://nowhere/x", tmp_path)
    mine = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "public"}
    with pytest.raises(ListenersInvalid, match="none is named shopify"):
        Listeners.obtain(settings, dict(mine))
    with pytest.raises(ListenersInvalid, match="no door has the name web"):
        Listeners.obtain(settings, mine | {"LISTEN_FDNAMES": "web"})
    with pytest.raises(ListenersInvalid, match="2 sockets have the names public"):
        Listeners.obtain(settings, mine | {"LISTEN_FDS": "2"})
    # What is meant for another process is not for us, and is not passed on.
    environment = mine | {"LISTEN_PID": "1", "PATH": "/bin"}
    opened = Listeners.obtain(settings, environment)
    assert (opened.kept, environment) == (False, {"PATH": "/bin"})
    opened.close()


def test_a_host_of_several_addresses_is_listened_on_at_each_and_none_stays_taken_when_one_is(tmp_path: Path) -> None:
    settings = make_settings("postgresql://nowhere/x", tmp_path, host="localhost")
    with socket.create_server(("127.0.0.1", settings.shopify_port)), pytest.raises(DoorTaken):
        Listeners.open(settings)
    opened = Listeners.open(settings)
    wanted = {info[4][0] for info in socket.getaddrinfo("localhost", None)}
    assert {each.getsockname()[0] for each in opened.public} == wanted
    opened.close()
    everywhere = list(bind("", settings.public_port))
    assert {each.getsockname()[0] for each in everywhere} <= {"::", "0.0.0.0"}
    for each in everywhere:
        each.close()
