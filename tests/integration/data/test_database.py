"""The pool and the listener, against a real server that also goes away."""

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from prometheus_client import REGISTRY

from app.database import Database, DatabaseBusy, DatabaseUnavailable, Listener, Trouble, classify_error
from app.records import Event, Merchant, MerchantStatus, PaymentStatus
from tests.waiting import wait_until

from .conftest import AT, Rows

END_LISTENERS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'settle listen news'"
)


MERCHANT = """
(shop, display_name, status, wallet, created_at, updated_at)
VALUES ('lost.myshopify.com', 'Lost', 'active', repeat('1', 44), now(), now())
"""


class Interrupted(Exception):
    pass


async def write_and_fail(database: Database, statement: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(statement)
        raise Interrupted


async def run(database: Database, *statements: str) -> None:
    async with database.transaction() as connection:
        for statement in statements:
            await connection.execute(statement)


async def borrow(database: Database) -> None:
    async with database.acquire():
        pass


async def count_listeners(database: Database) -> int:
    async with database.acquire() as connection:
        return int(await connection.fetchval(END_LISTENERS.replace("pg_terminate_backend(pid)", "*")))


async def has_no_listener(database: Database) -> bool:
    return await count_listeners(database) == 0


def counted(trouble: Trouble) -> float:
    return REGISTRY.get_sample_value("settle_operational_errors_total", {"kind": trouble}) or 0.0


async def test_a_transaction_commits_whole_or_not_at_all(database: Database) -> None:
    with pytest.raises(Interrupted):
        await write_and_fail(database, f"INSERT INTO merchants {MERCHANT}")
    async with database.transaction() as connection:
        await Rows(connection).merchant(shop="kept.myshopify.com")
    async with database.acquire() as connection:
        assert [row["shop"] for row in await connection.fetch("SELECT shop FROM merchants")] == ["kept.myshopify.com"]


async def test_json_comes_back_as_it_went_and_decimals_as_text(database: Database) -> None:
    detail = {"amount": Decimal("10.10"), "list": [1, None, True], "text": "ünï – \\u0000 ✓", "nested": {"a": {}}}
    async with database.acquire() as connection:
        event = await Rows(connection).event(detail=detail)
        row = await connection.fetchrow("SELECT * FROM events WHERE id = $1", event)
    assert row is not None
    assert Event.from_row(row).detail == detail | {"amount": "10.10"}


async def test_enums_are_written_and_read_as_enums(database: Database) -> None:
    async with database.acquire() as connection:
        merchant = await Rows(connection).merchant(status=MerchantStatus.inactive)
        row = await connection.fetchrow("SELECT *, 1 AS other FROM merchants WHERE id = $1", merchant)
        among = await connection.fetchval(
            "SELECT 'paid'::payment_status = ANY($1)", [PaymentStatus.paid, PaymentStatus.completed]
        )
    assert row is not None
    assert Merchant.from_row(row).status is MerchantStatus.inactive
    assert among is True


async def test_a_row_without_a_column_or_with_a_value_from_the_future_is_an_error(database: Database) -> None:
    async with database.acquire() as connection:
        await Rows(connection).merchant()
        for query, missing in (
            ("SELECT id, shop FROM merchants", "display_name"),
            ("SELECT id, shop, display_name, 'paused' AS status FROM merchants", "paused"),
        ):
            row = await connection.fetchrow(query)
            assert row is not None
            with pytest.raises(KeyError, match=missing):
                Merchant.from_row(row)


async def test_a_statement_that_takes_too_long_is_ended_and_counted(database_url: str) -> None:
    before = counted(Trouble.statement_timeout)
    went_on = False
    async with await Database.connect(database_url, command_timeout_seconds=0.1) as database:
        async with database.operational("test"), database.acquire() as connection:
            await connection.execute("SELECT pg_sleep(30)")
            went_on = True
        async with database.acquire() as connection:
            assert await connection.fetchval("SELECT 1") == 1
    assert not went_on
    assert counted(Trouble.statement_timeout) == before + 1


async def test_a_lock_is_waited_for_only_so_long(database_url: str) -> None:
    lock = "LOCK TABLE merchants"
    async with (
        await Database.connect(database_url, lock_timeout_seconds=0.1) as database,
        database.transaction() as holder,
    ):
        await holder.execute(lock)
        with pytest.raises(asyncpg.LockNotAvailableError) as error:
            await run(database, lock)
    assert classify_error(error.value) is Trouble.lock_not_available


async def test_a_deadlock_is_trouble_and_not_a_bug(database: Database) -> None:
    async with database.acquire() as connection:
        rows = Rows(connection)
        ids = [await rows.merchant(), await rows.merchant()]
    both_hold_one = asyncio.Barrier(2)

    async def rename(first: int, second: int) -> Trouble | None:
        try:
            async with database.transaction() as connection:
                await connection.execute("UPDATE merchants SET display_name = 'x' WHERE id = $1", first)
                await both_hold_one.wait()
                await connection.execute("UPDATE merchants SET display_name = 'x' WHERE id = $1", second)
        except asyncpg.PostgresError as error:
            return classify_error(error)
        return None

    results = await asyncio.gather(rename(*ids), rename(*reversed(ids)))
    assert set(results) == {None, Trouble.deadlock}


async def test_a_conflict_of_serializable_transactions_is_trouble_and_not_a_bug(database: Database) -> None:
    async with database.acquire() as first, database.acquire() as second:
        merchant = await Rows(first).merchant()
        await first.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await first.fetch("SELECT * FROM merchants")
        await second.execute("UPDATE merchants SET display_name = 'x' WHERE id = $1", merchant)
        with pytest.raises(asyncpg.SerializationError) as error:
            await first.execute("UPDATE merchants SET display_name = 'y' WHERE id = $1", merchant)
        await first.execute("ROLLBACK")
    assert classify_error(error.value) is Trouble.serialization


async def test_a_pool_that_is_used_up_says_so(database_url: str) -> None:
    async with await Database.connect(database_url, max_size=1) as database, database.acquire():
        # The same pool for somebody in a hurry; whoever has the connection took the time it needed.
        with pytest.raises(DatabaseBusy) as error:
            await borrow(Database(database_url, database._pool, acquire_timeout_seconds=0.05))
    assert classify_error(error.value) is Trouble.busy


async def test_the_pool_recovers_from_a_lost_connection(database: Database) -> None:
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as error:
        await run(database, "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 1")
    assert classify_error(error.value) is Trouble.connection_lost
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_database_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    dsn = f"postgresql://postgres@/settle?host={tmp_path}"
    with pytest.raises(DatabaseUnavailable) as error:
        await Database.connect(dsn)
    assert classify_error(error.value) is Trouble.connection_lost
    with pytest.raises(DatabaseUnavailable):
        await Listener(dsn, "news", lambda _payload: None).start()


async def test_bugs_are_no_trouble(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError) as error:
        async with database.operational("test"):
            await run(database, "SELECT * FROM nowhere")
    assert classify_error(error.value) is None
    await database.close()
    with pytest.raises(asyncpg.InterfaceError, match="pool is closed") as closed:
        await borrow(database)
    assert classify_error(closed.value) is None


async def test_sessions_run_in_utc_with_the_limits_given(database_url: str) -> None:
    async with (
        await Database.connect(database_url, command_timeout_seconds=7, lock_timeout_seconds=2.5) as database,
        database.acquire() as connection,
    ):
        found = [
            await connection.fetchval("SELECT current_setting($1)", name)
            for name in ("TimeZone", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        ]
    assert found == ["UTC", "7s", "2500ms", "30s"]


async def test_a_listener_hears_what_is_committed_and_nothing_else(database: Database) -> None:
    heard: list[str] = []
    async with database.listen("news", heard.append):
        with pytest.raises(Interrupted):
            await write_and_fail(database, "SELECT pg_notify('news', 'rolled back')")
        async with database.transaction() as connection:
            await connection.execute("SELECT pg_notify('other', 'elsewhere'), pg_notify('news', 'committed')")
            assert heard == []
        await wait_until(lambda: heard == ["committed"])


async def test_a_listener_survives_the_loss_of_its_connection_again_and_again(database: Database) -> None:
    heard: list[str] = []
    reconnected: list[bool] = []
    async with database.listen("news", heard.append, on_reconnect=lambda: reconnected.append(True)):
        for time in range(1, 4):
            async with database.acquire() as connection:
                assert await connection.fetchval(END_LISTENERS) == 1
            await wait_until(lambda: len(reconnected) == len(heard) + 1)
            async with database.acquire() as connection:
                await connection.execute("SELECT pg_notify('news', $1)", str(time))
            await wait_until(lambda: len(reconnected) == len(heard))
    assert heard == ["1", "2", "3"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_listener_that_is_stopped_leaves_no_session(database: Database, at_once: bool) -> None:
    async with database.listen("news", lambda _payload: None):
        assert at_once or await count_listeners(database) == 1

    def gone() -> bool | Awaitable[bool]:
        return has_no_listener(database)

    await wait_until(gone)


async def test_times_keep_their_microseconds(database: Database) -> None:
    at = AT.replace(microsecond=123456)
    async with database.acquire() as connection:
        merchant = await Rows(connection).merchant(created_at=at)
        row = await connection.fetchrow("SELECT * FROM merchants WHERE id = $1", merchant)
    assert row is not None
    assert Merchant.from_row(row).created_at == at
