"""Telling Shopify whether a merchant may take payments: paymentsAppConfigure, on the ladder like everything else."""

from datetime import datetime
from typing import ClassVar

from app import events, metrics
from app.database import Connection
from app.jobs import queue
from app.logs import get_logger
from app.records import AppConfiguration, Job, JobKind, Merchant, RecordKind
from app.shopify.answers import Acknowledged, Wanted
from app.shopify.mutation import Message, Mutation
from app.system import System

_ADD = """
INSERT INTO app_configurations (merchant_id, ready, api_version, created_at) VALUES ($1, $2, $3, $4) RETURNING id
"""
_READ = """
SELECT c AS configuration, m AS merchant,
    EXISTS (SELECT FROM app_configurations n WHERE n.merchant_id = c.merchant_id AND n.id > c.id) AS is_old
FROM app_configurations c JOIN merchants m ON m.id = c.merchant_id WHERE c.id = $1
"""
_NEWEST = "SELECT * FROM app_configurations WHERE merchant_id = $1 ORDER BY id DESC LIMIT 1"
_GIVEN_UP = """
SELECT c.* FROM app_configurations c WHERE c.acknowledged_at IS NULL
    AND NOT EXISTS (SELECT FROM app_configurations n WHERE n.merchant_id = c.merchant_id AND n.id > c.id)
    AND NOT EXISTS (SELECT FROM jobs j WHERE j.record = 'configuration' AND j.record_id = c.id::text
        AND j.status IN ('waiting', 'running'))
ORDER BY c.id
"""


async def configure(connection: Connection, merchant_id: int, *, ready: bool, version: str, at: datetime) -> None:
    """Have Shopify told, in the transaction of the change that it must hear of."""
    configuration: int = await connection.fetchval(_ADD, merchant_id, ready, version, at)
    await _enqueue(connection, configuration, ready, at=at)


async def newest_configuration(connection: Connection, merchant_id: int) -> AppConfiguration | None:
    """What Shopify was told last, or is being told."""
    row = await connection.fetchrow(_NEWEST, merchant_id)
    return None if row is None else AppConfiguration.from_row(row)


async def resend_configurations(system: System) -> list[int]:
    """Put what Shopify never acknowledged back on the ladder. Returns the merchants' ids."""
    now, sent = system.clock.now(), []
    async with system.database.transaction() as connection:
        for row in await connection.fetch(_GIVEN_UP):
            await _enqueue(connection, row["id"], row["ready"], at=now)
            sent.append(row["merchant_id"])
    return sent


async def _enqueue(connection: Connection, configuration: int, ready: bool, *, at: datetime) -> None:
    kind = JobKind.app_ready if ready else JobKind.app_unready
    await queue.begin_anew(connection, kind, RecordKind.configuration, [str(configuration)], at=at)


class Configure(Mutation):
    """`ready` as asked for, and always with externalHandle: without it Shopify breaks down (facts, section 3.6)."""

    record = RecordKind.configuration
    is_ready: ClassVar[bool]

    async def compose(self, _system: System, connection: Connection, job: Job) -> Message | None:
        row = await connection.fetchrow(_READ, int(job.record_id))
        # What came after it says the opposite: told late, it would undo that.
        if row is None or row["is_old"]:
            return None
        configuration, merchant = AppConfiguration.from_row(row["configuration"]), Merchant.from_row(row["merchant"])
        variables = {"externalHandle": merchant.shop, "ready": configuration.ready}
        return Message(merchant, variables, configuration.api_version)

    async def conclude(
        self, _system: System, connection: Connection, job: Job, _answer: Acknowledged, *, at: datetime
    ) -> None:
        merchant_id = await connection.fetchval(
            "UPDATE app_configurations SET acknowledged_at = $2 WHERE id = $1 RETURNING merchant_id",
            int(job.record_id),
            at,
        )
        await events.write_event(
            connection, RecordKind.merchant, str(merchant_id), events.CONFIGURED, at=at, ready=self.is_ready
        )

    async def give_up(self, _system: System, _connection: Connection, job: Job, reason: str) -> None:
        metrics.alarms_total.labels(reason="configure_given_up").inc()
        get_logger().error("configure_given_up", configuration=job.record_id, ready=self.is_ready, reason=reason)


class Ready(Configure):
    """The merchant may take payments."""

    wanted = Wanted("paymentsAppConfigure", "paymentsAppConfiguration", "READY")
    is_ready = True


class Unready(Configure):
    """The merchant may not, for now."""

    wanted = Wanted("paymentsAppConfigure", "paymentsAppConfiguration", "NOT_READY")
    is_ready = False


READY = Ready()
UNREADY = Unready()
