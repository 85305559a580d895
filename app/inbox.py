"""The inbox: what the outside sends us of its own accord is stored first, once, and processed afterwards by a job.

A sender wants its answer within seconds and delivers again when in doubt. So a door stores the event and its job in one
statement and answers; whatever the event means is done by the worker, on the retry ladder.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from app import metrics
from app.database import Connection
from app.jobs.outcomes import Done, Outcome
from app.jobs.queue import CHANNEL
from app.logs import get_logger
from app.records import Cluster, InboxEvent, InboxSource, Job
from app.system import System

_RECEIVE = """
WITH stored AS (
    INSERT INTO inbox_events (source, event_id, topic, shop, cluster, payload, received_at, sent_at)
    SELECT $1, event_id, topic, shop, cluster::cluster, payload, $7, sent_at
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $9::timestamptz[])
        AS arrived (event_id, topic, shop, cluster, payload, sent_at)
    ON CONFLICT (source, event_id) DO NOTHING RETURNING id
), queued AS (
    INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
    SELECT 'inbox_event', 'inbox', id::text, 'waiting', 0, $7, $7, $7 FROM stored
    ON CONFLICT (kind, record, record_id) WHERE status IN ('waiting', 'running') DO NOTHING
)
SELECT count(*) AS count, CASE WHEN count(*) > 0 THEN pg_notify($8, '') END FROM stored
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event as it came: the sender's id of it, what it calls its kind, the raw payload, the shop or the cluster it
    is about, and when it happened by the sender's clock."""

    event_id: str
    topic: str
    payload: bytes
    shop: str | None = None
    cluster: Cluster | None = None
    sent_at: datetime | None = None


# Does what an event means, from `processed_at` empty or not: an event may be processed any number of times.
Processor = Callable[[System, InboxEvent], Awaitable[Outcome]]


async def receive(connection: Connection, source: InboxSource, arrivals: Sequence[Arrival], *, at: datetime) -> int:
    """Store events and the jobs that process them, in one statement; returns how many were not known yet."""
    stored: int = await connection.fetchval(
        _RECEIVE,
        source,
        [arrival.event_id for arrival in arrivals],
        [arrival.topic for arrival in arrivals],
        [arrival.shop for arrival in arrivals],
        [arrival.cluster for arrival in arrivals],
        [arrival.payload for arrival in arrivals],
        at,
        CHANNEL,
        [arrival.sent_at for arrival in arrivals],
    )
    metrics.inbox_events_total.labels(source=source, outcome="new").inc(stored)
    metrics.inbox_events_total.labels(source=source, outcome="known").inc(len(arrivals) - stored)
    return stored


class InboxHandler:
    """The job of an event: its source's processor does it."""

    def __init__(self, processors: Mapping[InboxSource, Processor]) -> None:
        self._processors = processors

    async def attempt(self, system: System, job: Job) -> Outcome:
        async with system.database.acquire() as connection:
            row = await connection.fetchrow("SELECT * FROM inbox_events WHERE id = $1", int(job.record_id))
        assert row is not None
        event = InboxEvent.from_row(row)
        # Removed before its turn came: there is nothing left to do.
        outcome = Done() if event.payload is None else await self._processors[event.source](system, event)
        return Done(partial(_close, system, event, outcome)) if isinstance(outcome, Done) else outcome

    async def give_up(self, _system: System, _connection: Connection, job: Job, reason: str) -> None:
        metrics.alarms_total.labels(reason="inbox_event_dead").inc()
        get_logger().error("inbox_event_dead", inbox_id=job.record_id, reason=reason)


async def _close(system: System, event: InboxEvent, outcome: Done, connection: Connection) -> None:
    if outcome.record is not None:
        await outcome.record(connection)
    await connection.execute("UPDATE inbox_events SET processed_at = $2 WHERE id = $1", event.id, system.clock.now())


async def remove_payloads(connection: Connection, shop: str) -> int:
    """Remove what a shop's events carried, for privacy; that they came stays known. Returns how many that were."""
    removed = await connection.fetch(
        "UPDATE inbox_events SET payload = NULL WHERE shop = $1 AND payload IS NOT NULL RETURNING id", shop
    )
    return len(removed)
