"""A payment as what transactions are issued for."""

from datetime import datetime

from app.database import Connection
from app.payments import lifecycle
from app.payments.pending import alarm_vanished
from app.payments.rejection import reject_when_dead
from app.payments.terms import terms_of
from app.records import IssuedTransaction, JobKind, Payment, PaymentException, PaymentStatus
from app.system import System
from app.transactions.purpose import Purpose, Terms

S = PaymentStatus


class PaymentPurpose(Purpose):
    """The customer pays the merchant."""

    lifecycle = lifecycle.PAYMENTS
    paid = S.paid
    vanished = PaymentException.vanished
    unasked = PaymentException.duplicate
    resolve = JobKind.payment_resolve
    record: Payment

    @property
    def terms(self) -> Terms:
        return terms_of(self.record)

    def exception_when_paid(self) -> PaymentException:
        return PaymentException.late if self.record.status is S.expired else self.record.exception

    async def follow(self, system: System, connection: Connection) -> None:
        """The order's other sessions are superseded."""
        await connection.execute(
            "UPDATE payment_groups SET winner_id = $2 WHERE id = $1", self.group.id, self.record.id
        )
        siblings = await connection.fetch(
            "SELECT id FROM payments WHERE group_id = $1 AND id <> $2 AND status = ANY($3) ORDER BY id",
            self.group.id,
            self.record.id,
            list(lifecycle.UNPAID),
        )
        for sibling in siblings:
            await lifecycle.move(
                connection,
                sibling["id"],
                S.superseded,
                at=system.clock.now(),
                only_from=lifecycle.UNPAID,
                detail={"winner": self.record.id},
            )

    async def note_gone(self, connection: Connection, issued: IssuedTransaction, *, at: datetime) -> None:
        await alarm_vanished(connection, issued, self.record, at=at)

    async def reject_when_dead(self, system: System, connection: Connection) -> None:
        await reject_when_dead(system, connection, self.record.id)
