"""Migrations: once, in order, all or nothing, and in Prisma's books."""

import asyncio
import hashlib
import shutil
from pathlib import Path

import asyncpg
import pytest

from app.database import DatabaseUnavailable
from app.migrations import (
    ADVISORY_LOCK,
    FOLDER,
    MigrationAltered,
    MigrationFailed,
    MigrationOutOfOrder,
    MigrationsMissing,
    MigrationTurnMissed,
    MigrationUnfinished,
    MigrationUnknown,
    migrate,
    pending,
)

OURS = [path.parent.name for path in sorted(FOLDER.glob("*/migration.sql"))]
LATER = "20990101000000_later"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations, to be changed."""
    return shutil.copytree(FOLDER, tmp_path / "migrations")


def add(folder: Path, name: str, script: str) -> None:
    (folder / name).mkdir()
    (folder / name / "migration.sql").write_text(script)


async def ask(database_url: str, query: str) -> object:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_an_empty_database_gets_every_migration_once(empty_database_url: str) -> None:
    assert await pending(empty_database_url) == OURS
    assert await ask(empty_database_url, "SELECT to_regclass('_prisma_migrations')") is None
    assert await migrate(empty_database_url) == OURS
    assert await pending(empty_database_url) == []
    assert await migrate(empty_database_url) == []


async def test_starters_that_race_apply_each_migration_once(empty_database_url: str) -> None:
    results = await asyncio.gather(*(migrate(empty_database_url) for _ in range(8)))
    assert sorted(results) == [[]] * 7 + [OURS]
    assert await ask(empty_database_url, 'SELECT count(*) FROM "_prisma_migrations"') == len(OURS)


async def test_the_books_are_prismas(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch('SELECT * FROM "_prisma_migrations" ORDER BY migration_name')
    finally:
        await connection.close()
    # The columns, in the order of Prisma's own schema engine.
    assert list(rows[0].keys()) == [
        "id", "checksum", "finished_at", "migration_name", "logs", "rolled_back_at", "started_at", "applied_steps_count"
    ]  # fmt: skip
    for row, name in zip(rows, OURS, strict=True):
        assert row["migration_name"] == name
        assert row["checksum"] == hashlib.sha256((FOLDER / name / "migration.sql").read_bytes()).hexdigest()
        assert len(row["id"]) == 36
        assert row["applied_steps_count"] == 1
        assert row["started_at"] <= row["finished_at"]
        assert row["rolled_back_at"] is None
        assert row["logs"] is None


async def test_an_altered_migration_is_refused(database_url: str, folder: Path) -> None:
    with (folder / OURS[0] / "migration.sql").open("a") as script:
        script.write("\n-- a harmless remark\n")
    for run in (migrate, pending):
        with pytest.raises(MigrationAltered, match=OURS[0]):
            await run(database_url, folder=folder)


async def test_a_database_from_the_future_is_refused(database_url: str, folder: Path) -> None:
    add(folder, LATER, "CREATE TABLE later (id INT);")
    assert await migrate(database_url, folder=folder) == [LATER]
    for run in (migrate, pending):
        with pytest.raises(MigrationUnknown, match=LATER):
            await run(database_url)


async def test_a_migration_that_comes_too_late_in_the_order_is_refused(database_url: str, folder: Path) -> None:
    add(folder, "20000101000000_early", "CREATE TABLE early (id INT);")
    with pytest.raises(MigrationOutOfOrder, match="20000101000000_early"):
        await migrate(database_url, folder=folder)
    assert await ask(database_url, "SELECT to_regclass('early')") is None


async def test_a_migration_that_fails_leaves_nothing_and_can_be_mended(database_url: str, folder: Path) -> None:
    add(folder, "20980101000000_good", "CREATE TABLE good (id INT);")
    add(folder, LATER, "CREATE TABLE half (id INT); CREATE TABLE half (id INT);")
    with pytest.raises(MigrationFailed, match=f'{LATER} failed and was rolled back: relation "half" already exists'):
        await migrate(database_url, folder=folder)
    assert await ask(database_url, "SELECT to_regclass('good')") is not None
    assert await ask(database_url, "SELECT to_regclass('half')") is None
    assert await pending(database_url, folder=folder) == [LATER]
    (folder / LATER / "migration.sql").write_text("CREATE TABLE half (id INT);")
    assert await migrate(database_url, folder=folder) == [LATER]


async def test_a_migration_does_not_queue_behind_a_long_transaction(database_url: str, folder: Path) -> None:
    add(folder, LATER, "ALTER TABLE merchants ADD COLUMN later TEXT;")
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.fetch("SELECT * FROM merchants")
            with pytest.raises(MigrationFailed, match="lock timeout"):
                await migrate(database_url, folder=folder, lock_seconds=1)
        assert await migrate(database_url, folder=folder) == [LATER]
    finally:
        await connection.close()


async def test_a_starter_waits_for_its_turn_only_so_long(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
        with pytest.raises(MigrationTurnMissed):
            await migrate(database_url, turn_seconds=1)
    finally:
        await connection.close()


async def test_a_migration_that_prismas_tools_left_unfinished_is_refused_until_resolved(
    database_url: str, folder: Path
) -> None:
    add(folder, LATER, "CREATE TABLE later (id INT);")
    begun = f"INSERT INTO \"_prisma_migrations\" (id, checksum, migration_name) VALUES ('1', 'x', '{LATER}')"
    await ask(database_url, begun)
    with pytest.raises(MigrationUnfinished, match=LATER):
        await migrate(database_url, folder=folder)
    # What `prisma migrate resolve --rolled-back` writes.
    await ask(database_url, 'UPDATE "_prisma_migrations" SET rolled_back_at = now() WHERE finished_at IS NULL')
    assert await migrate(database_url, folder=folder) == [LATER]
    assert await migrate(database_url, folder=folder) == []


async def test_a_folder_without_migrations_is_an_error(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationsMissing):
        await migrate(database_url, folder=tmp_path)


async def test_a_database_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate(f"postgresql://postgres@/settle?host={tmp_path}")
