"""The watcher: looks at the signatures we issued, many per call, while any of them may still change.

Four things make it look: time (polling), and the hints of a websocket, a webhook and the sweep. Each can be switched
off. Whatever is on, a transaction is looked for once its blockhash has run out: how else would it be known to be dead?
"""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

from app import metrics
from app.clusters import ClusterParts
from app.database import classify_error
from app.logs import bound_contextvars, get_logger
from app.pauses import pause
from app.records import Fate, IssuedTransaction, WatchKind
from app.reporting import report_bug
from app.system import System
from app.tracing import tracing
from app.transactions.purpose import names_of, record_of
from app.watching import settlement
from app.watching.hints import take_hint
from chain.death import Candidate, DeathReport, Life, dead_signatures
from chain.errors import NodeError
from chain.node import SignatureStatus
from chain.programs import BLOCKHASH_LIFE_BLOCKS, MAX_STATUSES_PER_CALL

# Each row is one watcher's until its next look, so several workers share the work. Old ones are looked at less often.
# Where a payment is paid and its transaction only has to become final, nobody waits for it.
_CLAIM = """
UPDATE issued_transactions i SET poll_at = $1::timestamptz + $2::interval * CASE
    WHEN i.created_at <= $1 - interval '1 hour' THEN 60 WHEN i.created_at <= $1 - interval '3 minutes' THEN 10
    WHEN due.is_settled THEN 5 ELSE 1 END
FROM (
    SELECT o.id, g.won_signature IS NOT DISTINCT FROM o.signature AS is_settled
    FROM issued_transactions o JOIN payment_groups g ON g.id = o.group_id
    WHERE o.poll_at <= $5 AND g.cluster = $3
        AND ($6::bigint IS NULL OR o.seen_by IS NOT NULL OR o.last_valid_block_height < $6)
    ORDER BY o.poll_at LIMIT $4 FOR UPDATE OF o SKIP LOCKED
) AS due
WHERE i.id = due.id RETURNING i.*
"""
_UNSEEN = """
SELECT EXISTS (SELECT FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
    WHERE i.poll_at <= $1 AND g.cluster = $2 AND i.seen_by IS NULL)
"""
_POSTPONE = "UPDATE issued_transactions SET poll_at = greatest(poll_at, $2) WHERE id = $1 AND NOT final"

# Payments settled side by side; those that had to be looked at again have places of their own, so that they delay
# nobody else however many and however slow they are.
SETTLING_MAX = 16
AGAIN_MAX = 4
# So often a payment is looked at again at the usual pace; then the pauses double, up to this many intervals.
PATIENT_LOOKS = 3
LONGEST_PAUSE_INTERVALS = 64
# However fast hints come, so many polls at most are made in one interval: what comes together is looked at together.
POLLS_PER_INTERVAL_MAX = 10
# Without polling, the chain's height is asked for in every so many rounds: whose time is over is looked for.
LAST_LOOK_ROUNDS = 10


class Watcher:
    """Watches one cluster."""

    def __init__(self, system: System, parts: ClusterParts) -> None:
        self._system = system
        self._parts = parts
        self._interval = system.settings.poll_interval_ms / 1000
        self._places = asyncio.Semaphore(SETTLING_MAX)
        self._places_again = asyncio.Semaphore(AGAIN_MAX)
        self._polls = 0
        self._rounds = 0
        # Looks in vain, by row; and what is under way: a slow answer about one row is not waited for by the others.
        self._postponed: dict[int, int] = {}
        self._missed: set[int] = set()
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._parts.hinted.clear()
            async with self._system.database.operational("watch"):
                await self.poll()
            await pause(self._interval / POLLS_PER_INTERVAL_MAX, stop)
            await pause(self._interval * (1 - 1 / POLLS_PER_INTERVAL_MAX), stop, self._parts.hinted)
        await self.finish()

    async def poll(self) -> int:
        """Look once at everything that is due; returns how many transactions that were."""
        total = 0
        # What this poll has looked at is due again later than it began, so it ends however slow the node is.
        began = self._system.clock.now()
        over = await self._find_over(began)
        while batch := await self._claim(began, over):
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
                self._missed.discard(issued.id)
                self._begin([issued], self._observe(issued, status))
                continue
            self._note_missing(issued, view.slot)
            if view.slot - issued.blockhash_slot > reach and issued.id not in self._under_way:
                missing.append(issued)
        if missing:
            self._begin(missing, self._bury_dead(missing))

    def _note_missing(self, issued: IssuedTransaction, slot: int) -> None:
        """What had landed and is not shown (any more) is told of once: gone for good it is only when it is dead."""
        # Longer ago, a node has forgotten its status, and only its history knows.
        is_recent = issued.slot is not None and slot - issued.slot <= BLOCKHASH_LIFE_BLOCKS
        if issued.fate is Fate.landed and is_recent and issued.id not in self._missed:
            self._missed.add(issued.id)
            metrics.landings_missing_total.inc()
            get_logger().warning("landing_missing", signature=issued.signature, **names_of(issued))

    async def _find_over(self, due_at: datetime) -> int | None:
        """Without polling: the last valid block heights below which no block takes a transaction any more."""
        if self._system.settings.watch_polling:
            return None
        self._rounds += 1
        if self._rounds % LAST_LOOK_ROUNDS:
            return 0
        async with self._system.database.acquire() as connection:
            if not await connection.fetchval(_UNSEEN, due_at, self._parts.cluster):
                return 0
        try:
            finalized = await self._parts.node.epoch_info("finalized")
        except NodeError as error:
            get_logger().warning("poll_failed", cluster=self._parts.cluster, problem=error.message)
            return 0
        return finalized.block_height - self._system.settings.dead_margin_blocks

    async def _claim(self, due_at: datetime, over: int | None) -> list[IssuedTransaction]:
        now = self._system.clock.now()
        # A little less than the interval, so that the next round finds what this one looked at.
        gap = timedelta(seconds=self._interval * 0.8)
        async with self._system.database.acquire() as connection:
            rows = await connection.fetch(_CLAIM, now, gap, self._parts.cluster, MAX_STATUSES_PER_CALL, due_at, over)
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
                report_bug("settle_failed", error)

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
                self._missed.discard(issued.id)
        if found:
            names = [issued.signature for issued, _ in found]
            await take_hint(self._system, self._parts, names, WatchKind.last_look)
        await asyncio.gather(*(self._observe(issued, status) for issued, status in found))

    async def _ask_for_the_dead(self, missing: Sequence[IssuedTransaction]) -> list[DeathReport]:
        """The reports of all nodes that count, each asked for its whole sequence by itself. Raises NodeError."""
        candidates = [
            Candidate(issued.signature, issued.last_valid_block_height, issued.blockhash_slot) for issued in missing
        ]
        settings = self._system.settings
        asked = self._parts.node.counting(settings.node_alone_seconds)
        return [await dead_signatures(member, candidates, settings.dead_margin_blocks) for member in asked]

    async def _observe(self, issued: IssuedTransaction, status: SignatureStatus) -> None:
        places = self._places_again if issued.id in self._postponed else self._places
        told = {"signature": issued.signature, **names_of(issued)}
        with bound_contextvars(**told), tracing.span("settlement", record_of(issued)[1], **told):
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
