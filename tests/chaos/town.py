"""The outside world, `settle serve` and `settle worker` as processes that a test kills, and what must be true after."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx

from app.coherence import Violation, check_chain, check_records
from app.settings import load
from app.system import System
from tests.sandbox_process import Program, Sandbox, make_folder, run_settle
from tests.waiting import wait_until

RESOLVE = "paymentSessionResolve"
NO_DATABASE = "settle: The database can not be reached at the moment."
# Longer than a job's lease, which is all that stands between a dead worker's job and the next worker.
LEASE_SECONDS = 61


AnyTown = TypeVar("AnyTown", bound="Town")


class Town:
    """Everything on one folder. Its calls need a client, which `connected` gives them."""

    outside: httpx.AsyncClient

    def __init__(self, folder: Path, slot_ms: int) -> None:
        self._slot_ms = slot_ms
        self.world = Sandbox(folder / "data")
        self.serve = Program("serve", self.world, job_poll_ms="200")
        self.worker = Program("worker", self.world, job_poll_ms="200")

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Town"]:
        """With a client of the world's control calls, of this event loop."""
        url = self.world.http.base_url
        async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as self.outside:
            yield self

    @property
    def programs(self) -> tuple[Program, ...]:
        return self.serve, self.worker

    @property
    def database_url(self) -> str:
        return self.world.environment()["SETTLE_DATABASE_URL"]

    def begin_world(self) -> None:
        self.world.begin("--slot-ms", str(self._slot_ms))

    def begin(self) -> None:
        """Start everything on a new folder."""
        self.begin_world()
        migrated = run_settle("migrate", environment=self.world.environment())
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        for program in self.programs:
            program.start()

    def kill_world(self) -> None:
        assert self.world.end(signal.SIGKILL) == -signal.SIGKILL

    def kill(self, *programs: Program) -> None:
        self.tend()
        for program in programs:
            assert program.end(signal.SIGKILL) == -signal.SIGKILL, program.lines()[-5:]

    def tend(self) -> None:
        """Start again what ended because there was no database to start with, as any supervisor does.

        Nothing else may make a program end.
        """
        for program in self.programs:
            if program.process is not None and program.process.poll() is not None:
                assert program.lines()[-1] == NO_DATABASE, program.lines()[-5:]
                program.start()

    async def is_open(self) -> bool:
        self.tend()
        try:
            port = self.world.ports[1]
            answer = await self.outside.get(f"http://127.0.0.1:{port}/ready")
        except httpx.TransportError:
            return False
        return bool(answer.status_code == 200 and answer.json()["status"] == "ok")

    async def until_open(self) -> None:
        await wait_until(self.is_open, 30, "the public door is ready")

    def close(self) -> None:
        for program in self.programs:
            program.close()
        self.world.close()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.outside.request(method, path, json=body)
        assert answer.status_code in (200, 201), f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def checkout(self, amount: str = "12.34", **more: Any) -> dict[str, Any]:
        checkout: dict[str, Any] = await self.call("POST", "/sandbox/checkouts", {"amount": amount, **more})
        return checkout | {"link": link_of(checkout)}

    async def wallet(self) -> str:
        address: str = (await self.call("POST", "/sandbox/wallets", {"usdc": "100"}))["address"]
        return address

    async def pay(self, wallet: str, checkout: dict[str, Any]) -> httpx.Response:
        return await self.outside.post(f"/sandbox/wallets/{wallet}/pay", json={"link": checkout["link"]})

    async def at_shopify(self, checkout: dict[str, Any]) -> dict[str, Any]:
        """What Shopify knows of a checkout."""
        known: dict[str, Any] = await self.call("GET", f"/sandbox/checkouts/{checkout['id']}")
        return known

    async def advance(self, seconds: int) -> None:
        await self.call("POST", "/sandbox/clock", {"advance_seconds": seconds})

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        connection = await asyncpg.connect(self.database_url)
        try:
            rows: list[Any] = await connection.fetch(query, *arguments)
            return rows
        finally:
            await connection.close()

    async def status(self, checkout: dict[str, Any]) -> str:
        [row] = await self.rows("SELECT status::text FROM payments WHERE shopify_id = $1", checkout["id"])
        status: str = row["status"]
        return status

    async def until_completed(self, checkout: dict[str, Any], seconds: float = 20) -> None:
        async def is_completed() -> bool:
            return await self.status(checkout) == "completed"

        await wait_until(is_completed, seconds, f"{checkout['id']} is completed")

    async def assert_resolved_once(self, checkout: dict[str, Any]) -> dict[str, Any]:
        """Shopify has resolved the session once, and never heard anything else; returns what it knows."""
        known = await self.at_shopify(checkout)
        assert (known["state"], known["alarms"]) == ("resolved", [])
        assert [mutation["name"] for mutation in known["mutations"] if mutation["applied"]] == [RESOLVE]
        # However often it was sent: the same words each time.
        said = {(mutation["name"], str(mutation["variables"])) for mutation in known["mutations"]}
        assert len(said) == 1
        return known

    async def violations(self) -> list[Violation]:
        """What the coherence checker finds, in the records and on the chain."""
        system = await System.open(load(self.world.environment()))
        try:
            found = [violation async for violation in check_records(system)]
            return found + [violation async for violation in check_chain(system)]
        finally:
            await system.close()


def link_of(checkout: dict[str, Any]) -> str:
    """What the QR code of a checkout says."""
    origin, _, payment = checkout["redirect_url"].rpartition("/pay/")
    return f"solana:{origin}/transactions/payment/{payment}"


@contextmanager
def open_town(slot_ms: int) -> Iterator[Town]:
    """A town of two programs: one `serve`, one `worker`."""
    for folder in make_folder():
        with begun(Town(folder, slot_ms)) as town:
            yield town


@contextmanager
def begun(town: AnyTown) -> Iterator[AnyTown]:
    """Everything in the town has been started; what its programs said last is shown when something goes wrong."""
    try:
        town.begin()
        yield town
    except BaseException:
        for program in town.programs:
            print(f"--- {program.command}", *program.lines()[-12:], sep="\n")
        raise
    finally:
        town.close()


class Hold:
    """Makes one kind of change in the database wait at its commit: a process can be killed exactly there.

    Everything that it did before is done, and nothing after. `let_go` commits the change of the dead process, as a
    server does that was told to commit before the process died; `throw_away` is a server that was not.
    """

    LOCK = 4242

    def __init__(self, database_url: str, table: str, condition: str = "true") -> None:
        self._database_url = database_url
        self._table = table
        self._condition = condition

    async def __aenter__(self) -> "Hold":
        self._connection = await asyncpg.connect(self._database_url)
        await self._connection.execute(f"SELECT pg_advisory_lock({self.LOCK})")
        await self._connection.execute(
            f"""
            CREATE FUNCTION hold_here() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_advisory_xact_lock({self.LOCK}); RETURN NULL; END; $$;
            CREATE CONSTRAINT TRIGGER held AFTER INSERT ON {self._table} DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN ({self._condition}) EXECUTE FUNCTION hold_here();
            """
        )
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._connection.execute("SELECT pg_advisory_unlock_all()")
        await self._connection.execute(f"DROP TRIGGER held ON {self._table}; DROP FUNCTION hold_here()")
        await self._connection.close()

    async def until_held(self) -> None:
        async def is_held() -> bool:
            return bool(await self._waiting())

        await wait_until(is_held, 15, f"a change of {self._table} waits at its commit")

    async def let_go(self) -> None:
        await self._connection.execute("SELECT pg_advisory_unlock_all()")
        await self._until_over()

    async def throw_away(self) -> None:
        for pid in await self._waiting():
            await self._connection.execute(f"SELECT pg_terminate_backend({pid})")
        await self._until_over()

    async def _waiting(self) -> list[int]:
        query = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
        return [row["pid"] for row in await self._connection.fetch(query)]

    async def _until_over(self) -> None:
        query = """SELECT NOT EXISTS (SELECT FROM pg_locks
            WHERE relation = $1::regclass AND mode = 'RowExclusiveLock' AND granted)"""
        await wait_until(lambda: self._connection.fetchval(query, self._table), 10, "the change is over")
