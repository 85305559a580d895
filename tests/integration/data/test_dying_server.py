"""A server that says goodbye on a connection nobody uses at that moment: the next to use it meets trouble, no bug."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from app.database import Database, Trouble, classify_error
from tests.waiting import wait_until


class Relay:
    """Passes bytes on; when the server is gone, the client's side stays open until `closing` is set."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self.goodbyes = 0
        self.closing = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._socket)
        pumping = asyncio.create_task(self._pump(reader, to_server))
        await self._pump(from_server, writer)
        self.goodbyes += 1
        await self.closing.wait()
        writer.close()
        to_server.close()
        with suppress(ConnectionError):
            await pumping

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while content := await source.read(65_536):
            target.write(content)
            await target.drain()


@asynccontextmanager
async def relayed(database_url: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay before the database's server, and the DSN through it."""
    parts = urlsplit(database_url)
    relay = Relay(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
    server = await asyncio.start_server(relay, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    try:
        yield relay, f"postgresql://postgres@127.0.0.1:{port}{parts.path}?sslmode=disable"
    finally:
        server.close()


async def ask(database: Database) -> int:
    async with database.acquire() as connection:
        return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def test_a_statement_between_the_servers_goodbye_and_its_end_is_trouble_and_the_next_is_well(
    database_url: str,
) -> None:
    async with relayed(database_url) as (relay, dsn), await Database.connect(dsn, max_size=1) as database:
        pid = await ask(database)
        other = await asyncpg.connect(database_url)
        await other.execute(f"SELECT pg_terminate_backend({pid})")
        await other.close()
        await wait_until(lambda: relay.goodbyes, what="the server has said goodbye")
        with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever asyncpg calls it
            await ask(database)
        assert classify_error(caught.value) is Trouble.connection_lost
        assert await ask(database) != pid
        relay.closing.set()
