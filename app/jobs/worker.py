"""The worker: takes due jobs and runs them, many at a time, each under its lease."""

import asyncio
import math
import time
from collections.abc import Mapping
from datetime import timedelta

from app import metrics
from app.database import classify_error, count_trouble
from app.identifiers import new_holder
from app.jobs import ladder, queue
from app.jobs.kinds import HANDLERS
from app.jobs.outcomes import Done, Handler, Hopeless, Later, Outcome, Retry
from app.logs import bound_contextvars, get_logger
from app.pauses import pause
from app.records import Job, JobKind, RecordKind
from app.reporting import report_bug
from app.system import System
from app.tracing import Attribute, tracing

# Records that have a trace of their own.
_TRACED = frozenset({RecordKind.payment, RecordKind.refund})


class Worker:
    """Runs jobs until it is stopped; then finishes those it has begun."""

    def __init__(self, system: System, handlers: Mapping[JobKind, Handler] = HANDLERS) -> None:
        self._system = system
        self._handlers = handlers
        self._holder = new_holder()
        self._nap_seconds = system.settings.job_poll_ms / 1000
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        async with self._system.database.listen(queue.CHANNEL, lambda _payload: self._wake.set()):
            while not stop.is_set():
                self._wake.clear()
                if await self._take() == 0:
                    await self._nap(stop)
            await self._finish()

    async def drain(self, seconds: float = math.inf) -> int:
        """Run everything that is due now, and what follows from it, to the end. Returns how many tries were made.

        After so many seconds nothing more is begun.
        """
        tries, ends = 0, time.monotonic() + seconds
        while time.monotonic() < ends and (taken := await self._take()):
            tries += taken
            await asyncio.wait(self._running)
        return tries

    async def attempt(self, job_id: int) -> bool:
        """Try this one job, if it is due. False: there was nothing to do about it now."""
        async with self._system.database.acquire() as connection:
            at, lease = self._system.clock.now(), timedelta(seconds=self._system.settings.job_lease_seconds)
            job = await queue.claim_one(connection, self._holder, job_id, at=at, lease=lease)
        if job is None:
            return False
        await self._run(job)
        return True

    async def _take(self) -> int:
        """Start as many due jobs as there are free places; returns how many, 0 when there is nothing to do now."""
        free = self._system.settings.job_workers - len(self._running)
        if free <= 0:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            return 1
        jobs: list[Job] = []
        # With the database in trouble, which is counted, there is nothing to do but to look again after a nap.
        async with self._system.database.operational("claim_jobs"), self._system.database.acquire() as connection:
            lease = timedelta(seconds=self._system.settings.job_lease_seconds)
            jobs = await queue.claim(connection, self._holder, at=self._system.clock.now(), lease=lease, limit=free)
        for job in jobs:
            task = asyncio.create_task(self._run(job))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return len(jobs)

    async def _finish(self) -> None:
        """Finish what was begun; what takes too long goes back on its ladder, so that no one waits for its lease."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=self._system.settings.drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _nap(self, stop: asyncio.Event) -> None:
        await pause(self._nap_seconds, self._wake, stop)

    async def _run(self, job: Job) -> None:
        about = {f"{job.record}_id": job.record_id}
        told: dict[str, Attribute] = {"job_id": job.id, "job_kind": job.kind, "attempt": job.attempts, **about}
        traced = job.record_id if job.record in _TRACED else None
        with bound_contextvars(**told), tracing.span(f"job {job.kind}", traced, **told):
            handler = self._handlers[job.kind]
            try:
                outcome = await handler.attempt(self._system, job)
            except asyncio.CancelledError:
                get_logger().warning("job_interrupted")
                outcome = Retry("interrupted")
            except Exception as error:
                # Whatever it was, the job is not lost: it goes back on its ladder. Only a bug is reported.
                if (trouble := classify_error(error)) is not None:
                    count_trouble(trouble, "job", error)
                else:
                    report_bug("job_failed", error)
                outcome = Retry(type(error).__name__)
            came_to = type(outcome).__name__.lower()
            tracing.note(outcome=came_to)
            metrics.jobs_total.labels(kind=job.kind, outcome=came_to).inc()
            if not isinstance(outcome, Later):
                metrics.ladder_step.labels(outcome=came_to).observe(job.attempts)
            # A job that can not be closed now is found again when its lease ends.
            async with self._system.database.operational("close_job"):
                try:
                    await self._close(handler, job, outcome)
                except Exception as error:
                    if classify_error(error) is not None:
                        raise
                    # What it came to can not be written: it goes back on its ladder all the same, and will end.
                    report_bug("job_not_closed", error)
                    await self._close(handler, job, Retry(type(error).__name__))

    async def _close(self, handler: Handler, job: Job, outcome: Outcome) -> None:
        now = self._system.clock.now()
        async with self._system.database.transaction() as connection:
            match outcome:
                case Done(record):
                    if record is not None:
                        await record(connection)
                    await queue.finish(connection, job, at=now)
                case Retry(error, retry_after_seconds, reason):
                    wait = ladder.wait_after(job.attempts, retry_after_seconds)
                    if wait is not None:
                        await queue.postpone(connection, job, until=now + wait, error=error, at=now)
                    elif await queue.bury(connection, job, error=error, at=now):
                        await handler.give_up(self._system, connection, job, reason)
                case Later(seconds, error):
                    until = now + ladder.spread(seconds)
                    await queue.give_back(connection, job, until=until, error=error, at=now)
                case Hopeless(reason):
                    if await queue.bury(connection, job, error=reason, at=now):
                        await handler.give_up(self._system, connection, job, reason)
