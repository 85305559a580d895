"""The chain's figures that every transaction needs, kept fresh in the background: no request has to ask for them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from solders.pubkey import Pubkey

from chain.errors import NodeBehind, NodeError, NodeRateLimited
from chain.node import Blockhash, Questions

_LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ChainSnapshot:
    """`rent_lamports` is what an account without data must hold; `compute_unit_price` in micro-lamports, capped."""

    blockhash: Blockhash
    rent_lamports: int
    compute_unit_price: int


@dataclass(slots=True)
class _Kept:
    """A figure that changes seldom, and when to ask for it again."""

    value: int
    stale_at: float


class SnapshotCache:
    """Blockhash at every refresh, rent and priority fee seldom.

    `fee_addresses`: the accounts that every transaction writes to (the fee payer), whose recent priority fees count.
    `max_compute_unit_price`: never bid more than this, in micro-lamports per compute unit.
    """

    def __init__(
        self,
        node: Questions,
        refresh_seconds: float,
        *,
        fee_addresses: Sequence[Pubkey] = (),
        max_compute_unit_price: int = 100_000,
        rent_seconds: float = 300,
        fee_seconds: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._refresh_seconds = refresh_seconds
        self._fee_addresses = list(fee_addresses)
        self._max_compute_unit_price = max_compute_unit_price
        self._rent_seconds = rent_seconds
        self._fee_seconds = fee_seconds
        self._clock = clock
        self._fetching: asyncio.Task[ChainSnapshot] | None = None
        self._snapshot: ChainSnapshot | None = None
        self._fetched_at: float | None = None
        self._rent: _Kept | None = None
        self._fee: _Kept | None = None

    @property
    def age_seconds(self) -> float | None:
        """How long ago the blockhash was fetched; None when it never was."""
        return None if self._fetched_at is None else self._clock() - self._fetched_at

    async def refresh(self) -> ChainSnapshot:
        """Fetch what is due, the blockhash always; concurrent callers share one fetch, and its failure.

        Raises NodeError; the old snapshot then stays till it is too old.
        """
        # One that has ended is over, though its callback may not have run yet.
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        return await asyncio.shield(self._fetching)

    def forget(self) -> None:
        """Use nothing that was fetched before: for where no background keeps it fresh, and the process may stand still.

        Rent and priority fee, which change seldom, stay for their time.
        """
        self._snapshot = None

    async def run(self, stop: asyncio.Event) -> None:
        """Refresh until `stop` is set. A node that fails is asked again at the next turn, or when it says."""
        while not stop.is_set():
            pause = self._refresh_seconds
            try:
                await self.refresh()
            except NodeRateLimited as error:
                pause = max(pause, min(error.retry_after or 0.0, _LONGEST_PAUSE_SECONDS))
            except NodeError:  # counted by the node's on_call; requests see it by the snapshot's age
                pass
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    def current(self, at_slot: int, max_age_slots: int) -> ChainSnapshot | None:
        """The snapshot, unless there is none or its blockhash is more than `max_age_slots` older than `at_slot`."""
        if self._snapshot is None or at_slot - self._snapshot.blockhash.slot > max_age_slots:
            return None
        return self._snapshot

    async def get(self, at_slot: int, max_age_slots: int) -> ChainSnapshot:
        """The snapshot, fetched when there is none that is young enough; concurrent callers share one fetch.

        Raises NodeBehind when even the fetched one is too old for `at_slot`, NodeError when the node does not answer.
        """
        ready = self.current(at_slot, max_age_slots)
        if ready is not None:
            return ready
        # The fetch that is under way may have begun before the slot that is asked for.
        for _ in range(2):
            await self.refresh()
            ready = self.current(at_slot, max_age_slots)
            if ready is not None:
                return ready
        fetched = self._snapshot.blockhash.slot if self._snapshot else 0
        raise NodeBehind(method="getLatestBlockhash", slots=at_slot - fetched, limit=max_age_slots)

    def _fetched(self, task: "asyncio.Task[ChainSnapshot]") -> None:
        if self._fetching is task:
            self._fetching = None
        if not task.cancelled():
            # Whoever waited for it may be gone: its failure is known all the same.
            task.exception()

    async def _fetch(self) -> ChainSnapshot:
        rent = await self._rent_lamports()
        price = await self._compute_unit_price()
        # Last, so that it is as young as can be; confirmed, since finalized would waste 32 blocks of its life.
        blockhash = await self._node.latest_blockhash("confirmed")
        self._snapshot, self._fetched_at = ChainSnapshot(blockhash, rent, price), self._clock()
        return self._snapshot

    async def _rent_lamports(self) -> int:
        if self._rent is None or self._clock() >= self._rent.stale_at:
            rent = await self._node.minimum_rent(0)
            self._rent = _Kept(rent, self._clock() + self._rent_seconds)
        return self._rent.value

    async def _compute_unit_price(self) -> int:
        if self._fee is None or self._clock() >= self._fee.stale_at:
            try:
                recent = await self._node.recent_priority_fees(self._fee_addresses)
                price = choose_compute_unit_price(recent, self._max_compute_unit_price)
            except NodeError:
                # Some nodes do not tell fees. Bidding as before, or nothing, is better than not issuing.
                price = self._fee.value if self._fee else 0
            self._fee = _Kept(price, self._clock() + self._fee_seconds)
        return self._fee.value


def choose_compute_unit_price(recent: Sequence[int], limit: int) -> int:
    """The price that was enough in three of four recent slots, at most `limit`; 0 when nobody paid one."""
    if not recent:
        return 0
    ordered = sorted(recent)
    return min(ordered[(len(ordered) * 3) // 4], limit)
