"""The embedded server in ordinary life: starting, stopping, two at once, refusals."""

import asyncio
import os
import signal
import threading
from pathlib import Path

import asyncpg
import pytest

from app.embedded_postgres import EmbeddedPostgres, PostgresError, discard
from app.embedded_postgres.place import find_place
from tests.integration.postgres.conftest import StartChild, has_ended
from tests.waiting import wait_until


async def ask(dsn: str, *statements: str) -> object:
    """Run statements; the last one's value."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


async def test_a_started_server_answers_and_a_stopped_one_is_gone(private_folder: Path) -> None:
    server = EmbeddedPostgres(private_folder / "data")
    dsn = server.start()
    pid = server.pid
    assert pid
    assert await ask(dsn, "SELECT current_database()") == "settle"
    server.stop()
    server.stop()
    assert server.pid is None
    assert has_ended(pid)
    with pytest.raises(OSError, match=r"No such file|refused"):
        await asyncpg.connect(dsn)


async def test_it_keeps_what_was_committed_through_a_restart(private_folder: Path) -> None:
    for expected in (1, 2, 3):
        server = EmbeddedPostgres(private_folder / "data")
        dsn = server.start()
        count = await ask(
            dsn,
            "CREATE TABLE IF NOT EXISTS kept (at timestamptz)",
            "INSERT INTO kept VALUES (now())",
            "SELECT count(*) FROM kept",
        )
        server.stop()
        assert count == expected


async def test_it_is_durable_and_reachable_only_through_its_socket(private_folder: Path) -> None:
    server = EmbeddedPostgres(private_folder / "data")
    dsn = server.start()
    settings = {name: await ask(dsn, f"SHOW {name}") for name in ("fsync", "listen_addresses", "max_connections")}
    socket = Path(dsn.partition("host=")[2])
    assert settings == {"fsync": "on", "listen_addresses": "", "max_connections": "200"}
    assert socket.stat().st_mode & 0o777 == 0o700
    server.stop()


async def test_another_database_is_added_to_the_same_cluster(private_folder: Path) -> None:
    with EmbeddedPostgres(private_folder / "data"):
        pass
    server = EmbeddedPostgres(private_folder / "data", 'an "odd" name')
    assert await ask(server.start(), "SELECT current_database()") == 'an "odd" name'
    server.stop()
    server = EmbeddedPostgres(private_folder / "data")
    assert await ask(server.start(), "SELECT count(*) FROM pg_database WHERE NOT datistemplate") == 3
    server.stop()


async def test_two_clusters_run_at_once(private_folder: Path) -> None:
    one, two = EmbeddedPostgres(private_folder / "one"), EmbeddedPostgres(private_folder / "two")
    dsn_of_one, dsn_of_two = one.start(), two.start()
    await ask(dsn_of_one, "CREATE TABLE only_here ()", "SELECT 1")
    assert await ask(dsn_of_two, "SELECT to_regclass('only_here') IS NULL")
    one.stop()
    assert await ask(dsn_of_two, "SELECT 1") == 1
    two.stop()


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
async def test_the_server_dies_with_its_parent_and_the_next_start_works(
    private_folder: Path, start_child: StartChild, death: signal.Signals
) -> None:
    child = start_child(private_folder / "data")
    await ask(child.dsn, "CREATE TABLE kept AS SELECT 42 AS answer", "SELECT 1")
    child.process.send_signal(death)
    child.process.wait()
    await wait_until(lambda: has_ended(child.server), 5, "the server has ended")
    server = EmbeddedPostgres(private_folder / "data")
    assert await ask(server.start(), "SELECT answer FROM kept") == 42
    server.stop()


async def test_a_start_right_after_the_parents_death_waits_for_the_old_server(
    private_folder: Path, start_child: StartChild
) -> None:
    child = start_child(private_folder / "data")
    session = await asyncpg.connect(child.dsn)
    await session.execute("CREATE TABLE kept AS SELECT generate_series(1, 100000) AS number")
    child.process.kill()
    server = EmbeddedPostgres(private_folder / "data")
    assert await ask(server.start(), "SELECT count(*) FROM kept") == 100000
    server.stop()
    session.terminate()


async def test_a_crash_of_parent_and_server_at_once_loses_nothing(
    private_folder: Path, start_child: StartChild
) -> None:
    child = start_child(private_folder / "data")
    await ask(child.dsn, "CREATE TABLE kept AS SELECT 42 AS answer", "SELECT 1")
    os.kill(child.server, signal.SIGKILL)
    child.process.kill()
    child.process.wait()
    server = EmbeddedPostgres(private_folder / "data")
    assert await ask(server.start(), "SELECT answer FROM kept") == 42
    server.stop()


async def test_a_stale_pid_file_that_names_a_living_process_is_no_hindrance(private_folder: Path) -> None:
    with EmbeddedPostgres(private_folder / "data"):
        pass
    place = find_place(private_folder / "data")
    stale = place.data(place.majors[0]) / "postmaster.pid"
    stale.write_text(f"{os.getppid()}\n{stale.parent}\n0\n5432\n{place.socket}\n\n0 0\nready   \n")
    (place.socket / ".s.PGSQL.5432.lock").write_text(f"{os.getppid()}\n")
    server = EmbeddedPostgres(private_folder / "data")
    assert await ask(server.start(), "SELECT 1") == 1
    server.stop()


async def test_a_cluster_that_was_half_made_is_made_anew(private_folder: Path) -> None:
    place = find_place(private_folder / "data")
    (place.base / "16").mkdir()
    (place.base / "16" / "PG_VERSION").write_text("16\n")
    server = EmbeddedPostgres(private_folder / "data")
    assert await ask(server.start(), "SELECT 1") == 1
    server.stop()


async def test_a_very_long_path_gets_its_socket_elsewhere(private_folder: Path) -> None:
    deep = private_folder / ("long" * 20) / ("longer" * 10)
    server = EmbeddedPostgres(deep)
    assert await ask(server.start(), "SELECT 1") == 1
    server.stop()
    discard(deep)


async def test_a_path_with_spaces_and_commas_works(private_folder: Path) -> None:
    odd = private_folder / "one, two & three"
    server = EmbeddedPostgres(odd)
    assert await ask(server.start(), "SELECT 1") == 1
    server.stop()


def test_a_second_process_on_the_same_folder_is_refused_with_the_holders_pid(
    private_folder: Path, start_child: StartChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start_child(private_folder / "data")
    monkeypatch.setattr("app.embedded_postgres.place.PATIENCE", 0.2)
    with pytest.raises(PostgresError, match=f"in use by another process .*{child.process.pid}"):
        EmbeddedPostgres(private_folder / "data").start()
    with pytest.raises(PostgresError, match="in use"):
        discard(private_folder / "data")


def test_a_start_outside_the_main_thread_is_refused(private_folder: Path) -> None:
    problems: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedPostgres(private_folder / "data").start()
        except PostgresError as problem:
            problems.append(problem)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(problems)


def test_a_broken_cluster_is_reported_in_the_servers_own_words(private_folder: Path) -> None:
    with EmbeddedPostgres(private_folder / "data"):
        pass
    place = find_place(private_folder / "data")
    (place.data(place.majors[0]) / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(PostgresError, match="incompatible with server"):
        EmbeddedPostgres(private_folder / "data").start()


async def test_a_discarded_cluster_leaves_nothing_behind(private_folder: Path) -> None:
    with EmbeddedPostgres(private_folder / "data"):
        base = find_place(private_folder / "data").base
    discard(private_folder / "data")
    assert not await asyncio.to_thread(base.exists)
    assert list((private_folder / "data").iterdir()) == []
    discard(private_folder / "data")
