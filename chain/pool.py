"""Several nodes of one cluster: who is asked, who is left alone for a while, who has fallen behind.

A node that fails is asked last for a time that doubles with each failure; one that asks for a pause is not asked at all
until it is over. Nothing here waits: a question goes to each node at most once, and then the asker is told.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from chain.errors import NodeBehind, NodeError, NodeRateLimited, TransactionVersionUnsupported
from chain.node import Node, Questions

T = TypeVar("T")

# Nodes that one question is put to before the asker hears of the failure.
MAX_TRIES = 3
# A node that is further behind the newest one answers old truths.
MAX_LAG_SLOTS = 50
_FIRST_REST_SECONDS = 1.0
_LONGEST_REST_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 60.0

Fault = Callable[[str, str, NodeError], None]
Health = Callable[[str, bool], None]


class Member(Questions):
    """One node and how it is doing. `name` is its place in the setting and its host, never its address."""

    def __init__(self, name: str, node: Node, on_fault: Fault, on_health: Health, clock: Callable[[], float]) -> None:
        self.name = name
        self.node = node
        self._on_fault = on_fault
        self._on_health = on_health
        self._clock = clock
        self._failures = 0
        self._rests_until = 0.0
        self._paused_until = 0.0
        self._is_sick = False
        self._unwell_since: float | None = None

    @property
    def pause_seconds(self) -> float:
        """How much is left of the pause that the node asked for."""
        return max(0.0, self._paused_until - self._clock())

    @property
    def unwell_seconds(self) -> float:
        """How long it has given no sign of health; 0 when it is well."""
        return 0.0 if self._unwell_since is None else self._clock() - self._unwell_since

    @property
    def is_resting(self) -> bool:
        """Whether it failed a moment ago."""
        return self._clock() < self._rests_until

    @property
    def rank(self) -> tuple[bool, bool]:
        """The lower, the sooner it is asked."""
        return self._is_sick, self.is_resting

    async def ask(self, method: str, params: list[Any] | None, shape: Any, read: Callable[[Any], T]) -> T:
        if pause := self.pause_seconds:
            raise NodeRateLimited(method=method, retry_after=pause)
        try:
            answer = await self.node.ask(method, params, shape, read)
        except TransactionVersionUnsupported:
            self._succeed()
            raise
        except NodeError as error:
            self._fail(method, error)
            raise
        self._succeed()
        return answer

    async def look(self) -> int | None:
        """Its slot; None when it says that it is not healthy, or nothing.

        A bad look makes it no rest: a node that only lags is still asked what it shows of a landing.
        """
        if self.pause_seconds:
            return None
        try:
            await self.node.health()
            slot = (await self.node.epoch_info("confirmed")).slot
        except NodeRateLimited as error:
            self._fail("getHealth", error)
            return None
        except NodeError as error:
            self._on_fault(self.name, "getHealth", error)
            return None
        self._succeed()
        return slot

    def judge(self, *, is_sick: bool) -> None:
        """What a look at its health found; only the next look can find otherwise."""
        self._is_sick = is_sick
        self._note()

    def fall_behind(self, slots: int) -> None:
        """It is this many slots behind the newest node."""
        self._on_fault(self.name, "getEpochInfo", NodeBehind(method="getEpochInfo", slots=slots, limit=MAX_LAG_SLOTS))
        self.judge(is_sick=True)

    def _fail(self, method: str, error: NodeError) -> None:
        now = self._clock()
        self._rests_until = now + min(_FIRST_REST_SECONDS * 2**self._failures, _LONGEST_REST_SECONDS)
        self._failures = min(self._failures + 1, 16)
        if isinstance(error, NodeRateLimited) and error.retry_after:
            self._paused_until = now + min(error.retry_after, _LONGEST_PAUSE_SECONDS)
        self._on_fault(self.name, method, error)
        self._note()

    def _succeed(self) -> None:
        self._failures, self._rests_until = 0, 0.0
        self._note()

    def _note(self) -> None:
        is_well = not self._is_sick and not self._failures
        if is_well is (self._unwell_since is None):
            return
        self._unwell_since = None if is_well else self._clock()
        self._on_health(self.name, is_well)


class Pool(Questions):
    """The nodes of one cluster, asked in the order given as far as they are well.

    `on_fault(name, method, error)` is told of every failure of a node, `on_health(name, is_well)` of every change.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        on_fault: Fault,
        on_health: Health,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.members = [
            Member(f"{place}:{node.host}", node, on_fault, on_health, clock) for place, node in enumerate(nodes, 1)
        ]

    async def close(self) -> None:
        for member in self.members:
            await member.node.close()

    @property
    def chosen(self) -> Member:
        """The node that would be asked now: for questions that one node must answer in a row."""
        return self.in_order()[0]

    def counting(self, alone_seconds: float) -> list[Member]:
        """The nodes whose word counts, each to be asked by itself: all that are not unwell for so long, or the best."""
        return [member for member in self.members if member.unwell_seconds < alone_seconds] or [self.chosen]

    def in_order(self, turn: int = 0) -> list[Member]:
        """The nodes, the best to ask first; among equals, the one whose turn it is."""
        start = turn % len(self.members)
        return sorted(self.members[start:] + self.members[:start], key=lambda member: member.rank)

    def at_turn(self, turn: int) -> "Turn":
        """The pool as it is asked when equals take turns."""
        return Turn(self, turn)

    async def ask(self, method: str, params: list[Any] | None, shape: Any, read: Callable[[Any], T]) -> T:
        return await self.ask_in_order(self.in_order(), method, params, shape, read)

    async def ask_in_order(
        self, members: Sequence[Member], method: str, params: list[Any] | None, shape: Any, read: Callable[[Any], T]
    ) -> T:
        """Ask one after the other until one answers. Raises what the last one asked raised."""
        failure: NodeError | None = None
        for member in [member for member in members if not member.pause_seconds][:MAX_TRIES]:
            try:
                return await member.ask(method, params, shape, read)
            except TransactionVersionUnsupported:
                raise
            except NodeError as error:
                failure = error
        if failure is None:
            failure = NodeRateLimited(method=method, retry_after=min(member.pause_seconds for member in members))
        raise failure

    async def check(self) -> None:
        """Look at the health of every node: whether it calls itself healthy, and how far behind the newest it is."""
        slots = await asyncio.gather(*(member.look() for member in self.members))
        newest = max((slot for slot in slots if slot is not None), default=0)
        for member, slot in zip(self.members, slots, strict=True):
            if slot is None:
                member.judge(is_sick=True)
            elif newest - slot > MAX_LAG_SLOTS:
                member.fall_behind(newest - slot)
            else:
                member.judge(is_sick=False)

    async def watch(self, stop: asyncio.Event, seconds: float) -> None:
        """Look at the nodes' health again and again until `stop` is set. A node alone is not looked at."""
        while not stop.is_set():
            if len(self.members) > 1:
                await self.check()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds)


class Turn(Questions):
    """A pool whose well nodes take turns at being asked first."""

    def __init__(self, pool: Pool, turn: int) -> None:
        self._pool = pool
        self._turn = turn

    async def ask(self, method: str, params: list[Any] | None, shape: Any, read: Callable[[Any], T]) -> T:
        return await self._pool.ask_in_order(self._pool.in_order(self._turn), method, params, shape, read)
