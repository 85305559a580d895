"""One payment's whole story: what happened, what was handed out for it, what Shopify was told, what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.database import Connection
from app.errors import SettleError
from app.jobs.ladder import tries_to_come
from app.payments.resend import can_resend
from app.portal.listing import PaymentLine, line_of
from app.records import (
    Event,
    IssuedTransaction,
    Job,
    JobStatus,
    Payment,
    PaymentException,
    PaymentGroup,
    PaymentStatus,
    RecordKind,
    ShopifyCall,
    ShopifyMutation,
)
from app.system import System

# Of each kind of thing, the newest so many are shown: enough for any payment that limits and ladder allow.
SHOWN_MAX = 500

_PAYMENT = """
SELECT p AS payment, g AS payment_group FROM payments p JOIN payment_groups g ON g.id = p.group_id
WHERE p.id = $2 AND p.merchant_id = $1
"""
_SIBLINGS = """
SELECT p AS payment FROM payments p WHERE p.merchant_id = $1 AND p.group_id = $2 AND p.id <> $3
ORDER BY p.created_at DESC, p.id DESC LIMIT $4
"""
_EVENTS = """
SELECT * FROM events WHERE record = $1 AND record_id = $2 ORDER BY id DESC LIMIT $3
"""
_ISSUED = "SELECT * FROM issued_transactions WHERE payment_id = $1 ORDER BY id DESC LIMIT $2"
_MUTATIONS = "SELECT * FROM shopify_mutations WHERE record = $1 AND record_id = $2 ORDER BY id"
_CALLS = "SELECT * FROM shopify_calls WHERE mutation_id = ANY($1) ORDER BY id DESC LIMIT $2"
_JOBS = "SELECT * FROM jobs WHERE record = $1 AND record_id = $2 ORDER BY id DESC LIMIT $3"


class NotInShop(SettleError):
    """There is no such {record} in this shop."""

    reason = "not_in_shop"
    status = 404


@dataclass(frozen=True)
class Told:
    """A mutation for Shopify and its calls, oldest first."""

    mutation: ShopifyMutation
    calls: Sequence[ShopifyCall]


@dataclass(frozen=True)
class Pending:
    """A job that is not over, and when its tries that are left come at the earliest; one that runs now is extra."""

    job: Job
    tries: Sequence[datetime]


@dataclass(frozen=True)
class History:
    """A payment and all that belongs to it; events and calls oldest first, transactions newest first."""

    payment: Payment
    group: PaymentGroup
    line: PaymentLine
    siblings: Sequence[PaymentLine]
    events: Sequence[Event]
    issued: Sequence[IssuedTransaction]
    told: Sequence[Told]
    pending: Sequence[Pending]
    can_resend: bool
    can_attend: bool


async def read_history(system: System, merchant_id: int, payment_id: str) -> History:
    """The merchant's payment with this id, and its story. Raises NotInShop."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_PAYMENT, merchant_id, payment_id)
        if row is None:
            raise NotInShop(record="payment")
        payment, group = Payment.from_row(row["payment"]), PaymentGroup.from_row(row["payment_group"])
        siblings = await connection.fetch(_SIBLINGS, merchant_id, group.id, payment.id, SHOWN_MAX)
        issued = await connection.fetch(_ISSUED, payment.id, SHOWN_MAX)
        return History(
            payment=payment,
            group=group,
            line=line_of(payment, group.group_key),
            siblings=[line_of(Payment.from_row(sibling["payment"]), group.group_key) for sibling in siblings],
            events=await read_events(connection, RecordKind.payment, payment.id),
            issued=[IssuedTransaction.from_row(row) for row in issued],
            told=await read_told(connection, RecordKind.payment, payment.id),
            pending=await read_pending(connection, RecordKind.payment, payment.id),
            can_resend=can_resend(payment),
            can_attend=can_attend(payment),
        )


async def read_owned(system: System, merchant_id: int, payment_id: str) -> Payment:
    """The merchant's payment with this id. Raises NotInShop."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT * FROM payments WHERE id = $2 AND merchant_id = $1", merchant_id, payment_id
        )
    if row is None:
        raise NotInShop(record="payment")
    return Payment.from_row(row)


def can_attend(payment: Payment) -> bool:
    """Whether there is trouble that nobody has noted as dealt with."""
    trouble = payment.status is PaymentStatus.stuck or payment.exception is not PaymentException.none
    return trouble and payment.attended_at is None


async def read_events(
    connection: Connection, record: RecordKind, record_id: str, limit: int = SHOWN_MAX
) -> list[Event]:
    """The newest events of a record, oldest first."""
    rows = await connection.fetch(_EVENTS, record, record_id, limit)
    return [Event.from_row(row) for row in reversed(rows)]


async def read_told(connection: Connection, record: RecordKind, record_id: str) -> list[Told]:
    """What Shopify was told about a record, and every answer."""
    mutations = [ShopifyMutation.from_row(row) for row in await connection.fetch(_MUTATIONS, record, record_id)]
    rows = await connection.fetch(_CALLS, [mutation.id for mutation in mutations], SHOWN_MAX)
    calls = [ShopifyCall.from_row(row) for row in reversed(rows)]
    return [Told(mutation, [call for call in calls if call.mutation_id == mutation.id]) for mutation in mutations]


async def read_pending(connection: Connection, record: RecordKind, record_id: str) -> list[Pending]:
    """What will still be tried about a record."""
    rows = await connection.fetch(_JOBS, record, record_id, SHOWN_MAX)
    jobs = [Job.from_row(row) for row in rows]
    unfinished = [job for job in jobs if job.status in (JobStatus.waiting, JobStatus.running)]
    return [Pending(job, tries_to_come(job.attempts, job.due_at)) for job in unfinished]
