"""Rotating the keys of secrets at rest: everything that is sealed is sealed anew under the ring's first key.

In batches, each committed by itself, from the beginning whenever it is started: what is under the first key already is
passed over, so it can be stopped at any time and started again, while everything else is running.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.database import Database
from app.keyring import KeyRing, SealBroken
from app.records import RECORDS

BATCH = 500


@dataclass(frozen=True)
class Progress:
    """How far one column is: rows looked at, sealed anew, and such as no key of the ring opens."""

    column: str
    looked: int
    resealed: int
    broken: int
    done: bool


def sealed_columns() -> list[tuple[str, str]]:
    """Table and column of everything sealed: whatever is called `..._sealed`."""
    return [(record.TABLE, column) for record in RECORDS for column in record.COLUMNS if column.endswith("_sealed")]


async def reseal(database: Database, ring: KeyRing) -> AsyncIterator[Progress]:
    """Seal everything anew; tells of every batch."""
    for table, column in sealed_columns():
        looked = resealed = broken = after = 0
        while True:
            async with database.acquire() as connection:
                rows = await connection.fetch(
                    f"SELECT id, {column} AS sealed FROM {table} WHERE {column} IS NOT NULL AND id > $1"  # noqa: S608
                    " ORDER BY id LIMIT $2",
                    after,
                    BATCH,
                )
            old = []
            for row in rows:
                after = row["id"]
                try:
                    fresh = ring.reseal(row["sealed"])
                except SealBroken:
                    broken += 1
                    continue
                if fresh is not None:
                    old.append((row["id"], row["sealed"], fresh))
            async with database.transaction() as connection:
                # Not over what somebody has changed meanwhile: that is sealed anew by having been written.
                await connection.executemany(
                    f"UPDATE {table} SET {column} = $3 WHERE id = $1 AND {column} = $2",  # noqa: S608  # names of ours
                    old,
                )
            looked, resealed = looked + len(rows), resealed + len(old)
            done = len(rows) < BATCH
            yield Progress(f"{table}.{column}", looked, resealed, broken, done)
            if done:
                break
