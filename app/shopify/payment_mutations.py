"""What Shopify is told of a payment: paymentSessionResolve and paymentSessionReject."""

from abc import abstractmethod
from datetime import datetime
from typing import Any, ClassVar

from app.database import Connection
from app.payments import lifecycle
from app.payments.issued import has_open_transactions
from app.records import Job, Merchant, Payment, PaymentException, PaymentStatus, RecordKind
from app.shopify.answers import Acknowledged, Wanted
from app.shopify.mutation import Message, Mutation
from app.shopify.versions import VERSIONS
from app.system import System


class PaymentMutation(Mutation):
    """A mutation that ends a payment session."""

    record = RecordKind.payment
    # The payment is in this status while the mutation is due, and moves to the other when it is acknowledged.
    due_in: ClassVar[PaymentStatus]
    then: ClassVar[PaymentStatus]

    @abstractmethod
    def variables(self, payment: Payment) -> dict[str, Any]:
        """What the mutation says, at its first attempt."""

    async def may_send(self, _connection: Connection, payment: Payment) -> bool:
        return payment.status is self.due_in and payment.exception is not PaymentException.vanished

    async def compose(self, _system: System, connection: Connection, job: Job) -> Message | None:
        payment, merchant = await read_parties(connection, job.record_id)
        if not await self.may_send(connection, payment):
            return None
        return Message(merchant, self.variables(payment), payment.api_version)

    async def conclude(
        self, _system: System, connection: Connection, job: Job, answer: Acknowledged, *, at: datetime
    ) -> None:
        await lifecycle.move(connection, job.record_id, self.then, at=at, redirect_url=answer.redirect_url)

    async def give_up(self, system: System, connection: Connection, job: Job, reason: str) -> None:
        await lifecycle.stick(connection, job.record_id, reason, at=system.clock.now(), mutation=self.wanted.mutation)


async def read_parties(connection: Connection, payment_id: str) -> tuple[Payment, Merchant]:
    """A payment and its merchant."""
    row = await connection.fetchrow(
        "SELECT p AS payment, m AS merchant FROM payments p JOIN merchants m ON m.id = p.merchant_id WHERE p.id = $1",
        payment_id,
    )
    assert row is not None
    return Payment.from_row(row["payment"]), Merchant.from_row(row["merchant"])


class Resolve(PaymentMutation):
    """The money is there."""

    wanted = Wanted("paymentSessionResolve", "paymentSession", "RESOLVED")
    due_in = PaymentStatus.paid
    then = PaymentStatus.completed

    def variables(self, payment: Payment) -> dict[str, Any]:
        return {"id": payment.gid}


class Reject(PaymentMutation):
    """The customer's wallet was screened out, and nothing that was handed out can land any more."""

    wanted = Wanted("paymentSessionReject", "paymentSession", "REJECTED")
    due_in = PaymentStatus.rejecting
    then = PaymentStatus.rejected

    def variables(self, payment: Payment) -> dict[str, Any]:
        version = VERSIONS[payment.api_version]
        message = "The wallet used for this payment cannot be accepted. Please choose another way to pay."
        return {
            "id": payment.gid,
            "reason": {"code": version.fraud, "merchantMessage": message, **version.reject_extra},
        }

    async def may_send(self, connection: Connection, payment: Payment) -> bool:
        return await super().may_send(connection, payment) and not await has_open_transactions(connection, payment.id)


RESOLVE = Resolve()
REJECT = Reject()
