"""The migrations of prisma/migrations, applied in order and kept in Prisma Migrate's own books.

The table `_prisma_migrations`, its checksums and its advisory lock are Prisma's: its tools can take turns with us.
The folder is found beside the package `app`: in a checkout, an editable install and an image that copies the tree.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from app.database import open_connection
from app.errors import SettleError

FOLDER = Path(__file__).resolve().parent.parent / "prisma" / "migrations"

# The key of the advisory lock that Prisma Migrate holds while it migrates.
ADVISORY_LOCK = 72707369
# Another starter may be migrating: wait for it this long.
TURN_SECONDS = 120
# A migration that queues behind a long transaction stops everybody who queues behind it: rather give up.
LOCK_SECONDS = 5

_BOOKS = """
CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
)
"""

_APPLIED = """
SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL ORDER BY started_at
"""

_RECORD = """
INSERT INTO "_prisma_migrations" (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
VALUES ($1, $2, $3, now(), clock_timestamp(), 1)
"""


class MigrationsMissing(SettleError):
    """There are no migrations in {folder}: `prisma/migrations` must lie beside the package `app`."""

    reason = "migrations_missing"
    status = 500


class MigrationAltered(SettleError):
    """The migration {name} was changed after it was applied: restore it and put the change into a new one."""

    reason = "migration_altered"
    status = 500


class MigrationUnknown(SettleError):
    """The database has migrations that this version does not know ({names}): run a version as new as the database."""

    reason = "migration_unknown"
    status = 500


class MigrationOutOfOrder(SettleError):
    """The migration {name} is not applied, but a later one is: give it a later name."""

    reason = "migration_out_of_order"
    status = 500


class MigrationUnfinished(SettleError):
    """The migration {name} failed halfway in Prisma's hands: mend the database and run `prisma migrate resolve`."""

    reason = "migration_unfinished"
    status = 500


class MigrationFailed(SettleError):
    """The migration {name} failed and was rolled back: {problem}."""

    reason = "migration_failed"
    status = 500


class MigrationTurnMissed(SettleError):
    """Somebody else has been migrating this database for {seconds} seconds: look whether they hang, then try again."""

    reason = "migration_turn_missed"
    status = 503


@dataclass(frozen=True)
class Migration:
    name: str
    script: str
    # SHA-256 of the file in hex, as Prisma computes it.
    checksum: str


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """The migrations of a folder, oldest first. Raises MigrationsMissing."""
    migrations = []
    for path in sorted(folder.glob("*/migration.sql")):
        content = path.read_bytes()
        migrations.append(Migration(path.parent.name, content.decode(), hashlib.sha256(content).hexdigest()))
    if not migrations:
        raise MigrationsMissing(folder=folder)
    return migrations


async def pending(database_url: str, *, folder: Path = FOLDER) -> list[str]:
    """The names of the migrations that the database lacks, oldest first; changes nothing.

    Raises DatabaseUnavailable, or a Migration... error when the database's books contradict the folder.
    """
    migrations = read_migrations(folder)
    async with _connect(database_url) as connection:
        return [migration.name for migration in await _find_pending(connection, migrations)]


async def migrate(
    database_url: str, *, folder: Path = FOLDER, turn_seconds: int = TURN_SECONDS, lock_seconds: int = LOCK_SECONDS
) -> list[str]:
    """Apply the migrations that the database lacks, each in a transaction; returns their names.

    Processes that start at once take turns. Raises DatabaseUnavailable or a Migration... error; what was applied before
    it stays.
    """
    migrations = read_migrations(folder)
    async with _connect(database_url) as connection:
        await _take_turn(connection, turn_seconds)
        await connection.execute(_BOOKS)
        missing = await _find_pending(connection, migrations)
        await connection.execute(f"SET lock_timeout = '{lock_seconds}s'")
        for migration in missing:
            await _apply(connection, migration)
        return [migration.name for migration in missing]


@asynccontextmanager
async def _connect(database_url: str) -> AsyncIterator[Any]:
    # A migration may take long: only its wait for locks is limited.
    connection = await open_connection(database_url, application_name="settle migrate", statement_timeout="0")
    try:
        yield connection
    finally:
        # Ends the session, and with it the advisory lock.
        await connection.close()


async def _take_turn(connection: Any, seconds: int) -> None:
    await connection.execute(f"SET lock_timeout = '{seconds}s'")
    try:
        await connection.execute(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
    except asyncpg.LockNotAvailableError:
        raise MigrationTurnMissed(seconds=seconds) from None


async def _find_pending(connection: Any, migrations: list[Migration]) -> list[Migration]:
    if await connection.fetchval("SELECT to_regclass('_prisma_migrations')") is None:
        return migrations
    applied = {row["migration_name"]: row for row in await connection.fetch(_APPLIED)}
    unknown = sorted(applied.keys() - {migration.name for migration in migrations})
    if unknown:
        raise MigrationUnknown(names=", ".join(unknown))
    missing: list[Migration] = []
    for migration in migrations:
        row = applied.get(migration.name)
        if row is None:
            missing.append(migration)
        elif row["finished_at"] is None:
            raise MigrationUnfinished(name=migration.name)
        elif row["checksum"] != migration.checksum:
            raise MigrationAltered(name=migration.name)
        elif missing:
            raise MigrationOutOfOrder(name=missing[0].name)
    return missing


async def _apply(connection: Any, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.script)
            await connection.execute(_RECORD, str(uuid4()), migration.checksum, migration.name)
    except asyncpg.PostgresError as error:
        raise MigrationFailed(name=migration.name, problem=error) from error
