"""What Shopify is told of a refund: refundSessionResolve and refundSessionReject."""

from abc import abstractmethod
from datetime import datetime
from typing import Any, ClassVar

from app.database import Connection
from app.records import Job, Merchant, RecordKind, Refund, RefundException, RefundStatus
from app.refunds import lifecycle
from app.shopify.answers import Acknowledged, Wanted
from app.shopify.mutation import Message, Mutation
from app.shopify.repeated_reject import RepeatedReject
from app.system import System
from app.transactions.issued import has_open_transactions

_READ = "SELECT r AS refund, m AS merchant FROM refunds r JOIN merchants m ON m.id = r.merchant_id WHERE r.id = $1"


class RefundMutation(Mutation):
    """A mutation that ends a refund session."""

    record = RecordKind.refund
    # The refund is in one of these while the mutation is due, and moves to the other when it is acknowledged.
    due_in: ClassVar[frozenset[RefundStatus]]
    then: ClassVar[RefundStatus]

    @abstractmethod
    def variables(self, refund: Refund) -> dict[str, Any]:
        """What the mutation says, at its first attempt."""

    async def may_send(self, _connection: Connection, refund: Refund) -> bool:
        return refund.status in self.due_in and refund.exception is not RefundException.vanished

    async def compose(self, _system: System, connection: Connection, job: Job) -> Message | None:
        row = await connection.fetchrow(_READ, job.record_id)
        assert row is not None
        refund = Refund.from_row(row["refund"])
        if not await self.may_send(connection, refund):
            return None
        return Message(Merchant.from_row(row["merchant"]), self.variables(refund), refund.api_version)

    async def conclude(
        self, _system: System, connection: Connection, job: Job, _answer: Acknowledged, *, at: datetime
    ) -> None:
        await lifecycle.move(connection, job.record_id, self.then, at=at)

    async def give_up(self, system: System, connection: Connection, job: Job, reason: str) -> None:
        await lifecycle.stick(connection, job.record_id, reason, at=system.clock.now(), mutation=self.wanted.mutation)


class ResolveRefund(RefundMutation):
    """The customer has the money back."""

    wanted = Wanted("refundSessionResolve", "refundSession", "RESOLVED")
    due_in = frozenset({RefundStatus.paid})
    then = RefundStatus.completed

    def variables(self, refund: Refund) -> dict[str, Any]:
        return {"id": refund.gid}


class RejectRefund(RepeatedReject, RefundMutation):
    """The refund can not be made, or the merchant denied it and nothing that was handed out can land any more."""

    wanted = Wanted("refundSessionReject", "refundSession", "REJECTED")
    due_in = frozenset({RefundStatus.denying, RefundStatus.rejecting})
    then = RefundStatus.rejected

    def variables(self, refund: Refund) -> dict[str, Any]:
        # The only code there is for refunds.
        reason = {"code": "PROCESSING_ERROR", "merchantMessage": refund.merchant_message}
        return {"id": refund.gid, "reason": reason}

    async def may_send(self, connection: Connection, refund: Refund) -> bool:
        return await super().may_send(connection, refund) and not await has_open_transactions(connection, refund.id)


RESOLVE_REFUND = ResolveRefund()
REJECT_REFUND = RejectRefund()
