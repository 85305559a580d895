"""PostgreSQL: a pool of connections, transactions, and a listener that outlives its connection."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum
from functools import partial
from typing import Any, Protocol, Self, cast

import asyncpg
import msgspec

from app import metrics
from app.errors import SettleError
from app.failures import describe_error
from app.logs import get_logger
from app.records import Row

# The server ends a statement that takes too long; the client's own, rougher limit comes a little later.
CLIENT_GRACE_SECONDS = 5
# The first and the longest wait of a listener that lost its connection, doubling in between.
RECONNECT_SECONDS = 0.05
RECONNECT_SECONDS_MAX = 5.0

# The largest that a column of ids holds.
ID_MAX = 2**63 - 1

# PostgreSQL sends jsonb as a version byte and text.
_JSONB_VERSION = b"\x01"


class Connection(Protocol):
    """What app uses of an asyncpg connection. `jsonb` goes in and out as Python values, enums come out as text."""

    async def execute(self, query: str, *args: Any) -> str: ...

    async def executemany(self, query: str, args: Any) -> None: ...

    async def fetch(self, query: str, *args: Any) -> list[Row]: ...

    async def fetchrow(self, query: str, *args: Any) -> Row | None: ...

    async def fetchval(self, query: str, *args: Any) -> Any: ...

    def cursor(self, query: str, *args: Any) -> AsyncIterable[Row]:
        """Rows one after the other, within a transaction: for what is too much for the memory."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Within a transaction: a savepoint."""
        ...


class DatabaseUnavailable(SettleError):
    """The database can not be reached at the moment."""

    reason = "database_unavailable"
    status = 503


class DatabaseBusy(SettleError):
    """Every connection to the database was in use for {seconds} seconds."""

    reason = "database_busy"
    status = 503


class Trouble(StrEnum):
    """What goes wrong now and then without being a bug: it is counted and tried again, and nobody is paged."""

    # It took longer than the limit, or the database is too busy to begin it.
    statement_timeout = "statement_timeout"
    # Somebody else held a lock for longer than the limit.
    lock_not_available = "lock_not_available"
    # Two transactions waited for each other, and this one was chosen to fail.
    deadlock = "deadlock"
    # Two transactions could not have run one after the other.
    serialization = "serialization"
    # The server went away, or can not be reached.
    connection_lost = "connection_lost"
    # All connections are in use, ours or the server's.
    busy = "busy"


_TROUBLES: tuple[tuple[type[BaseException], Trouble], ...] = (
    (asyncpg.QueryCanceledError, Trouble.statement_timeout),
    (TimeoutError, Trouble.statement_timeout),
    (asyncpg.LockNotAvailableError, Trouble.lock_not_available),
    (asyncpg.DeadlockDetectedError, Trouble.deadlock),
    (asyncpg.SerializationError, Trouble.serialization),
    (asyncpg.TooManyConnectionsError, Trouble.busy),
    (DatabaseBusy, Trouble.busy),
    (asyncpg.PostgresConnectionError, Trouble.connection_lost),
    # Shut down, crashed, starting up.
    (asyncpg.AdminShutdownError, Trouble.connection_lost),
    (asyncpg.CrashShutdownError, Trouble.connection_lost),
    (asyncpg.CannotConnectNowError, Trouble.connection_lost),
    (DatabaseUnavailable, Trouble.connection_lost),
    (ConnectionError, Trouble.connection_lost),
)


def classify_error(error: BaseException) -> Trouble | None:
    """The kind of trouble an error of the database is, or None: then it is a bug."""
    for kind, trouble in _TROUBLES:
        if isinstance(error, kind):
            return trouble
    # asyncpg has one class for its misuse and for a connection that was closed underneath.
    if isinstance(error, asyncpg.InterfaceError) and "connection is closed" in str(error):
        return Trouble.connection_lost
    # A server that dies says so and closes the connection: asyncpg's word for a statement that comes in between.
    if isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error):
        return Trouble.connection_lost
    return None


def count_trouble(trouble: Trouble, action: str, error: BaseException | None = None) -> None:
    """Count trouble that was met and survived, and leave a line in the log."""
    metrics.operational_errors_total.labels(kind=trouble).inc()
    get_logger().warning(
        "database_trouble", trouble=trouble, during=action, error=describe_error(error) if error else None
    )


async def open_connection(dsn: str, *, timeout_seconds: float = 10, **server_settings: str) -> Any:
    """A connection outside any pool, for what needs a session of its own. Raises DatabaseUnavailable."""
    try:
        return await asyncpg.connect(dsn, timeout=timeout_seconds, server_settings=server_settings)
    except Exception as error:
        if not _is_unreachable(error):
            raise
        raise DatabaseUnavailable from error


def _is_unreachable(error: Exception) -> bool:
    return isinstance(error, OSError) or classify_error(error) is not None


class Database:
    """The pool. No statement may change its session (`SET`, `LISTEN`, session locks): the next borrower gets it."""

    def __init__(self, dsn: str, pool: Any, acquire_timeout_seconds: float) -> None:
        self._dsn = dsn
        self._pool = pool
        self._acquire_timeout_seconds = acquire_timeout_seconds

    @classmethod
    async def connect(
        cls,
        dsn: str,
        *,
        min_size: int = 1,
        max_size: int = 16,
        command_timeout_seconds: float = 15,
        lock_timeout_seconds: float = 5,
        idle_in_transaction_seconds: float = 30,
        acquire_timeout_seconds: float = 10,
        on_query: Callable[[str], None] | None = None,
    ) -> Self:
        """Open a pool of `min_size` to `max_size` connections. Raises DatabaseUnavailable.

        A statement may take `command_timeout_seconds`, of which it may wait `lock_timeout_seconds` for one lock; a
        transaction may do nothing for `idle_in_transaction_seconds`; a borrower waits `acquire_timeout_seconds`.
        `on_query` is told the text of every statement.
        """
        settings = {
            "application_name": "settle",
            "timezone": "UTC",
            "statement_timeout": _milliseconds(command_timeout_seconds),
            "lock_timeout": _milliseconds(lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction_seconds),
            # Compiling costs more than any of our short statements.
            "jit": "off",
        }
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=min_size,
                max_size=max_size,
                command_timeout=command_timeout_seconds + CLIENT_GRACE_SECONDS,
                timeout=acquire_timeout_seconds,
                connection_class=_PooledConnection,
                init=partial(_prepare_connection, on_query),
                server_settings=settings,
            )
        except Exception as error:
            if not _is_unreachable(error):
                raise
            raise DatabaseUnavailable from error
        return cls(dsn, pool, acquire_timeout_seconds)

    async def close(self) -> None:
        """Wait for the borrowed connections, then close all."""
        await self._pool.close()

    async def renew(self) -> None:
        """Use no connection again that is open now: after a rest, the other end may have closed it without a word."""
        await self._pool.expire_connections()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Borrow a connection; each statement commits by itself. Raises DatabaseBusy or DatabaseUnavailable."""
        try:
            connection = await self._pool.acquire(timeout=self._acquire_timeout_seconds)
        except TimeoutError as error:
            if self._pool.get_size() < self._pool.get_max_size():
                raise DatabaseUnavailable from error
            raise DatabaseBusy(seconds=self._acquire_timeout_seconds) from None
        except Exception as error:
            if not _is_unreachable(error):
                raise
            raise DatabaseUnavailable from error
        try:
            yield cast(Connection, connection)
        finally:
            await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Borrow a connection for one transaction: an exception rolls all of it back. Raises what `acquire` raises."""
        async with self.acquire() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def operational(self, action: str) -> AsyncIterator[None]:
        """Count and log the database's trouble and go on after the block; everything else is raised.

        For loops that come by again anyway, such as a worker's.
        """
        try:
            yield
        except Exception as error:
            trouble = classify_error(error)
            if trouble is None:
                raise
            count_trouble(trouble, action, error)

    def listen(
        self, channel: str, callback: Callable[[str], None], *, on_reconnect: Callable[[], None] | None = None
    ) -> "Listener":
        """A listener to enter: within it, `callback` gets the payload of every notification of the channel."""
        return Listener(self._dsn, channel, callback, on_reconnect=on_reconnect)


class Listener:
    """Hears a channel on a connection of its own, and connects again for as long as it takes when that is lost.

    Notifications sent meanwhile are gone: `on_reconnect` is called once it hears again, to look for what was missed.
    Both callbacks run on the event loop and must not block.
    """

    def __init__(
        self,
        dsn: str,
        channel: str,
        callback: Callable[[str], None],
        *,
        on_reconnect: Callable[[], None] | None = None,
        probe_seconds: float = 15,
    ) -> None:
        self._dsn = dsn
        self._channel = channel
        self._callback = callback
        self._on_reconnect = on_reconnect
        self._probe_seconds = probe_seconds
        self._task: asyncio.Task[None] | None = None
        self._connection: Any = None

    async def start(self) -> None:
        """Begin to hear. Raises DatabaseUnavailable when even the first connection fails."""
        lost = await self._connect()
        self._task = asyncio.create_task(self._stay(lost))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            # Here, not only where the task ends: one that is stopped at once has never begun.
            self._connection.terminate()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.stop()

    async def _stay(self, lost: asyncio.Event) -> None:
        while True:
            await self._hold(lost)
            self._connection.terminate()
            count_trouble(Trouble.connection_lost, f"listen_{self._channel}")
            lost = await self._connect_again()
            if self._on_reconnect is not None:
                # As a callback of the loop's: should it fail, the loop reports it and the listener goes on.
                asyncio.get_running_loop().call_soon(self._on_reconnect)

    async def _hold(self, lost: asyncio.Event) -> None:
        """Return when the connection is lost; a probe finds out when the other end vanished without a word."""
        while not lost.is_set():
            try:
                await asyncio.wait_for(lost.wait(), self._probe_seconds)
            except TimeoutError:
                try:
                    await self._connection.execute("SELECT 1", timeout=self._probe_seconds)
                except Exception as error:
                    get_logger().warning("listener_probe_failed", channel=self._channel, error=describe_error(error))
                    return

    async def _connect_again(self) -> asyncio.Event:
        wait = RECONNECT_SECONDS
        while True:
            try:
                return await self._connect()
            except Exception as error:
                # Whatever it is (a password being changed, a database being restored), a deaf listener is worse.
                get_logger().warning("listener_not_connected", channel=self._channel, error=describe_error(error))
            await asyncio.sleep(wait)
            wait = min(2 * wait, RECONNECT_SECONDS_MAX)

    async def _connect(self) -> asyncio.Event:
        """What is set when the connection is lost."""
        lost = asyncio.Event()
        name = f"settle listen {self._channel}"
        connection = await open_connection(self._dsn, timeout_seconds=self._probe_seconds, application_name=name)
        try:
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(self._channel, lambda *notification: self._callback(notification[3]))
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        return lost


class _PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    def get_reset_query(self) -> str:
        # Nothing sets session state, so the round trip at every release would be for nothing.
        return ""


async def _prepare_connection(on_query: Callable[[str], None] | None, connection: Any) -> None:
    if on_query is not None:
        connection.add_query_logger(lambda record: on_query(record.query))
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary"
    )


def _encode_jsonb(value: Any) -> bytes:
    return _JSONB_VERSION + msgspec.json.encode(value)


def _decode_jsonb(content: bytes) -> Any:
    return msgspec.json.decode(content[1:])


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
