"""Waiting for a condition, with a deadline: the tests' only way to wait."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def wait_until(predicate: Callable[[], T | Awaitable[T]], seconds: float = 10, what: str = "") -> T:
    """The first true value of `predicate` (plain or async), asked again and again.

    Raises AssertionError that names `what` when it is not true within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = predicate()
        value: T = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not true within {seconds} s: {what or predicate}")
        await asyncio.sleep(0.01)
