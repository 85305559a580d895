"""Batching: what arrives at the same time is done by one transaction, and each gets its own answer.

One after the other, each would pay alone for its round trips and its commit, which is most of what a session costs
(docs/performance.md). Alone, one is done at once.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.database import Database

# What one batch takes at most.
BATCH_MAX = 64

Asked = TypeVar("Asked")
Made = TypeVar("Made")


@dataclass(frozen=True)
class _Waiting(Generic[Asked, Made]):
    asked: Asked
    answer: "asyncio.Future[Made | None]"


class Batching(ABC, Generic[Asked, Made]):
    """Insert or get, as many at once as are waiting."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting[Asked, Made]] = []
        self._working: asyncio.Task[None] | None = None

    @abstractmethod
    def _key(self, asked: Asked) -> str:
        """What its answer is found by."""

    @abstractmethod
    def _marks(self, asked: Asked) -> set[tuple[object, ...]]:
        """What no two of one batch may have in common."""

    @abstractmethod
    async def _make(self, batch: Sequence[Asked]) -> Mapping[str, Made]:
        """Do it for all of them, at once or not at all; the answers by key."""

    async def open(self, asked: Asked) -> Made | None:
        """Insert or get. None: there is no answer under its key. Raises what the database raises."""
        waiting: _Waiting[Asked, Made] = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._take_batch())
        finally:
            self._working = None

    def _take_batch(self) -> list[_Waiting[Asked, Made]]:
        batch: list[_Waiting[Asked, Made]] = []
        later: list[_Waiting[Asked, Made]] = []
        seen: set[tuple[object, ...]] = set()
        for waiting in self._waiting:
            marks = self._marks(waiting.asked)
            if len(batch) < BATCH_MAX and seen.isdisjoint(marks):
                batch.append(waiting)
                seen |= marks
            else:
                later.append(waiting)
        self._waiting = later
        return batch

    async def _answer(self, batch: list[_Waiting[Asked, Made]]) -> None:
        try:
            made = await self._make([waiting.asked for waiting in batch])
        except Exception as error:
            if len(batch) > 1:
                # One of them may be at fault: then only that one fails.
                for waiting in batch:
                    await self._answer([waiting])
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        for waiting in batch:
            # Whoever asked may have gone meanwhile.
            if not waiting.answer.done():
                waiting.answer.set_result(made.get(self._key(waiting.asked)))
