"""The merchant's refunds: what waits for an answer, what is over, and one of them with its whole story."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from app.database import Connection
from app.lifecycle import needs_person
from app.portal.history import NotInShop, Pending, Told, read_events, read_pending, read_told
from app.portal.listing import PAGE_SIZE, Cursor, PaymentLine, line_of
from app.records import (
    Cluster,
    Event,
    Fate,
    IssuedTransaction,
    Merchant,
    Payment,
    RecordKind,
    Refund,
    RefundException,
    RefundStatus,
    Row,
)
from app.refunds.resend import can_resend
from app.system import System

S = RefundStatus

# Open refunds that are listed, the oldest first: a merchant who has more works through them.
OPEN_MAX = 200
SHOWN_MAX = 500
# A transaction that was handed out can land for so long at most, finality and our margin included: 150 blocks and twice
# 32 at 400 ms each are 86 s. For people only; what decides is the chain (app/refunds/purpose.py).
LANDS_WITHIN = timedelta(seconds=120)


class RefundLine(Struct, frozen=True):
    """A refund as a list shows it. `usdc` in base units; `wallet` is the customer's, which is paid back."""

    id: str
    shopify_id: str
    payment_id: str
    amount: Decimal
    currency: str
    usdc: int | None
    status: RefundStatus
    exception: RefundException
    attended_at: datetime | None
    stuck_reason: str | None
    cluster: Cluster
    wallet: str
    signature: str | None
    message: str | None
    created_at: datetime
    paid_at: datetime | None

    @property
    def test(self) -> bool:
        return self.cluster is Cluster.test


_COLUMNS = RefundLine.__struct_fields__
_LINE = """
SELECT r.id, r.shopify_id, r.payment_id, r.amount, p.currency, r.usdc, r.status, r.exception, r.attended_at,
    r.stuck_reason, p.cluster, r.payee_wallet AS wallet, r.paid_signature AS signature, r.merchant_message AS message,
    r.created_at, r.paid_at
FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.merchant_id = $1
"""
# Those that wait for the merchant come before those that go on by themselves.
_OPEN = f"""
{_LINE} AND r.status NOT IN ('completed', 'rejected') ORDER BY r.status <> 'pending', r.created_at, r.id LIMIT $2
"""
_CLOSED = f"""
{_LINE} AND r.status IN ('completed', 'rejected') AND ($3::timestamptz IS NULL OR (r.created_at, r.id) < ($3, $4))
ORDER BY r.created_at DESC, r.id DESC LIMIT $2
"""
_OF_PAYMENT = f"{_LINE} AND r.payment_id = $2 ORDER BY r.created_at DESC, r.id DESC LIMIT $3"
_TROUBLED = f"""
{_LINE} AND {needs_person("r")}
ORDER BY r.updated_at DESC, r.id DESC LIMIT $2
"""
_COUNTS = f"""
SELECT count(*) FILTER (WHERE status = 'pending') AS waiting,
    count(*) FILTER (WHERE {needs_person("refunds")}) AS troubled
FROM refunds WHERE merchant_id = $1 AND (status NOT IN ('completed', 'rejected') OR exception <> 'none')
"""  # noqa: S608  # conditions of ours
_ONE = """
SELECT r AS refund, p AS payment, g.group_key FROM refunds r JOIN payments p ON p.id = r.payment_id
JOIN payment_groups g ON g.id = p.group_id WHERE r.merchant_id = $1 AND r.id = $2
"""
_ISSUED = "SELECT * FROM issued_transactions WHERE refund_id = $1 ORDER BY id DESC LIMIT $2"


@dataclass(frozen=True)
class RefundPage:
    """`open`: what waits for the merchant, then what goes on by itself. `older` is where the next closed ones begin."""

    open: Sequence[RefundLine]
    closed: Sequence[RefundLine]
    older: Cursor | None


@dataclass(frozen=True)
class RefundStory:
    """A refund and all that belongs to it. `dies_by`: when the last transaction that may land can not any more."""

    refund: Refund
    line: RefundLine
    payment: PaymentLine
    events: Sequence[Event]
    issued: Sequence[IssuedTransaction]
    told: Sequence[Told]
    pending: Sequence[Pending]
    dies_by: datetime | None

    @property
    def can_resend(self) -> bool:
        """Whether Shopify may be told once more."""
        return can_resend(self.refund)

    @property
    def can_attend(self) -> bool:
        """Whether there is trouble that nobody has noted as dealt with."""
        refund = self.refund
        trouble = refund.status is S.stuck or refund.exception is not RefundException.none
        return trouble and refund.attended_at is None

    @property
    def mark(self) -> str:
        """Changes whenever the page would."""
        fates = ",".join(f"{issued.id}{issued.fate}{issued.final}" for issued in self.issued)
        return f"{self.refund.status} {self.refund.exception} {self.refund.attended_at} {fates}"


@dataclass(frozen=True)
class RefundCounts:
    """`waiting` for an answer of the merchant's; `troubled`: something is wrong."""

    waiting: int
    troubled: int


async def list_refunds(system: System, merchant_id: int, cursor: Cursor | None = None) -> RefundPage:
    """The open refunds, and a page of the closed ones."""
    at, last = (cursor.at, cursor.id) if cursor else (None, None)
    async with system.database.acquire() as connection:
        opened = await _lines(connection, _OPEN, merchant_id, OPEN_MAX)
        closed = await _lines(connection, _CLOSED, merchant_id, PAGE_SIZE + 1, at, last)
    more, closed = len(closed) > PAGE_SIZE, closed[:PAGE_SIZE]
    return RefundPage(opened, closed, Cursor(closed[-1].created_at, closed[-1].id) if more else None)


async def list_refunds_of(system: System, merchant_id: int, payment_id: str) -> list[RefundLine]:
    """Every refund of one payment, the newest first."""
    async with system.database.acquire() as connection:
        return await _lines(connection, _OF_PAYMENT, merchant_id, payment_id, SHOWN_MAX)


async def list_troubled(system: System, merchant_id: int, limit: int) -> list[RefundLine]:
    """The refunds that need a person, the latest first."""
    async with system.database.acquire() as connection:
        return await _lines(connection, _TROUBLED, merchant_id, limit)


async def count_refunds(system: System, merchant_id: int) -> RefundCounts:
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_COUNTS, merchant_id)
    assert row is not None
    return RefundCounts(row["waiting"], row["troubled"])


async def read_refund(system: System, merchant: Merchant, refund_id: str) -> RefundStory:
    """The merchant's refund with this id, and its story. Raises NotInShop."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_ONE, merchant.id, refund_id)
        if row is None:
            raise NotInShop(record="refund")
        refund, payment = Refund.from_row(row["refund"]), Payment.from_row(row["payment"])
        issued = [IssuedTransaction.from_row(one) for one in await connection.fetch(_ISSUED, refund.id, SHOWN_MAX)]
        alive = [one.created_at for one in issued if not one.final and one.fate is not Fate.landed]
        return RefundStory(
            refund=refund,
            line=_line_of(refund, payment),
            payment=line_of(payment, row["group_key"]),
            events=await read_events(connection, RecordKind.refund, refund.id),
            issued=issued,
            told=await read_told(connection, RecordKind.refund, refund.id),
            pending=await read_pending(connection, RecordKind.refund, refund.id),
            dies_by=max(alive) + LANDS_WITHIN if alive else None,
        )


def _line_of(refund: Refund, payment: Payment) -> RefundLine:
    values = {name: getattr(refund, name) for name in set(_COLUMNS) & set(Refund.COLUMNS)}
    return RefundLine(
        **values,
        currency=payment.currency,
        cluster=payment.cluster,
        wallet=refund.payee_wallet,
        signature=refund.paid_signature,
        message=refund.merchant_message,
    )


async def _lines(connection: Connection, query: str, *values: Any) -> list[RefundLine]:
    return [_read(row) for row in await connection.fetch(query, *values)]


def _read(row: Row) -> RefundLine:
    return msgspec.convert({name: row[name] for name in _COLUMNS}, RefundLine)
