"""What a try of a job can come to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from app.database import Connection
from app.records import Job
from app.system import System


@dataclass(frozen=True)
class Done:
    """It succeeded. `record` writes what follows, in the transaction that closes the job."""

    record: Callable[[Connection], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Retry:
    """It may succeed later: the ladder decides when, or that it is spent, which then is for this reason."""

    error: str
    retry_after_seconds: int = 0
    reason: str = "retries_spent"


@dataclass(frozen=True)
class Later:
    """It was not tried, for it would have been in vain: it comes back then, and no try is counted."""

    seconds: float
    error: str


@dataclass(frozen=True)
class Hopeless:
    """It will not succeed without a person."""

    reason: str


Outcome = Done | Retry | Later | Hopeless


class Handler(Protocol):
    """What a kind of job does."""

    async def attempt(self, system: System, job: Job) -> Outcome:
        """Try once. An exception counts as Retry."""
        ...

    async def give_up(self, system: System, connection: Connection, job: Job, reason: str) -> None:
        """Write what it means that the job is dead, in the transaction that buries it."""
        ...
