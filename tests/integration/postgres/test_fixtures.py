"""The test session's own server and databases."""

import asyncpg


async def test_a_test_gets_a_database_of_its_own(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("CREATE TABLE mine (id integer)")
    await connection.close()


async def test_nothing_of_another_test_is_in_it(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    tables = await connection.fetch("SELECT 1 FROM information_schema.tables WHERE table_name = 'mine'")
    await connection.close()
    assert tables == []


async def test_the_usual_database_is_migrated(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    applied = await connection.fetchval('SELECT count(*) FROM "_prisma_migrations"')
    await connection.close()
    assert applied >= 1
