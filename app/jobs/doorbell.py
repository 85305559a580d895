"""The doorbell: where workers are not processes but are called (AWS), an SQS message says that a job is due.

The table stays the truth. A message names a job and nothing else; whoever gets it claims the job as any worker does. So
a ring that is lost, doubled, late or out of order changes nothing but when the job is done: what nobody rang for is
found by the schedule, and what was rung for twice is claimed once.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

from app import metrics
from app.aws import SQS, AwsClient, AwsUnavailable
from app.logs import get_logger
from app.system import System

# SQS holds a message back for so long at most; what is due later is rung for by a later look.
AHEAD_MAX = timedelta(seconds=900)
# Messages in one call, and calls in one look.
BATCH = 10
BATCHES_MAX = 20

_TO_RING = """
UPDATE jobs SET rung_at = $1 WHERE id IN (
    SELECT id FROM jobs WHERE status = 'waiting' AND due_at <= $2 AND (rung_at IS NULL OR rung_at < updated_at)
    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
) RETURNING id, due_at
"""
_NOT_RUNG = "UPDATE jobs SET rung_at = NULL WHERE id = ANY($1)"


class Client(Protocol):
    """SQS, as far as it is needed here."""

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]: ...


class Doorbell:
    """Rings for the jobs of one database."""

    def __init__(self, system: System, client: Client, queue_url: str) -> None:
        self._system = system
        self._client = client
        self._queue_url = queue_url

    @classmethod
    def open(cls, system: System) -> Self:
        """For the queue of the settings."""
        return cls(system, AwsClient(SQS), system.settings.aws_queue_url)

    async def ring(self) -> int:
        """Ring for what is committed, due soon, and not rung for since it changed; how many jobs that were.

        Never raises for SQS: what could not be rung for is left to the next look, or to the schedule.
        """
        rung = 0
        for _ in range(BATCHES_MAX):
            now = self._system.clock.now()
            async with self._system.database.acquire() as connection:
                rows = await connection.fetch(_TO_RING, now, now + AHEAD_MAX, BATCH)
            jobs = [(row["id"], row["due_at"]) for row in rows]
            if not jobs:
                break
            failed = await self._send(jobs, now)
            rung += len(jobs) - len(failed)
            if failed:
                async with self._system.database.acquire() as connection:
                    await connection.execute(_NOT_RUNG, failed)
                break
            if len(jobs) < BATCH:
                break
        return rung

    async def _send(self, jobs: Sequence[tuple[int, datetime]], now: datetime) -> list[int]:
        """The ids of those that SQS did not take."""
        entries = [
            # Rounded up: who comes too early finds nothing to do.
            {"Id": str(job), "MessageBody": str(job), "DelaySeconds": max(0, math.ceil((due - now).total_seconds()))}
            for job, due in jobs
        ]
        try:
            body = {"QueueUrl": self._queue_url, "Entries": entries}
            answer = await asyncio.to_thread(self._client.call, "SendMessageBatch", body)
        except AwsUnavailable as error:
            get_logger().warning("doorbell_unreachable", error=error.message)
            failed = [job for job, _ in jobs]
        else:
            failed = [int(entry["Id"]) for entry in answer.get("Failed", ())]
        metrics.rings_total.labels(outcome="failed").inc(len(failed))
        metrics.rings_total.labels(outcome="rung").inc(len(jobs) - len(failed))
        return failed
