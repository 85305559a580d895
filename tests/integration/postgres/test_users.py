"""Who may run the embedded server, and from where: root and ordinary users, open and private folders, any umask."""

import os
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from app.embedded_postgres import EmbeddedPostgres, PostgresError
from app.embedded_postgres.place import find_place
from tests.integration.postgres.conftest import AS_ROOT, StartChild, Stranger, has_ended
from tests.integration.postgres.test_supervisor import ask
from tests.waiting import wait_until

only_root = pytest.mark.skipif(not AS_ROOT, reason="says what root's sandbox does; we are an ordinary user")


def allows(before: tuple[str, ...]) -> bool:
    return subprocess.run([*before, "true"], capture_output=True, check=False).returncode == 0


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@only_root
async def test_roots_server_runs_as_somebody_else(private_folder: Path) -> None:
    server = EmbeddedPostgres(private_folder / "data")
    server.start()
    assert server.pid
    assert owner(server.pid) != 0
    server.stop()


@only_root
async def test_roots_database_stays_in_its_folder_where_others_can_reach_it(open_folder: Path) -> None:
    data = open_folder / "data"
    data.mkdir(mode=0o700)
    server = EmbeddedPostgres(data)
    dsn = server.start()
    assert await ask(dsn, "SHOW data_directory") == str(data / "postgres" / "16")
    server.stop()
    assert data.stat().st_mode & 0o777 == 0o711
    assert open_folder.stat().st_mode & 0o777 == 0o755


@only_root
async def test_roots_database_lives_elsewhere_when_its_folder_is_private_and_nothing_above_is_changed(
    private_folder: Path,
) -> None:
    above = {folder: folder.stat().st_mode for folder in [private_folder, *private_folder.parents]}
    server = EmbeddedPostgres(private_folder / "data")
    directory = await ask(server.start(), "SHOW data_directory")
    server.stop()
    recorded = Path((private_folder / "data" / "postgres" / "location").read_text().strip())
    assert directory == str(recorded / "16")
    assert not recorded.is_relative_to(private_folder)
    assert {folder: folder.stat().st_mode for folder in above} == above


@only_root
def test_a_database_whose_place_elsewhere_is_gone_is_not_silently_made_anew(private_folder: Path) -> None:
    data = private_folder / "data"
    with EmbeddedPostgres(data):
        pass
    shutil.rmtree(find_place(data).base)
    with pytest.raises(PostgresError, match="which is gone"):
        EmbeddedPostgres(data).start()
    shutil.rmtree(data)


@only_root
async def test_root_carries_on_with_an_ordinary_users_cluster_as_that_user(
    stranger: Stranger, start_child: StartChild
) -> None:
    data = stranger.folder / "data"
    child = start_child(data, before=stranger.before, python=stranger.python, code=stranger.code)
    await ask(child.dsn, "CREATE TABLE kept AS SELECT 42 AS answer", "SELECT 1")
    child.process.terminate()
    child.process.wait()
    server = EmbeddedPostgres(data)
    dsn = server.start()
    assert server.pid
    assert owner(server.pid) == child.uid
    assert await ask(dsn, "SELECT answer FROM kept") == 42
    server.stop()


@only_root
def test_an_ordinary_user_is_told_that_a_cluster_is_roots(
    open_folder: Path, stranger: Stranger, start_child: StartChild
) -> None:
    data = open_folder / "data"
    with EmbeddedPostgres(data):
        pass
    with pytest.raises(AssertionError, match=r"refused: .* belongs to another user"):
        start_child(data, before=stranger.before, python=stranger.python, code=stranger.code)


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
async def test_an_ordinary_user_runs_the_server_as_itself(
    stranger: Stranger, start_child: StartChild, death: signal.Signals
) -> None:
    for _ in range(2):
        child = start_child(
            stranger.folder / "data", before=stranger.before, python=stranger.python, code=stranger.code
        )
        assert child.uid != 0
        assert owner(child.server) == child.uid
        assert str(await ask(child.dsn, "SHOW data_directory")).startswith(str(stranger.folder))
        child.process.send_signal(death)
        child.process.wait()
        await wait_until(partial(has_ended, child.server), 5, "the server has ended")


@pytest.mark.parametrize("umask", [0o077, 0o000])
async def test_any_umask_will_do(private_folder: Path, open_folder: Path, start_child: StartChild, umask: int) -> None:
    for data in (private_folder / "data", open_folder / "data"):
        for _ in range(2):
            child = start_child(data, umask=umask)
            assert await ask(child.dsn, "SELECT 1") == 1
            child.process.kill()
            child.process.wait()


async def test_root_of_a_namespace_without_other_users_runs_the_server_too(
    private_folder: Path, start_child: StartChild
) -> None:
    before = ("unshare", "--user", "--map-root-user")
    if not allows(before):
        pytest.skip("this machine allows no user namespaces")
    for _ in range(2):
        child = start_child(private_folder / "data", before=before)
        assert owner(child.server) == os.geteuid()
        assert await ask(child.dsn, "SELECT 1") == 1
        child.process.kill()
        child.process.wait()
        await wait_until(partial(has_ended, child.server), 5, "the server has ended")
