"""Where a cluster lives: under the data directory where the server's account can reach it, else beside the cache."""

import fcntl
import hashlib
import os
import shutil
import stat
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.embedded_postgres.account import Account, Way, choose_account
from app.embedded_postgres.errors import PostgresError

# Not TMPDIR: that may be private, or gone at the next login.
SPARE = Path("/var/tmp")  # noqa: S108 - checked by spare_root
# Seconds that the server of a parent that was killed may take to finish.
PATIENCE = 15.0
LONGEST_SOCKET = 107
SOCKET = ".s.PGSQL.5432"


@dataclass(frozen=True)
class Place:
    """The folders of one cluster. `base` holds lock, log, markers and one data directory per major version."""

    base: Path
    account: Account

    @property
    def lock(self) -> Path:
        return self.base / "lock"

    @property
    def log(self) -> Path:
        return self.base / "postgres.log"

    def data(self, major: int) -> Path:
        return self.base / str(major)

    @property
    def majors(self) -> list[int]:
        """The major versions that have a data directory here."""
        return sorted(int(path.name) for path in self.base.iterdir() if path.name.isdecimal())

    @property
    def socket(self) -> Path:
        """The socket's folder: in the base, or a short one elsewhere where the base's path is too long for a socket."""
        near = self.base / "run"
        if len(os.fsencode(near / SOCKET)) <= LONGEST_SOCKET and not set(str(near)) & set(",\"'\\"):
            return near
        return spare_root() / "run" / hashlib.sha256(os.fsencode(self.base)).hexdigest()[:16]


def find_place(directory: Path) -> Place:
    """The cluster's place for the data directory `directory`, made when it is the first start. Raises PostgresError."""
    home = (directory / "postgres").absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        base = _recorded(home)
        if base is not None:
            return Place(base, choose_account(_any_data(base)))
        account = choose_account(_any_data(home))
        if account.way is not Way.SWITCH:
            return Place(home, account)
        if account.may_enter(directory.absolute().parent):
            # Search only: names in DIR stay hidden, and what is secret there has a mode of its own.
            for reachable in (directory, home):
                reachable.chmod(stat.S_IMODE(reachable.stat().st_mode) | 0o111)
            return Place(home, account)
    except PermissionError as problem:
        raise PostgresError(f"{problem.filename} cannot be used by this user: {problem.strerror}.") from problem
    if _any_data(home).exists():
        raise PostgresError(
            f"The database is in {home}, which uid {account.uid} can no longer reach: move the data directory back, "
            "or let others pass through the folders above it (chmod o+x)."
        )
    return Place(_make_spare(home), account)


def take_lock(place: Place) -> int:
    """The descriptor of the cluster's lock, to be inherited by the server: free means that no server is left.

    Waits for the server of a parent that was killed to finish. Raises PostgresError when the cluster stays in use.
    """
    lock = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            holder = os.pread(lock, 20, 0).decode() or "unknown"
            os.close(lock)
            raise PostgresError(
                f"{place.base} is in use by another process (started by pid {holder}): stop that one first, "
                "or choose another data directory."
            ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def spare_root() -> Path:
    """Our own folder under the system's /var/tmp, made when missing. Raises PostgresError where it is not ours."""
    mode = 0o755 if os.geteuid() == 0 else 0o700
    root = SPARE / f"settle-postgres-{os.geteuid()}"
    with suppress(FileExistsError):
        root.mkdir(mode=0o700)
    # Anybody may make names there: what we run and store must not be another user's.
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PostgresError(f"{root} is not a folder that only we can write: remove it and start again.")
    for folder in (root, root / "binaries", root / "clusters", root / "run"):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
    return root


def discard(directory: Path) -> None:
    """Remove the cluster of this data directory, wherever it lives. Raises PostgresError while it is in use."""
    home = (directory / "postgres").absolute()
    base = (_recorded(home) if home.exists() else None) or home
    if not base.exists():
        return
    place = Place(base, choose_account(_any_data(base)))
    lock = take_lock(place)
    try:
        for folder in {place.socket, base, home}:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _recorded(home: Path) -> Path | None:
    """The place elsewhere that an earlier start chose, or None."""
    location = home / "location"
    if not location.exists():
        return None
    base = Path(location.read_text().strip())
    if not base.is_dir():
        raise PostgresError(
            f"{location} says that the database is in {base}, which is gone: remove {home.parent} to begin anew."
        )
    return base


def _make_spare(home: Path) -> Path:
    base = spare_root() / "clusters" / str(uuid.uuid4())
    base.mkdir()
    base.chmod(0o711)
    # For a person who finds 40 MB here and wonders whose they are.
    (base / "belongs-to").write_text(f"{home}\n")
    draft = home / "location.new"
    draft.write_text(f"{base}\n")
    os.replace(draft, home / "location")
    return base


def _any_data(base: Path) -> Path:
    """A data directory of this base, whose owner is the cluster's; a path that does not exist where there is none."""
    return next((path for path in base.glob("*") if path.name.isdecimal()), base / "0")
