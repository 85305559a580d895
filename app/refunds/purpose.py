"""A refund as what transactions are issued for."""

from app.database import Connection
from app.jobs import queue
from app.records import JobKind, RecordKind, Refund, RefundException, RefundStatus
from app.refunds import lifecycle
from app.refunds.terms import terms_of
from app.system import System
from app.transactions.issued import has_open_transactions
from app.transactions.purpose import Purpose, Terms

S = RefundStatus


class RefundPurpose(Purpose):
    """The merchant pays the wallet that paid."""

    lifecycle = lifecycle.REFUNDS
    paid = S.paid
    vanished = RefundException.vanished
    unasked = RefundException.paid_after_reject
    resolve = JobKind.refund_resolve
    record: Refund

    @property
    def terms(self) -> Terms:
        return terms_of(self.record)

    async def follow(self, system: System, connection: Connection) -> None:
        """Nothing else does."""

    async def reject_when_dead(self, system: System, connection: Connection) -> None:
        await reject_when_dead(system, connection, self.record.id)


async def reject_when_dead(system: System, connection: Connection, refund_id: str) -> None:
    """Enqueue the reject of a refund that is `denying`, unless something handed out may still land."""
    status = await connection.fetchval("SELECT status FROM refunds WHERE id = $1 FOR UPDATE", refund_id)
    if status == S.denying and not await has_open_transactions(connection, refund_id):
        await queue.begin_anew(connection, JobKind.refund_reject, RecordKind.refund, [refund_id], at=system.clock.now())
