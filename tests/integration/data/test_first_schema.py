"""A database of the first schema, with payments in every state, becomes the newest one, and everything goes on."""

import asyncio
import io
import shutil
from pathlib import Path
from typing import Any

import asyncpg

from app.migrations import FOLDER, migrate
from tests.box import Box, open_box_in, open_world
from tests.waiting import wait_until

COLUMNS = """
SELECT table_name::text AS table, array_agg(column_name::text ORDER BY ordinal_position) AS columns
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_prisma_migrations' GROUP BY table_name
"""


async def copy_old_columns(newest: asyncpg.Connection, first: asyncpg.Connection) -> dict[str, int]:
    """Copy what the first schema has room for, table by table; how many rows each got."""
    rooms = {row["table"]: row["columns"] for row in await first.fetch(COLUMNS)}
    copied = {}
    # Rows are complete when all are there, not one by one.
    await first.execute("SET session_replication_role = replica")
    for table, columns in rooms.items():
        content = io.BytesIO()
        names = ", ".join(f'"{column}"' for column in columns)
        await newest.copy_from_query(f'SELECT {names} FROM "{table}"', output=content)
        content.seek(0)
        done = await first.copy_to_table(table, source=content, columns=columns)
        copied[table] = int(done.removeprefix("COPY "))
        if "id" in columns and (sequence := await first.fetchval("SELECT pg_get_serial_sequence($1, 'id')", table)):
            await first.execute(f'SELECT setval($1, (SELECT coalesce(max(id), 1) FROM "{table}"))', sequence)
    return copied


async def fill(box: Box) -> dict[str, dict[str, Any]]:
    """A payment in each state that the first schema knew."""
    completed, rejected = await box.paid(), await box.checkout()
    flagged = await box.wallet()
    await box.outside.post("/sandbox/trm/flagged", json={"address": flagged})
    await box.pay(flagged, rejected["link"])
    await box.until_status(rejected, "rejected")
    opened, handed_out, paid = [await box.checkout() for _ in range(3)]
    await box.fetch(await box.wallet(), handed_out["link"])
    await box.fault("shopify", "status")
    assert (await box.pay(await box.wallet(), paid["link"])).status_code == 200
    await box.until_status(paid, "paid")
    return {"completed": completed, "rejected": rejected, "open": opened, "handed_out": handed_out, "paid": paid}


async def test_a_database_of_the_first_schema_becomes_the_newest_and_everything_goes_on(
    database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    migrations = tmp_path / "first"
    shutil.copytree(min(FOLDER.glob("2*")), migrations / min(path.name for path in FOLDER.glob("2*")))
    await migrate(empty_database_url, folder=migrations)
    async with open_world(tmp_path / "world") as (world, outside):
        async with open_box_in(world, outside, database_url) as box:
            checkouts = await fill(box)
        newest, first = await asyncpg.connect(database_url), await asyncpg.connect(empty_database_url)
        try:
            copied = await copy_old_columns(newest, first)
        finally:
            await asyncio.gather(newest.close(), first.close())
        assert all(copied.values()), f"nothing in one of the tables: {copied}"
        applied = await migrate(empty_database_url)
        assert applied == sorted(path.parent.name for path in FOLDER.glob("*/migration.sql"))[1:]
        await box.mend()
        async with open_box_in(world, outside, empty_database_url) as box:
            assert await box.violations() == []
            await box.advance(10)
            await box.until_status(checkouts["paid"], "completed")
            assert (await box.at_shopify(checkouts["paid"]))["state"] == "resolved"
            for name in ("completed", "rejected"):
                assert (await box.status(checkouts[name]))["status"] == name

            async def is_lifted() -> bool:
                return not await box.house.rows("SELECT FROM issuing_pauses WHERE lifted_at IS NULL")

            await wait_until(is_lifted, 30, "issuing is not paused")
            for name in ("open", "handed_out"):
                assert (await box.pay(await box.wallet(), checkouts[name]["link"])).status_code == 200
                await box.until_status(checkouts[name], "completed")
            assert await box.violations() == []
