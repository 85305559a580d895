"""The watcher: polls the signatures we issued, many per call, while any of them may still change."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

import sentry_sdk

from app import metrics
from app.clusters import ClusterParts
from app.database import classify_error
from app.logs import bound_contextvars, get_logger
from app.payments import settlement
from app.records import IssuedTransaction
from app.system import System
from chain.death import Candidate, DeathReport, Life, dead_signatures
from chain.errors import NodeError
from chain.node import SignatureStatus
from chain.pool import Member
from chain.programs import BLOCKHASH_LIFE_BLOCKS, MAX_STATUSES_PER_CALL

# Each row is one watcher's until its next look, so several workers share the work. Old ones are looked at less often.
_CLAIM = """
UPDATE issued_transactions SET poll_at = $1::timestamptz + $2::interval * CASE
    WHEN created_at > $1 - interval '3 minutes' THEN 1 WHEN created_at > $1 - interval '1 hour' THEN 10 ELSE 60 END
WHERE id IN (
    SELECT i.id FROM issued_transactions i JOIN payments p ON p.id = i.payment_id
    WHERE i.poll_at <= $5 AND p.cluster = $3 ORDER BY i.poll_at LIMIT $4 FOR UPDATE OF i SKIP LOCKED
) RETURNING *
"""
_POSTPONE = "UPDATE issued_transactions SET poll_at = greatest(poll_at, $2) WHERE id = $1 AND NOT final"

# Payments settled side by side; those that had to be looked at again have places of their own, so that they delay
# nobody else however many and however slow they are.
SETTLING_MAX = 16
AGAIN_MAX = 4
# So often a payment is looked at again at the usual pace; then the pauses double, up to this many intervals.
PATIENT_LOOKS = 3
LONGEST_PAUSE_INTERVALS = 64


class Watcher:
    """Watches one cluster."""

    def __init__(self, system: System, parts: ClusterParts) -> None:
        self._system = system
        self._parts = parts
        self._interval = system.settings.poll_interval_ms / 1000
        self._places = asyncio.Semaphore(SETTLING_MAX)
        self._places_again = asyncio.Semaphore(AGAIN_MAX)
        self._polls = 0
        # Looks in vain, by row; and what is under way: a slow answer about one row is not waited for by the others.
        self._postponed: dict[int, int] = {}
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with self._system.database.operational("watch"):
                await self.poll()
            try:
                await asyncio.wait_for(stop.wait(), self._interval)
            except TimeoutError:
                continue
        await self.finish()

    async def poll(self) -> int:
        """Look once at everything that is due; returns how many transactions that were."""
        total = 0
        # What this poll has looked at is due again later than it began, so it ends however slow the node is.
        began = self._system.clock.now()
        while batch := await self._claim(began):
            total += len(batch)
            await self.look(batch)
            if len(batch) < MAX_STATUSES_PER_CALL:
                break
        return total

    async def finish(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way.values())

    async def look(self, batch: Sequence[IssuedTransaction]) -> None:
        """Ask for the statuses of at most 256 transactions, and begin what follows from them."""
        self._polls += 1
        try:
            # The nodes take turns: one that does not see a transaction then hides it for one interval only.
            node = self._parts.node.at_turn(self._polls)
            view = await node.signature_statuses([issued.signature for issued in batch])
        except NodeError as error:
            get_logger().warning("poll_failed", cluster=self._parts.cluster, problem=error.message)
            return
        # Blocks never outnumber slots, so before this many slots have passed nothing can be dead: no call is needed.
        reach = BLOCKHASH_LIFE_BLOCKS + self._system.settings.dead_margin_blocks
        missing = []
        for issued, status in zip(batch, view.statuses, strict=True):
            if status is not None:
                self._begin([issued], self._observe(issued, status))
            elif view.slot - issued.blockhash_slot > reach and issued.id not in self._under_way:
                missing.append(issued)
        if missing:
            self._begin(missing, self._bury_dead(missing))

    async def _claim(self, due_at: datetime) -> list[IssuedTransaction]:
        now = self._system.clock.now()
        # A little less than the interval, so that the next round finds what this one looked at.
        pause = timedelta(seconds=self._interval * 0.8)
        async with self._system.database.acquire() as connection:
            rows = await connection.fetch(_CLAIM, now, pause, self._parts.cluster, MAX_STATUSES_PER_CALL, due_at)
        return [IssuedTransaction.from_row(row) for row in rows]

    def _begin(self, rows: Sequence[IssuedTransaction], work: Coroutine[Any, Any, None]) -> None:
        """Do it beside the polling, unless something is under way for one of the rows."""
        if any(issued.id in self._under_way for issued in rows):
            work.close()
            return
        task = asyncio.create_task(self._guard(work))
        self._under_way |= dict.fromkeys((issued.id for issued in rows), task)
        task.add_done_callback(lambda _: [self._under_way.pop(issued.id) for issued in rows])

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        async with self._system.database.operational("settle"):
            try:
                await work
            except Exception as error:
                if classify_error(error) is not None:
                    raise
                # A bug met by one payment is reported, and the others go on; it is tried again at the next poll.
                get_logger().exception("settle_failed")
                sentry_sdk.capture_exception(error)

    async def _bury_dead(self, missing: Sequence[IssuedTransaction]) -> None:
        try:
            reports = await self._ask_for_the_dead(missing)
        except NodeError as error:
            get_logger().warning("burial_postponed", cluster=self._parts.cluster, problem=error.message)
            return
        found = []
        for issued in missing:
            verdicts = [report.verdicts[issued.signature] for report in reports]
            status = next((verdict.status for verdict in verdicts if verdict.status is not None), None)
            if status is not None:
                found.append((issued, status))
            elif all(verdict.life is Life.DEAD for verdict in verdicts):
                await settlement.bury(self._system, issued)
        await asyncio.gather(*(self._observe(issued, status) for issued, status in found))

    async def _ask_for_the_dead(self, missing: Sequence[IssuedTransaction]) -> list[DeathReport]:
        """The reports of all nodes that count, each asked for its whole sequence by itself. Raises NodeError."""
        candidates = [
            Candidate(issued.signature, issued.last_valid_block_height, issued.blockhash_slot) for issued in missing
        ]
        settings = self._system.settings
        members = [member for member in self._parts.node.members if member.unwell_seconds < settings.node_alone_seconds]
        asked: list[Member] = members or [self._parts.node.chosen]
        return [await dead_signatures(member, candidates, settings.dead_margin_blocks) for member in asked]

    async def _observe(self, issued: IssuedTransaction, status: SignatureStatus) -> None:
        places = self._places_again if issued.id in self._postponed else self._places
        with bound_contextvars(payment_id=issued.payment_id, signature=issued.signature):
            async with places:
                try:
                    is_done = await settlement.observe(self._system, self._parts, issued, status)
                except NodeError as error:
                    get_logger().warning("settle_postponed", problem=error.message)
                    is_done = False
            if is_done:
                self._postponed.pop(issued.id, None)
            else:
                await self._postpone(issued)

    async def _postpone(self, issued: IssuedTransaction) -> None:
        metrics.settles_postponed_total.inc()
        looks = self._postponed[issued.id] = self._postponed.get(issued.id, 0) + 1
        if looks > PATIENT_LOOKS:
            intervals = min(2 ** (looks - PATIENT_LOOKS), LONGEST_PAUSE_INTERVALS)
            until = self._system.clock.now() + timedelta(seconds=self._interval * intervals)
            async with self._system.database.acquire() as connection:
                await connection.execute(_POSTPONE, issued.id, until)
