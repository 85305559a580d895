"""What Shopify is told of a payment: paymentSessionResolve, paymentSessionReject and paymentSessionPending."""

from abc import abstractmethod
from datetime import datetime, timedelta
from typing import Any, ClassVar

from app.database import Connection
from app.jobs.outcomes import Done, Outcome, Retry
from app.logs import get_logger
from app.page_feed import notify_siblings
from app.payments import lifecycle
from app.payments.pending import is_under_way, note_pended
from app.records import (
    Job,
    Merchant,
    Payment,
    PaymentException,
    PaymentStatus,
    RecordKind,
    RejectReason,
    ShopifyMutation,
)
from app.shopify import ledger
from app.shopify.answers import Acknowledged, Conflict, Wanted
from app.shopify.mutation import Message, Mutation
from app.shopify.versions import VERSIONS
from app.system import System
from app.transactions.issued import has_open_transactions


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

    async def conclude(
        self, _system: System, connection: Connection, job: Job, answer: Acknowledged, *, at: datetime
    ) -> None:
        await super().conclude(_system, connection, job, answer, at=at)
        # Where Shopify sends the customer is where their pages lead to, too.
        await notify_siblings(connection, job.record_id)


# For the merchant's eyes, with the order.
_REJECTIONS = {
    RejectReason.screened_out: "The wallet used for this payment cannot be accepted. Choose another way to pay.",
    RejectReason.vanished: "The network undid the transfer before it was final, and nobody paid again in time.",
}


class Reject(PaymentMutation):
    """The payment must not go on, and nothing that was handed out can land any more."""

    wanted = Wanted("paymentSessionReject", "paymentSession", "REJECTED")
    due_in = PaymentStatus.rejecting
    then = PaymentStatus.rejected

    def variables(self, payment: Payment) -> dict[str, Any]:
        version = VERSIONS[payment.api_version]
        why = payment.reject_reason or RejectReason.screened_out
        reason = {"code": version.reject_codes[why], "merchantMessage": _REJECTIONS[why], **version.reject_extra}
        return {"id": payment.gid, "reason": reason}

    async def may_send(self, connection: Connection, payment: Payment) -> bool:
        return await super().may_send(connection, payment) and not await has_open_transactions(connection, payment.id)


class Pending(Mutation):
    """The money is there, but not for good yet. A courtesy for the customer: nothing is stuck where it fails."""

    record = RecordKind.payment
    wanted = Wanted(ledger.PENDING, "paymentSession", "PENDING")

    async def compose(self, system: System, connection: Connection, job: Job) -> Message | None:
        payment, merchant = await read_parties(connection, job.record_id)
        if payment.pended_at is not None or not await is_under_way(connection, payment):
            return None
        until = system.clock.now() + timedelta(seconds=system.settings.pending_lifetime_seconds)
        variables = {
            "id": payment.gid,
            "pendingExpiresAt": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "reason": "NETWORK_ACTION_REQUIRED",
        }
        return Message(merchant, variables, payment.api_version)

    async def conclude(
        self, _system: System, connection: Connection, job: Job, answer: Acknowledged, *, at: datetime
    ) -> None:
        await note_pended(connection, job.record_id, answer.redirect_url, at=at)

    async def contradict(
        self, _system: System, connection: Connection, job: Job, _mutation: ShopifyMutation, conflict: Conflict
    ) -> Outcome:
        payment, _ = await read_parties(connection, job.record_id)
        if conflict.code in _PENDING_NEVER or not await is_under_way(connection, payment):
            return Done()
        return Retry(f"conflict: {conflict.message}"[:300])

    async def give_up(self, _system: System, _connection: Connection, job: Job, reason: str) -> None:
        get_logger().warning("pending_given_up", payment_id=job.record_id, problem=reason)


# With the time fixed at the first attempt these do not pass.
_PENDING_NEVER = frozenset(
    {"EXPIRED_PENDING_EXPIRES_AT", "OUT_OF_RANGE_PENDING_EXPIRES_AT", "UNSUPPORTED_PAYMENT_METHOD"}
)

RESOLVE = Resolve()
REJECT = Reject()
PENDING = Pending()
