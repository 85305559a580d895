"""The job worker on SQS: each message is a ring for one job. What fails is given back alone, not with its batch."""

import asyncio
from typing import Any

from app.database import classify_error, count_trouble
from app.jobs.doorbell import Doorbell
from app.jobs.worker import Worker
from app.logs import get_logger
from app.system import System
from handlers.aws.container import CONTAINER, Container, Event


def answer_rings(container: Container, event: Event) -> dict[str, Any]:
    """Try the jobs that were rung for, side by side. Named in the answer: the messages that are to come again.

    A job that fails is no failed message: its next try is in the table, and is rung for by itself.
    """

    async def work(system: System, _bell: Doorbell) -> list[str]:
        worker = Worker(system)
        records = event["Records"]
        done = await asyncio.gather(*(_try(worker, record["body"]) for record in records))
        return [record["messageId"] for record, is_done in zip(records, done, strict=True) if not is_done]

    return {"batchItemFailures": [{"itemIdentifier": message} for message in container.run(work)]}


async def _try(worker: Worker, body: str) -> bool:
    """False: it could not even be claimed, for the database was in trouble."""
    if not body.isdecimal():
        get_logger().error("ring_unreadable", body=body[:40])
        return False
    try:
        await worker.attempt(int(body))
    except Exception as error:
        trouble = classify_error(error)
        if trouble is None:
            raise
        count_trouble(trouble, "answer_ring", error)
        return False
    return True


def handle(event: Event, _context: Any) -> dict[str, Any]:
    return answer_rings(CONTAINER, event)
