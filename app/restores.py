"""After a restore from backup: what was issued after the backup was made is unknown to us, and may still land.

So nothing is issued on a cluster until 150 blocks and finality have passed and the fee payers' history was swept: by
then whatever was handed out has landed and was found, or never will. Settling goes on.

A restore is noticed by itself where the database is another one or has another timeline. A file system put back as it
was shows neither: then `settle restored` says so.
"""

from collections.abc import Iterable
from datetime import datetime

from app import metrics
from app.database import Connection, Database
from app.logs import get_logger
from app.records import Cluster, DatabaseOrigin
from app.system import System
from chain.pool import MAX_LAG_SLOTS
from chain.programs import BLOCKHASH_LIFE_BLOCKS

# The name of a segment of the write-ahead log begins with the timeline: 8 hex digits. Everybody may ask for it.
_ORIGIN = """
SELECT (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database,
    left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline
"""
_MAY_READ_SERVER = "SELECT has_function_privilege('pg_control_system()', 'execute')"
_SERVER = "SELECT system_identifier::text FROM pg_control_system()"
_NOTE_ORIGIN = """
INSERT INTO database_origins (id, server, database, timeline, noted_at) VALUES (1, $1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET server = $1, database = $2, timeline = $3, noted_at = $4
"""
_PAUSE = """
INSERT INTO issuing_pauses (cluster, reason, created_at) VALUES ($1, $2, $3)
ON CONFLICT (cluster) WHERE lifted_at IS NULL DO UPDATE SET reason = $2, height = NULL
"""
_IS_PAUSED = "SELECT EXISTS (SELECT FROM issuing_pauses WHERE cluster = $1 AND lifted_at IS NULL)"


async def notice_restore(system: System) -> bool:
    """Compare the database with what it says it is; pause all issuing when it is another one. True: it is."""
    # Without a lock first: a hundred functions of AWS may begin at once, and nearly always all is as it was.
    async with system.database.acquire() as connection:
        before, found = await _read_origins(connection)
    if before is not None and _is_same(before, found):
        return False
    async with system.database.transaction() as connection:
        # One process notices, the others wait for it.
        await connection.execute("LOCK TABLE database_origins IN SHARE ROW EXCLUSIVE MODE")
        before, found = await _read_origins(connection)
        if before is not None and _is_same(before, found):
            return False
        now = system.clock.now()
        await connection.execute(_NOTE_ORIGIN, *found, now)
        # The very first time there is nothing that could have been lost.
        if before is None:
            return False
        await _pause(connection, system.clusters, "another_database", now)
    return True


async def _read_origins(connection: Connection) -> tuple[DatabaseOrigin | None, tuple[str | None, int, str]]:
    """What the database was when it was last looked at, and what it is now."""
    row = await connection.fetchrow(_ORIGIN)
    server = await connection.fetchval(_SERVER) if await connection.fetchval(_MAY_READ_SERVER) else None
    known = await connection.fetchrow("SELECT * FROM database_origins")
    assert row is not None
    before = DatabaseOrigin.from_row(known) if known is not None else None
    return before, (server, row["database"], row["timeline"])


def _is_same(before: DatabaseOrigin, found: tuple[str | None, int, str]) -> bool:
    # Whoever may not read the server's identifier has the other two to go by.
    is_same_server = before.server is None or found[0] is None or before.server == found[0]
    return is_same_server and (before.database, before.timeline) == found[1:]


async def pause_issuing(database: Database, clusters: Iterable[Cluster], at: datetime) -> None:
    """A person says that the database was restored."""
    async with database.transaction() as connection:
        await _pause(connection, clusters, "said_by_a_person", at)


async def _pause(connection: Connection, clusters: Iterable[Cluster], reason: str, at: datetime) -> None:
    for cluster in clusters:
        await connection.execute(_PAUSE, cluster, reason, at)
        metrics.alarms_total.labels(reason="restored").inc()
        get_logger().error("restored", cluster=cluster, cause=reason)


async def is_paused(connection: Connection, cluster: Cluster) -> bool:
    """Whether nothing may be issued on the cluster now."""
    found: bool = await connection.fetchval(_IS_PAUSED, cluster)
    return found


async def note_height(connection: Connection, cluster: Cluster, height: int) -> None:
    """The chain's height at some moment after the restore: the later it is noted, the longer the pause."""
    await connection.execute(
        "UPDATE issuing_pauses SET height = $2 WHERE cluster = $1 AND lifted_at IS NULL AND height IS NULL",
        cluster,
        height,
    )


async def lift_pause(system: System, cluster: Cluster, finalized_height: int) -> bool:
    """End the pause when it has lasted long enough; a sweep that began at this finalized height has just ended."""
    # The node that told the height may have been behind the one whose blockhashes were handed out.
    wait = BLOCKHASH_LIFE_BLOCKS + MAX_LAG_SLOTS + system.settings.dead_margin_blocks
    async with system.database.acquire() as connection:
        lifted = await connection.fetchval(
            """
            UPDATE issuing_pauses SET lifted_at = $3 WHERE cluster = $1 AND lifted_at IS NULL AND height < $2
            RETURNING id
            """,
            cluster,
            finalized_height - wait,
            system.clock.now(),
        )
    if lifted is not None:
        get_logger().warning("issuing_resumed", cluster=cluster)
    return lifted is not None


async def find_problems(connection: Connection) -> list[str]:
    """What /ready says of it."""
    rows = await connection.fetch("SELECT cluster FROM issuing_pauses WHERE lifted_at IS NULL ORDER BY cluster")
    unknown = await connection.fetchval("SELECT count(*) FROM unknown_signatures WHERE status = 'open'")
    metrics.unknown_signatures.set(unknown)
    problems = [
        f"nothing is issued on the {row['cluster']} cluster: the database was restored, and what was handed out before "
        "may still land"
        for row in rows
    ]
    if unknown:
        problems.append(
            f"{unknown} signatures of our fee payers are not in our books: `settle unknown` lists them, `settle adopt` "
            "takes in what paid"
        )
    return problems
