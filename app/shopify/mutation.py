"""A mutation as a job: fixed at its first attempt, identical at every other, until Shopify has acknowledged it.

A kind of mutation says what it is about and what follows; everything that all have in common happens here.
"""

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from app import events, metrics
from app.database import Connection
from app.jobs.outcomes import Done, Hopeless, Later, Outcome, Retry
from app.logs import get_logger
from app.records import Job, Merchant, RecordKind, ShopifyMutation
from app.shopify import ledger
from app.shopify.answers import Acknowledged, Conflict, Reading, Refused, Wanted, read_answer
from app.shopify.answers import Retry as TryAgain
from app.shopify.tokens import TokenMissing, TokenUnavailable
from app.system import System

# Why a person must look when Shopify says that a record is closed, and our ledger that it is open.
CONFLICT = "shopify_conflict"
# The same when the merchant has uninstalled the app, so that nobody can tell Shopify of the money.
UNINSTALLED = "app_uninstalled"
UNAUTHORIZED = 401


@dataclass(frozen=True)
class Message:
    """What is to be said, and to whom. It counts at the first attempt; after that the ledger's words do."""

    merchant: Merchant
    variables: dict[str, Any]
    api_version: str


def _hold_back(seconds: float) -> Later:
    metrics.shopify_throttled_total.labels(by="settle").inc()
    return Later(seconds, "shop_throttled")


class Mutation(ABC):
    """Sends one mutation about a record."""

    record: ClassVar[RecordKind]
    wanted: ClassVar[Wanted]

    @abstractmethod
    async def compose(self, system: System, connection: Connection, job: Job) -> Message | None:
        """The last look before Shopify is told what can not be taken back. None: it is not due any more."""

    @abstractmethod
    async def conclude(
        self, system: System, connection: Connection, job: Job, answer: Acknowledged, *, at: datetime
    ) -> None:
        """Shopify has done it: write what that means, in the transaction that closes the job."""

    @abstractmethod
    async def give_up(self, system: System, connection: Connection, job: Job, reason: str) -> None:
        """The ladder is spent, or it can never succeed: write that a person must look."""

    async def contradict(
        self, system: System, connection: Connection, job: Job, mutation: ShopifyMutation, conflict: Conflict
    ) -> Outcome:
        """Shopify's user error. It does not name its cause, so what we told it before decides."""
        await self._dispute(system, connection, job, mutation, conflict)
        if await ledger.other_mutation_exists(connection, mutation):
            return Hopeless(CONFLICT)
        # Nothing else was ever sent, so the cause may be that our answer to the session is still on its way.
        return Retry(f"conflict: {conflict.message}"[:300], reason=CONFLICT)

    async def attempt(self, system: System, job: Job) -> Outcome:
        started = system.clock.now()
        async with system.database.transaction() as connection:
            message = await self.compose(system, connection, job)
            if message is None:
                get_logger().info("mutation_not_due", mutation=self.wanted.mutation)
                return Done()
            merchant = message.merchant
            if merchant.uninstalled_at is not None:
                # Shopify would answer 401 for ever. Installed again, it can be sent again.
                return Hopeless(UNINSTALLED)
            if merchant.token_sealed is None:
                return Retry("no_token")
            if (wait := self._wait_seconds(system, merchant, started)) > 0:
                return _hold_back(wait)
            mutation = await ledger.fix_mutation(
                connection,
                self.record,
                job.record_id,
                self.wanted.mutation,
                message.variables,
                message.api_version,
                at=started,
            )
        try:
            token = await system.tokens.current(merchant)
        except (TokenMissing, TokenUnavailable) as error:
            return Retry(error.reason)
        # Again, right before the call: other jobs of the shop have taken points since.
        if (wait := system.shopify.wait_seconds(merchant.shop, mutation.name)) > 0:
            return _hold_back(wait)
        answer = await system.shopify.send(
            merchant.shop, token, mutation.api_version, mutation.name, mutation.variables
        )
        if answer.status == UNAUTHORIZED:
            await self._renew(system, merchant)
        reading = read_answer(answer, self.wanted)
        ended = system.clock.now()
        async with system.database.transaction() as connection:
            await ledger.note_call(
                connection,
                mutation,
                job.attempts,
                answer,
                type(reading).__name__.lower(),
                started_at=started,
                ended_at=ended,
                kept_bytes=system.settings.answer_kept_bytes,
            )
            if answer.retry_after_seconds:
                until = ended + timedelta(seconds=answer.retry_after_seconds)
                await ledger.keep_quiet(connection, merchant, until=until)
            return await self._decide(system, connection, job, mutation, reading)

    async def _renew(self, system: System, merchant: Merchant) -> None:
        """Shopify refuses the token: get the next one for the next try. Without it, the job stays on its ladder."""
        with suppress(TokenMissing, TokenUnavailable):
            await system.tokens.renew(merchant)

    def _wait_seconds(self, system: System, merchant: Merchant, now: datetime) -> float:
        """How long the shop wants no call: because Shopify said so, or because its bucket of points is too empty."""
        asked = (merchant.shopify_wait_until - now).total_seconds() if merchant.shopify_wait_until else 0
        return max(asked, system.shopify.wait_seconds(merchant.shop, self.wanted.mutation))

    async def _decide(
        self, system: System, connection: Connection, job: Job, mutation: ShopifyMutation, reading: Reading
    ) -> Outcome:
        match reading:
            case Acknowledged():

                async def record(connection: Connection) -> None:
                    now = system.clock.now()
                    await ledger.acknowledge(connection, mutation, at=now)
                    await self.conclude(system, connection, job, reading, at=now)
                    metrics.acknowledged_seconds.observe((now - job.created_at).total_seconds())

                return Done(record)
            case TryAgain(error, retry_after_seconds):
                if reading.is_throttled:
                    metrics.shopify_throttled_total.labels(by="shopify").inc()
                return Retry(error, retry_after_seconds)
            case Conflict():
                get_logger().warning(
                    "shopify_conflict", mutation=mutation.name, problem=reading.message, code=reading.code
                )
                return await self.contradict(system, connection, job, mutation, reading)
            case Refused(error):
                get_logger().error("shopify_refused", mutation=mutation.name, error=error)
                return Hopeless("shopify_refused")

    async def _dispute(
        self, system: System, connection: Connection, job: Job, mutation: ShopifyMutation, conflict: Conflict
    ) -> None:
        """Our ledger disagrees: said once, when it can no longer be that our answer to the session is on its way."""
        now = system.clock.now()
        patience = timedelta(seconds=system.settings.conflict_patience_seconds)
        if now - mutation.created_at < patience or not await ledger.dispute(connection, mutation, at=now):
            return
        await events.write_event(
            connection,
            self.record,
            job.record_id,
            events.DISPUTED,
            at=now,
            mutation=mutation.name,
            message=conflict.message[:300],
            code=conflict.code,
        )
        metrics.alarms_total.labels(reason=CONFLICT).inc()
        get_logger().error("ledger_disagrees", mutation=mutation.name, problem=conflict.message)
