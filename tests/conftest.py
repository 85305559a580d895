"""What every test may ask for: a database, the scale, a browser."""

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from app.embedded_postgres import EmbeddedPostgres
from app.embedded_postgres.place import SPARE

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Scale:
    """How big the figures are: `ci` within minutes on two cores, `soak` the figures the issues name."""

    name: str

    def pick(self, ci: int, soak: int) -> int:
        """The figure for this scale."""
        return soak if self.name == "soak" else ci


@pytest.fixture(scope="session")
def scale() -> Scale:
    """The scale from SETTLE_TEST_SCALE: `ci` (the default) or `soak`."""
    name = os.environ.get("SETTLE_TEST_SCALE", "ci")
    if name not in ("ci", "soak"):
        raise pytest.UsageError(f"SETTLE_TEST_SCALE is {name!r}: it must be 'ci' or 'soak'")
    return Scale(name)


@pytest.fixture(scope="session", autouse=True)
def _no_clusters_left() -> Iterator[None]:
    """Remove what sandboxes of root in private temporary folders leave outside them, once those folders are gone."""
    yield
    for note in (SPARE / f"settle-postgres-{os.geteuid()}" / "clusters").glob("*/belongs-to"):
        home = Path(note.read_text().strip())
        if home.is_relative_to(tempfile.gettempdir()) and not home.exists():
            shutil.rmtree(note.parent)


@dataclass(frozen=True)
class Server:
    """The PostgreSQL server of this test session."""

    socket: str

    def dsn(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.socket}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server for the whole session."""
    # Not pytest's own temporary folder: that is private, and as root the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="settle-tests-", dir=_memory()))
    # No test loses the machine's power; processes may die at any time all the same.
    server = EmbeddedPostgres(folder, "template_empty", settings={"fsync": "off", "max_connections": "250"})
    try:
        dsn = server.start()
        yield Server(dsn.partition("host=")[2])
    finally:
        server.stop()
        shutil.rmtree(folder)


def _memory() -> Path | None:
    """A file system in memory with room enough, or None: every test's database is hundreds of new files."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**31
    return memory if roomy else None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def admin(postgres: Server) -> AsyncIterator[asyncpg.Connection]:
    """A connection that makes and drops databases."""
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(postgres: Server, admin: asyncpg.Connection) -> AsyncIterator[str]:
    """The name of a migrated database without data, with no session on it.

    Tests that choose another event loop end this session's, and with it this fixture: it is then made anew.
    """
    # Here, not above: the tests of chain and sandbox do without the business, so it need not even load.
    from app.migrations import migrate

    await admin.execute("CREATE DATABASE template_migrated TEMPLATE template_empty")
    await migrate(postgres.dsn("template_migrated"))
    yield "template_migrated"
    await admin.execute("DROP DATABASE template_migrated WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(postgres: Server, admin: asyncpg.Connection, template: str) -> AsyncIterator[str]:
    """The DSN of a migrated database that is this test's own."""
    async with _fresh_database(postgres, admin, template) as dsn:
        yield dsn


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_database_url(postgres: Server, admin: asyncpg.Connection, template: str) -> AsyncIterator[str]:
    """The DSN of a migrated database that a module's tests share, for what takes long to start."""
    async with _fresh_database(postgres, admin, template) as dsn:
        yield dsn


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database_url(postgres: Server, admin: asyncpg.Connection) -> AsyncIterator[str]:
    """The DSN of a database without any table, this test's own."""
    async with _fresh_database(postgres, admin, "template_empty") as dsn:
        yield dsn


@asynccontextmanager
async def _fresh_database(postgres: Server, admin: asyncpg.Connection, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield postgres.dsn(name)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, from SETTLE_CHROMIUM or PATH. A missing one is a failure, never a skip."""
    named = os.environ.get("SETTLE_CHROMIUM")
    candidates = [named] if named else list(CHROMIUM_NAMES)
    for candidate in candidates:
        if path := shutil.which(candidate):
            return path
    pytest.fail(
        f"No Chromium found ({', '.join(candidates)}): `make test` installs it as root; else install Debian's package "
        "`chromium`, or name one in SETTLE_CHROMIUM.",
        pytrace=False,
    )
