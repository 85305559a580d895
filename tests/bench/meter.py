"""Measures the processor time that a coroutine's own steps take, apart from the calls to the outside within it.

A coroutine runs in steps, from one wait to the next. Each step is timed by the thread's own processor clock, so neither
waiting, nor other requests, nor other processes count; of a call to the outside the same steps are timed and taken off.
"""

import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import coroutine
from typing import Any, Generic, NamedTuple, TypeVar

import httpx
from solana.rpc.async_api import AsyncClient

T = TypeVar("T")


@dataclass
class Account:
    """Seconds of one request: all steps, those in calls to the outside, those in the HTTP server; and the calls.

    `steps` and `inner_steps` count what was timed: the request's own steps, and those taken off from them.
    """

    total: float = 0
    outside: float = 0
    server: float = 0
    steps: int = 0
    inner_steps: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def ours(self) -> float:
        return self.total - self.outside - self.server

    def add_total(self, seconds: float) -> None:
        self.total += seconds
        self.steps += 1

    def add_outside(self, seconds: float) -> None:
        self.outside += seconds
        self.inner_steps += 1

    def add_server(self, seconds: float) -> None:
        self.server += seconds
        self.inner_steps += 1


current: ContextVar[Account | None] = ContextVar("account", default=None)


class Stepped(Generic[T]):
    """Awaits a coroutine and reports how long each of its steps took."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], add: Callable[[float], None]) -> None:
        self._coroutine = coroutine
        self._add = add

    def __await__(self) -> Generator[Any, Any, T]:
        value: Any = None
        error: BaseException | None = None
        while True:
            began = time.thread_time()
            try:
                waits_for = self._coroutine.send(value) if error is None else self._coroutine.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                self._add(time.thread_time() - began)
            try:
                value, error = (yield waits_for), None
            except BaseException as raised:
                value, error = None, raised


def outside(name: str, call: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> Awaitable[T]:
    """A call to the outside, on the account of the request that makes it, if one does."""
    account = current.get()
    if account is None:
        return call(*args, **kwargs)
    account.calls[name] += 1
    return Stepped(_make(call, args, kwargs), account.add_outside)


async def _make(call: Callable[..., Coroutine[Any, Any, T]], args: Any, kwargs: Any) -> T:
    # Within the first step: what a library does before it gives the coroutine is its own, too.
    return await call(*args, **kwargs)


class MeteredHttp(httpx.AsyncClient):
    async def post(self, *args: Any, **kwargs: Any) -> httpx.Response:
        return await outside("http", super().post, *args, **kwargs)


class MeteredRpc(AsyncClient):
    async def send_rpc_request(self, *args: Any, **kwargs: Any) -> Any:
        return await outside("rpc", super().send_rpc_request, *args, **kwargs)


class MeteredDatabase:
    """Stands before a Database: all that its connections do counts as outside."""

    def __init__(self, database: Any) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def acquire(self) -> "Borrowed":
        return Borrowed(self._database.acquire())

    def transaction(self) -> "Borrowed":
        return Borrowed(self._database.transaction())


class Borrowed:
    """A borrowed connection; borrowing, returning, beginning and committing are outside."""

    def __init__(self, context: Any) -> None:
        self._context = context

    async def __aenter__(self) -> "MeteredConnection":
        return MeteredConnection(await outside("borrow", self._context.__aenter__))

    def __aexit__(self, *raised: Any) -> Awaitable[bool | None]:
        return outside("return", self._context.__aexit__, *raised)


class MeteredConnection:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *args: Any) -> Awaitable[Any]:
        return outside("query", self._connection.execute, *args)

    def fetch(self, *args: Any) -> Awaitable[Any]:
        return outside("query", self._connection.fetch, *args)

    def fetchrow(self, *args: Any) -> Awaitable[Any]:
        return outside("query", self._connection.fetchrow, *args)

    def fetchval(self, *args: Any) -> Awaitable[Any]:
        return outside("query", self._connection.fetchval, *args)


class MeteredDoor:
    """The outermost layer of a door: gives each request its account. What `send` does is the HTTP server's.

    After each request `beside` runs once and is timed: it meets the processor's caches as the request has left them.
    """

    def __init__(self, door: Any, beside: Callable[[], object]) -> None:
        self._door = door
        self._beside = beside
        self.accounts: list[Account] = []
        self.beside_seconds: list[float] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        account = Account()
        token = current.set(account)

        async def answer(message: Any) -> None:
            account.calls["send"] += 1
            await Stepped(send(message), account.add_server)

        try:
            await Stepped(self._door(scope, receive, answer), account.add_total)
        finally:
            current.reset(token)
        self.accounts.append(account)
        began = time.thread_time()
        self._beside()
        self.beside_seconds.append(time.thread_time() - began)


class Metering(NamedTuple):
    """Seconds that metering adds to `ours`: per call to the outside, per step of such a call, per step of all."""

    call: float
    inner_step: float
    step: float

    def cost(self, account: Account) -> float:
        """What it added to an account."""
        return account.calls.total() * self.call + account.inner_steps * self.inner_step + account.steps * self.step


PAUSES = 8


async def measure_metering(repeats: int = 200) -> Metering:
    """The instrument must not be measured: the same calls with and without it, with no pause in them and with some."""

    async def without(call: Callable[[int], Coroutine[Any, Any, None]], pauses: int) -> None:
        await call(pauses)

    async def metered(call: Callable[[int], Coroutine[Any, Any, None]], pauses: int) -> None:
        await outside("nothing", call, pauses)

    async def seconds(ask: Callable[..., Coroutine[Any, Any, None]], pauses: int) -> float:
        async def many() -> None:
            for _ in range(repeats):
                await ask(_pause, pauses)

        best = math.inf
        for _ in range(5):
            account = Account()
            token = current.set(account)
            await Stepped(many(), account.add_total)
            current.reset(token)
            best = min(best, account.ours / repeats)
        return best

    whole = await seconds(metered, 0) - await seconds(without, 0)
    paused = await seconds(metered, PAUSES) - await seconds(without, PAUSES)
    inner_step = (paused - whole) / PAUSES
    return Metering(whole - inner_step, inner_step, min(_time_nothing() for _ in range(repeats)))


@coroutine
def _yield_once() -> Generator[None, None, None]:
    yield


async def _pause(times: int) -> None:
    for _ in range(times):
        await _yield_once()


def _time_nothing() -> float:
    began = time.thread_time()
    return time.thread_time() - began
