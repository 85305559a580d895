"""A database restored from backup issues nothing until what is missing in it was found, or can not land any more."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from solders.keypair import Keypair

from app import restores
from app.embedded_postgres.binaries import find_binaries
from app.records import Cluster
from app.restores import notice_restore
from app.settings import Settings
from app.settings.every import names
from app.system import System
from chain.pool import MAX_LAG_SLOTS
from tests.bench.ground import environment_of
from tests.box import Box, open_box, open_box_in, open_world
from tests.house import make_settings
from tests.waiting import wait_until


async def request_transaction(box: Box, checkout: dict[str, Any]) -> httpx.Response:
    wallet = await box.wallet()
    return await box.house.public.post(f"/transactions/payment/{checkout['payment']}", json={"account": wallet})


async def test_after_a_restore_nobody_pays_twice_and_nothing_is_issued_too_early(
    database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    dump = tmp_path / "settle.dump"
    async with open_world(tmp_path) as (world, outside):
        async with open_box_in(world, outside, database_url, watch_sweep=True) as box:
            lost, other, bought = [await box.checkout() for _ in range(3)]
            assert (await box.pay(await box.wallet(), bought["link"])).status_code == 200
            await box.until_status(bought, "completed")
            refund = await box.refund(bought)
            # While everything runs, as a nightly dump does.
            await run_program("pg_dump", "--format=custom", f"--file={dump}", database_url)
            # Paid after the backup was made.
            assert (await box.pay(await box.wallet(), lost["link"])).status_code == 200
            await box.until_status(lost, "completed")
            assert (await box.pay(await box.wallet(), refund["link"])).status_code == 200
            await box.until_refund(refund, "completed")
            assert await find_secrets(box.house.settings, dump) == []
        await run_program("pg_restore", "--exit-on-error", f"--dbname={empty_database_url}", str(dump))
        async with open_box_in(world, outside, empty_database_url, watch_sweep=True) as box:
            await check_restored(box, lost, other, refund)


async def find_secrets(settings: Settings, dump: Path) -> list[str]:
    """The secrets of the settings that stand in a dump, whole: keys are kept apart from data."""
    text = await run_program("pg_restore", "--file=-", str(dump))
    # It is the data that was looked through.
    assert settings.seed_merchant
    assert "COPY public.merchants" in text
    token = json.loads(unquote(settings.seed_merchant))["token"]
    key = Keypair.from_bytes(bytes(json.loads(Path(settings.fee_payer).read_text())))
    secrets = [("token", token), ("fee_payer", str(key)), ("fee_payer", bytes(key).hex())]
    for name in sorted(names(secret=True)):
        given = getattr(settings, name)
        secrets += [(name, value) for value in (given if isinstance(given, tuple) else (given,))]
    return [name for name, value in secrets if isinstance(value, str) and len(value) >= 8 and value in text]


async def run_program(program: str, *arguments: str) -> str:
    """What one of PostgreSQL's programs prints; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        str(find_binaries().folder / program),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, problem = await process.communicate()
    assert process.returncode == 0, problem
    return output.decode()


async def check_restored(box: Box, lost: dict[str, Any], other: dict[str, Any], refund: dict[str, Any]) -> None:
    ready = (await box.house.public.get("/ready")).json()
    assert ready["status"] == "degraded"
    assert sum("the database was restored" in problem for problem in ready["problems"]) == len(Cluster)
    for checkout in (lost, other):
        answer = await request_transaction(box, checkout)
        assert (answer.status_code, answer.json()["reason"]) == (503, "issuing_paused")
    answer = await box.pay(await box.wallet(), refund["link"])
    assert answer.status_code == 422, "nor is anything issued for a refund"

    async def is_height_noted() -> bool:
        return not await box.house.rows("SELECT FROM issuing_pauses WHERE height IS NULL")

    await wait_until(is_height_noted, 20, "the heights are noted")
    assert (await request_transaction(box, other)).json()["reason"] == "issuing_paused"
    await box.advance(18)

    async def is_lifted() -> bool:
        return not await box.house.rows("SELECT FROM issuing_pauses WHERE lifted_at IS NULL")

    await wait_until(is_lifted, 30, "issuing goes on")
    # What was paid in the meantime was found before: its order waits for a person, and can not be paid again.
    rows = await box.house.rows("SELECT payment_id FROM unknown_signatures WHERE status = 'open'")
    assert {row["payment_id"] for row in rows} == {lost["payment"], refund["row"]["payment_id"]}
    given_back = await box.refund_row(refund)
    assert (given_back["status"], given_back["stuck_reason"]) == ("stuck", "landed_unknown")
    [payment] = await box.house.rows("SELECT status, stuck_reason FROM payments WHERE id = $1", lost["payment"])
    assert tuple(payment) == ("stuck", "landed_unknown")
    assert (await request_transaction(box, lost)).json()["reason"] == "payment_under_review"
    assert (await box.pay(await box.wallet(), other["link"])).status_code == 200
    await box.until_status(other, "completed")
    assert await box.violations() == []
    # A person takes both into the books, and Shopify is told again of what it knew before.
    told = await box.at_shopify(lost)
    for row in await box.house.rows("SELECT signature FROM unknown_signatures WHERE status = 'open' ORDER BY slot"):
        adopted = await command(box.house.settings, "adopt", row["signature"])
        assert json.loads(adopted)["status"] == "paid"
    await box.until_status(lost, "completed")
    await box.until_refund(refund, "completed")
    known = await box.at_shopify(lost)
    assert (known["state"], known["next_url"]) == ("resolved", told["next_url"])
    assert (await box.refund_at_shopify(refund))["state"] == "resolved"
    assert await command(box.house.settings, "unknown") == ""
    assert await box.violations() == []


async def command(settings: Settings, *arguments: str) -> str:
    """What a command of ours prints; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handlers.cli",
        *arguments,
        env=environment_of(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output
    return output.decode()


@pytest.mark.parametrize("short", [0, 1])
async def test_the_pause_ends_at_the_block_after_the_last_one_that_could_be_of_use(
    database_url: str, tmp_path: Path, short: int
) -> None:
    system = await System.open(make_settings(database_url, tmp_path))
    try:
        await restores.pause_issuing(system.database, [Cluster.live], system.clock.now())
        # Without a height nothing ends it.
        assert not await restores.lift_pause(system, Cluster.live, 10**9)
        async with system.database.acquire() as connection:
            await restores.note_height(connection, Cluster.live, 1_000)
            # The first one that was noted counts.
            await restores.note_height(connection, Cluster.live, 2_000)
        last = 1_000 + 150 + MAX_LAG_SLOTS + system.settings.dead_margin_blocks
        assert await restores.lift_pause(system, Cluster.live, last + 1 - short) is (short == 0)
        async with system.database.acquire() as connection:
            assert await restores.is_paused(connection, Cluster.live) is (short == 1)
            assert not await restores.is_paused(connection, Cluster.test)
    finally:
        await system.close()


async def test_a_pause_is_not_lifted_while_a_signature_is_unread(database_url: str, tmp_path: Path) -> None:
    async with open_box(database_url, tmp_path) as box:
        await restores.pause_issuing(box.house.system.database, [Cluster.live], box.house.system.clock.now())
        await box.fault("rpc", "null_transaction")
        address = str(box.house.system.clusters[Cluster.live].fee_payer.address)
        await box.world._devnets["live"].airdrop(address, 1)

        async def is_unread() -> bool:
            await box.advance(30)
            return bool(await box.house.rows("SELECT FROM unknown_signatures WHERE status = 'unread'"))

        await wait_until(is_unread, 30, "it is found")
        checkout = await box.checkout()
        assert (await request_transaction(box, checkout)).json()["reason"] == "issuing_paused"
        await box.mend()

        async def is_lifted() -> bool:
            return not await box.house.rows("SELECT FROM issuing_pauses WHERE lifted_at IS NULL")

        await wait_until(is_lifted, 30, "issuing goes on")
        assert (await request_transaction(box, checkout)).status_code == 200


async def test_the_same_database_is_not_taken_for_another_at_the_next_start(database_url: str, tmp_path: Path) -> None:
    system = await System.open(make_settings(database_url, tmp_path))
    try:
        assert [await notice_restore(system) for _ in range(2)] == [False, False]
        assert await asyncio.gather(*(notice_restore(system) for _ in range(5))) == [False] * 5
        for column, value in (("timeline", "'00000009'"), ("database", "1"), ("server", "'7'")):
            async with system.database.acquire() as connection:
                await connection.execute(f"UPDATE database_origins SET {column} = {value}")
            # However many processes start at once, one notices.
            assert sorted(await asyncio.gather(*(notice_restore(system) for _ in range(5)))) == [False] * 4 + [True]
        async with system.database.acquire() as connection:
            await connection.execute("UPDATE database_origins SET server = NULL")
        assert not await notice_restore(system)
    finally:
        await system.close()


async def test_a_person_may_say_so(database_url: str, tmp_path: Path) -> None:
    settings = make_settings(database_url, tmp_path)
    assert "nothing is issued" in await command(settings, "restored")
    assert await command(settings, "unknown") == ""
    system = await System.open(settings)
    try:
        async with system.database.acquire() as connection:
            assert await restores.is_paused(connection, Cluster.live)
    finally:
        await system.close()
