"""The sweep: reads the fee payers' own history, at finalized, from where it was read last.

It is the net under the other watchers: whatever happened to our transactions while nobody looked stands there. What it
finds of ours is looked at by the watcher, like any hint; what our books do not have is kept and read.
"""

import asyncio
from collections.abc import Sequence

from solders.pubkey import Pubkey

from app import restores
from app.clusters import ClusterParts
from app.logs import get_logger
from app.pauses import pause
from app.records import Sweep, WatchKind
from app.system import System
from app.transactions.issued import open_fee_payers
from app.watching.hints import take_hint
from app.watching.unknown import keep_unknown, read_unknown
from chain.errors import NodeError
from chain.node import EpochInfo, HistoryLine
from chain.pool import Member
from chain.programs import MAX_HISTORY_PER_CALL

# Some nodes show a finalized transaction in an address' history a little later than everywhere else: so much is read
# again each time.
OVERLAP_SLOTS = 150
# How often it is read while issuing is paused, since the pause ends with it.
PAUSED_INTERVAL_SECONDS = 5

# Where nothing was ever read: what is open can not have landed before its blockhash.
_OLDEST = """
SELECT min(i.blockhash_slot) FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
WHERE NOT i.final AND g.cluster = $1 AND i.fee_payer = $2
"""
_NOTE = """
INSERT INTO sweeps AS known (cluster, fee_payer, cursor_signature, cursor_slot, swept_at, swept_slot)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (cluster, fee_payer) DO UPDATE SET swept_at = $5, swept_slot = $6,
    cursor_signature = coalesce($3, known.cursor_signature), cursor_slot = greatest(known.cursor_slot, $4)
WHERE known.swept_slot <= $6
"""


class Sweeper:
    """Sweeps one cluster."""

    def __init__(self, system: System, parts: ClusterParts) -> None:
        self._system = system
        self._parts = parts

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            seconds = self._system.settings.sweep_interval_seconds
            async with self._system.database.operational("sweep"):
                async with self._system.database.acquire() as connection:
                    is_paused = await restores.is_paused(connection, self._parts.cluster)
                if is_paused:
                    seconds = min(seconds, PAUSED_INTERVAL_SECONDS)
                if is_paused or self._system.settings.watch_sweep:
                    try:
                        await self.sweep()
                    except NodeError as error:
                        get_logger().warning("sweep_postponed", cluster=self._parts.cluster, problem=error.message)
            await pause(seconds, stop)

    async def sweep(self) -> None:
        """Read what is new in the fee payers' histories. Raises NodeError: then the same is read again next time."""
        # One node for all of it: what it calls finalized is what its history is complete up to.
        member = self._parts.node.chosen
        confirmed = await member.epoch_info("confirmed")
        async with self._system.database.acquire() as connection:
            await restores.note_height(connection, self._parts.cluster, confirmed.block_height)
            is_paused = await restores.is_paused(connection, self._parts.cluster)
            # The settings name today's fee payers and those of yesterday that are at hand; open orders may have others.
            opened = await open_fee_payers(connection, self._parts.cluster)
        finalized = await member.epoch_info("finalized")
        addresses = self._parts.fee_payers.addresses | set(map(Pubkey.from_string, opened))
        for address in sorted(addresses, key=str):
            await self._walk(member, address, finalized, is_paused=is_paused)
        if await read_unknown(self._system, self._parts):
            await restores.lift_pause(self._system, self._parts.cluster, finalized.block_height)

    async def _walk(self, member: Member, address: Pubkey, finalized: EpochInfo, *, is_paused: bool) -> None:
        """Read one history backwards, from its newest end to where it was read before."""
        known, floor = await self._find_cursor(address, finalized, is_paused=is_paused)
        settled: HistoryLine | None = None
        before: str | None = None
        while True:
            page = await member.history(
                address, before=before, until=known.cursor_signature if known else None, commitment="finalized"
            )
            fresh = [line for line in page if line.slot >= floor]
            await self._take(address, fresh)
            old_enough = (line for line in fresh if line.slot <= finalized.slot - OVERLAP_SLOTS)
            settled = settled or next(old_enough, None)
            # A node that does not know the cursor's signature shows everything: the slot ends it all the same.
            if len(page) < MAX_HISTORY_PER_CALL or len(fresh) < len(page):
                break
            before = page[-1].signature
        async with self._system.database.acquire() as connection:
            await connection.execute(
                _NOTE,
                self._parts.cluster,
                str(address),
                settled and settled.signature,
                settled.slot if settled else floor,
                self._system.clock.now(),
                finalized.slot,
            )

    async def _find_cursor(self, address: Pubkey, finalized: EpochInfo, *, is_paused: bool) -> tuple[Sweep | None, int]:
        """How far this history was read, and the oldest slot that is of interest."""
        async with self._system.database.acquire() as connection:
            row = await connection.fetchrow(
                "SELECT * FROM sweeps WHERE cluster = $1 AND fee_payer = $2", self._parts.cluster, str(address)
            )
            if row is not None:
                known = Sweep.from_row(row)
                return known, known.cursor_slot
            oldest: int | None = await connection.fetchval(_OLDEST, self._parts.cluster, str(address))
        if is_paused:
            # The backup was made before the first sweep: nothing tells how much is missing in it.
            return None, 0
        return None, finalized.slot if oldest is None else min(oldest, finalized.slot)

    async def _take(self, address: Pubkey, lines: Sequence[HistoryLine]) -> None:
        if lines:
            signatures = [line.signature for line in lines]
            await take_hint(self._system, self._parts, signatures, WatchKind.sweep)
            await keep_unknown(self._system, self._parts, str(address), lines)
