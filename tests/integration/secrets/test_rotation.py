"""Rotating the keys of secrets at rest: all of them, in batches, in whatever pieces, beside everything else."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from app.database import Database
from app.keyring import KeyRing
from app.resealing import BATCH, reseal, sealed_columns
from tests.bench.ground import environment_of
from tests.conftest import Scale
from tests.house import make_settings

OLD, NEW = "11" * 32, "22" * 32
TEXT = "shpat_{}"


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with await Database.connect(database_url, max_size=4) as opened:
        yield opened


async def fill(database: Database, shops: int) -> None:
    """Shops whose secrets are all sealed under the old key."""
    ring = KeyRing([OLD])
    async with database.transaction() as connection:
        await connection.executemany(
            """INSERT INTO merchants (shop, display_name, status, token_sealed, refresh_sealed, created_at, updated_at)
            VALUES ($1, 'Shop', 'inactive', $2, $3, now(), now())""",
            [(f"s{n}.myshopify.com", ring.seal(TEXT.format(n)), ring.seal(TEXT.format(-n))) for n in range(shops)],
        )


async def read(database: Database, ring: KeyRing) -> list[tuple[str, str]]:
    async with database.acquire() as connection:
        rows = await connection.fetch("SELECT token_sealed, refresh_sealed FROM merchants ORDER BY id")
    return [(ring.open(row["token_sealed"]), ring.open(row["refresh_sealed"])) for row in rows]


def test_every_column_whose_name_says_that_it_is_sealed_is_rotated() -> None:
    assert {("merchants", "token_sealed"), ("merchants", "refresh_sealed")} <= set(sealed_columns())


async def test_stopped_anywhere_and_started_again_it_ends_with_everything_under_the_new_key(
    database: Database, scale: Scale
) -> None:
    shops = scale.pick(ci=2 * BATCH + 7, soak=100_000)
    await fill(database, shops)
    ring, batches = KeyRing([NEW, OLD]), 0
    while True:
        # Killed after one batch more each time.
        batches += 1
        seen = 0
        async for progress in reseal(database, ring):
            seen += 1
            if seen == batches and not (progress.done and progress.column.endswith(sealed_columns()[-1][1])):
                break
        else:
            break
        assert len(await read(database, ring)) == shops
    alone = KeyRing([NEW])
    assert await read(database, alone) == [(TEXT.format(n), TEXT.format(-n)) for n in range(shops)]
    assert [p.resealed async for p in reseal(database, ring) if p.done and p.column.startswith("merchants")] != []
    assert sum([p.resealed async for p in reseal(database, ring) if p.done]) == 0


async def test_what_is_changed_meanwhile_is_not_overwritten(database: Database) -> None:
    await fill(database, BATCH + 1)
    ring = KeyRing([NEW, OLD])
    renewed = ring.seal("renewed meanwhile")
    async for _ in reseal(database, ring):
        async with database.acquire() as connection:
            await connection.execute("UPDATE merchants SET token_sealed = $1", renewed)
    assert {token for token, _ in await read(database, KeyRing([NEW]))} == {"renewed meanwhile"}


async def test_the_command_tells_its_progress_as_lines_and_fails_when_a_key_is_missing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await fill(database, 3)
    for ring, status in ((NEW, 1), (f"{NEW},{OLD}", 0)):
        settings = make_settings(database_url, tmp_path, token_keys=ring, seed_merchant="")
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "handlers.cli", "keys", "rotate"],
            env=os.environ | environment_of(settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert {line["column"] for line in lines} == {f"{table}.{column}" for table, column in sealed_columns()}
        assert NEW not in done.stdout + done.stderr
    assert len(await read(database, KeyRing([NEW]))) == 3
