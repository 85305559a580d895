"""The inbox: what the outside sends us of its own accord is stored first (app/arrivals.py), then processed by a job.

A sender wants its answer within seconds and delivers again when in doubt. So a door stores the event and its job in one
statement and answers; whatever the event means is done by the worker, on the retry ladder.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from app import metrics
from app.database import Connection
from app.jobs.outcomes import Done, Outcome, Retry
from app.logs import get_logger
from app.records import InboxEvent, InboxSource, Job
from app.system import System

# Does what an event means, from `processed_at` empty or not: an event may be processed any number of times.
Processor = Callable[[System, InboxEvent], Awaitable[Outcome]]

# Payloads that one round of the upkeep empties.
FORGOTTEN_MAX = 10_000


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
        with _counting_failures(event):
            outcome = Done() if event.payload is None else await self._processors[event.source](system, event)
        if isinstance(outcome, Done):
            return Done(partial(_close, system, event, outcome))
        if isinstance(outcome, Retry):
            metrics.events_failed_total.labels(source=event.source, outcome="again").inc()
        return outcome

    async def give_up(self, _system: System, connection: Connection, job: Job, reason: str) -> None:
        source = await connection.fetchval("SELECT source FROM inbox_events WHERE id = $1", int(job.record_id))
        metrics.events_failed_total.labels(source=source, outcome="dead").inc()
        metrics.alarms_total.labels(reason="inbox_event_dead").inc()
        get_logger().error("inbox_event_dead", inbox_id=job.record_id, reason=reason)


async def _close(system: System, event: InboxEvent, outcome: Done, connection: Connection) -> None:
    now = system.clock.now()
    with _counting_failures(event):
        if outcome.record is not None:
            await outcome.record(connection)
        # When it was first processed stays.
        await connection.execute(
            "UPDATE inbox_events SET processed_at = $2 WHERE id = $1 AND processed_at IS NULL", event.id, now
        )
    metrics.events_processed_total.labels(source=event.source).inc()
    if event.processed_at is None:
        # A sender's clock may be ahead of ours.
        lag = max(0.0, (now - (event.sent_at or event.received_at)).total_seconds())
        metrics.webhook_lag_seconds.labels(source=event.source).observe(lag)


@contextmanager
def _counting_failures(event: InboxEvent) -> Iterator[None]:
    """An exception is a failed try, whoever raises it; it goes on its way."""
    try:
        yield
    except Exception:
        metrics.events_failed_total.labels(source=event.source, outcome="again").inc()
        raise


async def remove_payloads(connection: Connection, shop: str) -> int:
    """Remove what a shop's events carried, for privacy; that they came stays known. Returns how many that were."""
    removed = await connection.fetch(
        "UPDATE inbox_events SET payload = NULL WHERE shop = $1 AND payload IS NOT NULL RETURNING id", shop
    )
    return len(removed)


async def forget_old_payloads(system: System, connection: Connection) -> None:
    """Empty what processed events carried long ago, some thousands in a round; that they came stays known."""
    await connection.execute(
        """
        UPDATE inbox_events SET payload = NULL WHERE id IN (
            SELECT id FROM inbox_events WHERE payload IS NOT NULL AND received_at < $1 AND processed_at IS NOT NULL
            ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        """,
        system.clock.now() - timedelta(days=system.settings.inbox_payload_days),
        FORGOTTEN_MAX,
    )
