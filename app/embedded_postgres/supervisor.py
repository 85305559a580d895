"""Starts the server as our child, waits until it is ready, and stops it; it never outlives us."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from app.embedded_postgres.account import Way
from app.embedded_postgres.binaries import Binaries, find_binaries, readable_copy
from app.embedded_postgres.errors import PostgresError
from app.embedded_postgres.place import SOCKET, Place, find_place, spare_root, take_lock

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "256MB",
    # A laptop's power may fail: what was committed stays committed.
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    # Refusals by constraint are everyday work here (insert-or-get), and statements carry customers' data.
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
LARGEST_LOG = 5_000_000
READY_SECONDS = 120
STOP_SECONDS = 30


class EmbeddedPostgres:
    """One cluster under the data directory `data` and one database in it.

    `start()` must be called from the main thread: the server gets its death signal when the thread that started
    it ends.
    """

    def __init__(
        self,
        data: Path,
        database: str = "settle",
        *,
        binaries: Binaries | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`binaries`: use these programs, not those found; `settings`: PostgreSQL settings over and above SETTINGS."""
        self.directory = data
        self.database = database
        self._given = binaries
        self._settings = SETTINGS | dict(settings or {})
        self._server: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    def start(self) -> str:
        """Start the server, making cluster and database the first time.

        Returns a DSN for asyncpg. Raises PostgresError.
        """
        if threading.current_thread() is not threading.main_thread():
            raise PostgresError("EmbeddedPostgres.start() was called outside the main thread.")
        if self._server is not None:
            raise PostgresError("This EmbeddedPostgres is already started.")
        place = find_place(self.directory)
        lock = take_lock(place)
        try:
            binaries = self._prepare(place, lock)
            logged = place.log.stat().st_size
            self._server = self._launch(place, binaries, lock)
        except BaseException as problem:
            os.close(lock)
            if isinstance(problem, (OSError, subprocess.SubprocessError)):
                raise PostgresError(f"PostgreSQL cannot be started: {problem}") from problem
            raise
        self._lock = lock
        try:
            self._wait_until_ready(place, self._server, binaries.major, logged)
        except BaseException:
            self.stop()
            raise
        return f"postgresql://postgres@/{quote(self.database)}?host={quote(str(place.socket))}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def stop(self) -> None:
        """Stop the server, ending its sessions, and wait until it is gone. Does nothing when it is not running."""
        server, self._server = self._server, None
        if server is not None:
            # Fast shutdown; then without the last checkpoint, which only makes the next start longer; then by force.
            for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    server.send_signal(order)
                try:
                    server.wait(STOP_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self, place: Place, lock: int) -> Binaries:
        """Choose the programs; make cluster and database where missing; clear away what an earlier server left."""
        place.log.touch(mode=0o600)
        if place.log.stat().st_size > LARGEST_LOG:
            os.replace(place.log, place.log.with_suffix(".log.old"))
            place.log.touch(mode=0o600)
        binaries = self._given or find_binaries()
        if place.majors and binaries.major not in place.majors:
            raise PostgresError(
                f"{place.base} holds a cluster of PostgreSQL {place.majors[-1]}, but the programs found are version "
                f"{binaries.version}: install that version (`make setup`), or remove the data directory to begin anew."
            )
        if place.account.way is Way.SWITCH:
            binaries = readable_copy(binaries, spare_root() / "binaries")
        data, marker = place.data(binaries.major), place.base / f"{binaries.major}.databases"
        databases = marker.read_text().splitlines() if marker.exists() else []
        if not databases:
            # An earlier initdb that was interrupted leaves half a cluster.
            shutil.rmtree(data, ignore_errors=True)
            place.account.make_directory(data)
            initdb = [str(binaries.initdb), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            self._run(place, lock, [*initdb, "--locale=C", "--no-instructions"])
        place.account.make_directory(place.socket)
        # The lock is ours, so no server is left, whatever these files say: a dead one's pid may be another's today.
        for stale in (data / "postmaster.pid", place.socket / SOCKET, place.socket / f"{SOCKET}.lock"):
            stale.unlink(missing_ok=True)
        if self.database not in databases:
            name = self.database.replace('"', '""')
            self._run(
                place,
                lock,
                [str(binaries.postgres), "--single", "-D", str(data), "postgres"],
                f'CREATE DATABASE "{name}"\n',
            )
            _replace_text(marker, "\n".join([*databases, self.database]))
        return binaries

    def _run(self, place: Place, lock: int, command: list[str], words: str = "") -> None:
        """Run one of the programs to its end. Raises PostgresError with the end of its output."""
        with place.log.open("ab") as log:
            before = log.tell()
            child = place.account.spawn(command, signal.SIGKILL, stdin=subprocess.PIPE, output=log, keep=[lock])
            child.communicate(words.encode())
        # Single-user mode reports a failed statement in its output only.
        failed = child.returncode != 0 or b"ERROR: " in place.log.read_bytes()[before:]
        if failed:
            raise PostgresError(f"{Path(command[0]).name} failed ({child.returncode}): {_tail(place.log, before)}")

    def _launch(self, place: Place, binaries: Binaries, lock: int) -> subprocess.Popen[bytes]:
        command = [str(binaries.postgres), "-D", str(place.data(binaries.major)), "-k", str(place.socket)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with place.log.open("ab") as log:
            return place.account.spawn(command, signal.SIGINT, output=log, keep=[lock])

    def _wait_until_ready(self, place: Place, server: subprocess.Popen[bytes], major: int, logged: int) -> None:
        pid_file = place.data(major) / "postmaster.pid"
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise PostgresError(f"PostgreSQL ended at once ({server.returncode}): {_tail(place.log, logged)}")
            lines = pid_file.read_text().splitlines() if pid_file.exists() else []
            if len(lines) >= 8 and lines[0].strip() == str(server.pid) and lines[7].strip() == "ready":
                return
            time.sleep(0.005)
        raise PostgresError(f"PostgreSQL was not ready after {READY_SECONDS} seconds: {_tail(place.log, logged)}")


def _replace_text(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text)
    os.replace(draft, path)


def _tail(log: Path, start: int) -> str:
    """The last lines of the log from the byte `start` on, on one line."""
    lines = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
    return " | ".join(lines[-5:]) or "it said nothing"
