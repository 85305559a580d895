"""Declining what only an app with authorizations can do: captureSessionReject and voidSessionReject."""

from datetime import datetime
from typing import ClassVar

from app import metrics
from app.database import Connection
from app.logs import get_logger
from app.records import DeclinedSession, Job, Merchant, RecordKind
from app.shopify.answers import Acknowledged, Wanted
from app.shopify.mutation import Message
from app.shopify.repeated_reject import RepeatedReject
from app.system import System

_READ = """
SELECT d AS declined, m AS merchant FROM declined_sessions d JOIN merchants m ON m.id = d.merchant_id WHERE d.id = $1
"""


class Decline(RepeatedReject):
    """There was never anything to do; Shopify is told so until it has acknowledged it."""

    record = RecordKind.declined
    merchant_message: ClassVar[str]

    async def compose(self, _system: System, connection: Connection, job: Job) -> Message | None:
        row = await connection.fetchrow(_READ, int(job.record_id))
        assert row is not None
        declined = DeclinedSession.from_row(row["declined"])
        reason = {"code": "PROCESSING_ERROR", "merchantMessage": self.merchant_message}
        variables = {"id": declined.gid, "reason": reason}
        return Message(Merchant.from_row(row["merchant"]), variables, declined.api_version)

    async def conclude(
        self, _system: System, _connection: Connection, _job: Job, _answer: Acknowledged, *, at: datetime
    ) -> None:
        """Nothing depends on it: the ledger says that it is done."""

    async def give_up(self, _system: System, _connection: Connection, job: Job, reason: str) -> None:
        # No money is in it, and the session has no status that could be stuck: the job stays listed as dead.
        metrics.alarms_total.labels(reason="decline_given_up").inc()
        get_logger().error("decline_given_up", declined_id=job.record_id, mutation=self.wanted.mutation, reason=reason)


class DeclineCapture(Decline):
    """Nothing was authorized that could be captured."""

    wanted = Wanted("captureSessionReject", "captureSession", "REJECTED")
    merchant_message = "This payment was taken in full when it was made, so there is nothing to capture."


class DeclineVoid(Decline):
    """Nothing was authorized that could be let go of."""

    wanted = Wanted("voidSessionReject", "voidSession", "REJECTED")
    merchant_message = "This payment was taken in full when it was made, so it cannot be voided. Refund it instead."


DECLINE_CAPTURE = DeclineCapture()
DECLINE_VOID = DeclineVoid()
