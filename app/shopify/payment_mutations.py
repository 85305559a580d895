"""The jobs that tell Shopify what became of a payment: paymentSessionResolve and paymentSessionReject."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from app import metrics
from app.database import Connection
from app.jobs.outcomes import Done, Hopeless, Outcome, Retry
from app.logs import get_logger
from app.payments import lifecycle
from app.payments.issued import has_open_transactions
from app.records import Job, Merchant, Payment, PaymentException, PaymentStatus, RecordKind, ShopifyMutation
from app.shopify import ledger
from app.shopify.answers import Acknowledged, Conflict, Reading, Refused, read_answer
from app.shopify.answers import Retry as TryAgain
from app.shopify.versions import FRAUD_SUSPECTED_SINCE
from app.system import System


class PaymentMutation(ABC):
    """Sends one mutation, identical at every attempt, until Shopify has acknowledged it."""

    field: ClassVar[str]
    document: ClassVar[str]
    wanted_state: ClassVar[str]
    # The payment is in this status while the mutation is due, and moves to the other when it is acknowledged.
    due_in: ClassVar[PaymentStatus]
    then: ClassVar[PaymentStatus]

    @abstractmethod
    def variables(self, payment: Payment) -> dict[str, Any]:
        """What the mutation says, at its first attempt."""

    async def may_send(self, _connection: Connection, payment: Payment) -> bool:
        """The last look before Shopify is told what can not be taken back."""
        return payment.status is self.due_in and payment.exception is not PaymentException.vanished

    async def attempt(self, system: System, job: Job) -> Outcome:
        started = system.clock.now()
        async with system.database.transaction() as connection:
            payment, merchant = await self._read(connection, job.record_id)
            if not await self.may_send(connection, payment):
                get_logger().info("mutation_not_due", status=payment.status)
                return Done()
            if merchant.token_sealed is None:
                return Retry("no_token")
            mutation = await ledger.fix_mutation(
                connection,
                RecordKind.payment,
                payment.id,
                self.field,
                self.variables(payment),
                payment.api_version,
                at=started,
            )
        token = system.keyring.open(merchant.token_sealed)
        answer = await system.shopify.send(
            merchant.shop, token, mutation.api_version, self.document, mutation.variables
        )
        reading = read_answer(answer, self.field, self.wanted_state)
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
            return await self._decide(system, connection, job, mutation, reading)

    async def give_up(self, system: System, connection: Connection, job: Job, reason: str) -> None:
        await lifecycle.stick(connection, job.record_id, reason, at=system.clock.now(), mutation=self.field)

    async def _decide(
        self, system: System, connection: Connection, job: Job, mutation: ShopifyMutation, reading: Reading
    ) -> Outcome:
        match reading:
            case Acknowledged(redirect_url):

                async def record(connection: Connection) -> None:
                    now = system.clock.now()
                    await ledger.acknowledge(connection, mutation, at=now)
                    await lifecycle.move(connection, job.record_id, self.then, at=now, redirect_url=redirect_url)
                    metrics.acknowledged_seconds.observe((now - job.created_at).total_seconds())

                return Done(record)
            case TryAgain(error, retry_after_seconds):
                return Retry(error, retry_after_seconds)
            case Conflict(message):
                if await ledger.other_mutation_exists(connection, mutation):
                    return Hopeless("shopify_conflict")
                # Nothing else was ever sent, so the cause may be that our answer to the session is still on its way.
                return Retry(f"conflict: {message}"[:300])
            case Refused(error):
                get_logger().error("shopify_refused", error=error)
                return Hopeless("shopify_refused")

    async def _read(self, connection: Connection, payment_id: str) -> tuple[Payment, Merchant]:
        row = await connection.fetchrow("SELECT * FROM payments WHERE id = $1", payment_id)
        assert row is not None
        payment = Payment.from_row(row)
        row = await connection.fetchrow("SELECT * FROM merchants WHERE id = $1", payment.merchant_id)
        assert row is not None
        return payment, Merchant.from_row(row)


class Resolve(PaymentMutation):
    """The money is there."""

    field = "paymentSessionResolve"
    document = "payment_session_resolve"
    wanted_state = "RESOLVED"
    due_in = PaymentStatus.paid
    then = PaymentStatus.completed

    def variables(self, payment: Payment) -> dict[str, Any]:
        return {"id": payment.gid}


class Reject(PaymentMutation):
    """The customer's wallet was screened out, and nothing that was handed out can land any more."""

    field = "paymentSessionReject"
    document = "payment_session_reject"
    wanted_state = "REJECTED"
    due_in = PaymentStatus.rejecting
    then = PaymentStatus.rejected

    def variables(self, payment: Payment) -> dict[str, Any]:
        code = "FRAUD_SUSPECTED" if payment.api_version >= FRAUD_SUSPECTED_SINCE else "RISKY"
        message = "The wallet used for this payment cannot be accepted. Please choose another way to pay."
        return {"id": payment.gid, "reason": {"code": code, "merchantMessage": message}}

    async def may_send(self, connection: Connection, payment: Payment) -> bool:
        return await super().may_send(connection, payment) and not await has_open_transactions(connection, payment.id)


RESOLVE = Resolve()
REJECT = Reject()
