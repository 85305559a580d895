"""Events as they arrive from outside: stored with their jobs before the door answers, and each once.

Those that arrive at the same time are stored by one statement: alone, each would pay for its own commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app import metrics
from app.batching import Batching
from app.clock import Clock
from app.database import Connection, Database
from app.jobs.queue import CHANNEL
from app.records import Cluster, InboxSource

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


class Arrivals(Batching[Arrival, None]):
    """Stores the events of one source, one by one as they come or several at once."""

    def __init__(self, database: Database, clock: Clock, source: InboxSource) -> None:
        super().__init__(database)
        self._clock = clock
        self._source = source

    def _key(self, asked: Arrival) -> str:
        return asked.event_id

    def _marks(self, asked: Arrival) -> set[tuple[object, ...]]:
        return {(asked.event_id,)}

    async def _make(self, batch: Sequence[Arrival]) -> Mapping[str, None]:
        async with self._database.acquire() as connection:
            await receive(connection, self._source, batch, at=self._clock.now())
        return {}
