"""Replaying the inbox: what came in is processed once more, in the order in which it came.

Every processor may process an event any number of times (app/inbox.py), so replaying changes nothing where nothing was
missed. The other things that are stored before they are processed have records of their own, with a job each: see
app/jobs/retries.py for dead jobs.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app import events
from app.jobs import queue
from app.logs import get_logger
from app.records import InboxSource, JobKind, RecordKind
from app.system import System

# Events queued in one transaction.
BATCH = 500

# A payload that is gone has nothing left to be processed, unless its event never was.
_SELECT = """
SELECT id, payload IS NULL AND processed_at IS NOT NULL AS is_empty FROM inbox_events
WHERE id > $1 AND ($2::bigint[] IS NULL OR id = ANY($2)) AND ($3::inbox_source IS NULL OR source = $3)
    AND ($4::timestamptz IS NULL OR received_at >= $4) AND ($5::timestamptz IS NULL OR received_at < $5)
    AND (NOT $6 OR processed_at IS NULL)
ORDER BY id LIMIT $7
"""
_NOTE = """
INSERT INTO events (record, record_id, kind, detail, at)
SELECT 'inbox', id, $2, jsonb_build_object('by', 'replay'), $3 FROM unnest($1::text[]) AS replayed (id)
"""


@dataclass(frozen=True)
class Choice:
    """Which events: these ids, of this source, received at `since` or later and before `until`.

    What is None limits nothing.
    """

    ids: Sequence[int] | None = None
    source: InboxSource | None = None
    since: datetime | None = None
    until: datetime | None = None
    unprocessed_only: bool = False


@dataclass(frozen=True)
class Batch:
    """How many events of one batch were queued, how many have nothing left in them, and the last one's id."""

    queued: int
    empty: int
    last_id: int


async def replay_inbox(
    system: System, choice: Choice, *, per_second: int, dry_run: bool = False
) -> AsyncIterator[Batch]:
    """Queue the chosen events anew, batch by batch; a dry run only counts them.

    `per_second`: how many become due in a second, so that a long replay does not stand before the jobs of payments.
    """
    after, queued, started = 0, 0, system.clock.now()
    while True:
        async with system.database.transaction() as connection:
            rows = await connection.fetch(
                _SELECT, after, choice.ids, choice.source, choice.since, choice.until, choice.unprocessed_only, BATCH
            )
            if not rows:
                return
            after = rows[-1]["id"]
            ids = [str(row["id"]) for row in rows if not row["is_empty"]]
            if ids and not dry_run:
                now = system.clock.now()
                due_at = max(now, started + timedelta(seconds=queued / per_second))
                await connection.execute(_NOTE, ids, events.REPLAYED, now)
                await queue.begin_anew(connection, JobKind.inbox_event, RecordKind.inbox, ids, at=now, due_at=due_at)
        queued += len(ids)
        if ids and not dry_run:
            get_logger().info("inbox_replayed", events=len(ids), last_id=after)
        yield Batch(len(ids), len(rows) - len(ids), after)
