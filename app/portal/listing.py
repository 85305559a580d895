"""The payments of one merchant, page by page: filtered, searched, newest first.

A page begins where the last one ended (keyset paging), so the thousandth costs what the first does, and what arrives
meanwhile shifts nothing. Each way of choosing has an index in the page's order, so no page reads more than it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from app.errors import RequestInvalid
from app.money import USDC_UNIT
from app.portal.clues import Clue, Kind
from app.privacy.nobody import NOBODY
from app.records import Cluster, Payment, PaymentException, PaymentStatus
from app.system import System

# Payments on one page of a list, unless the caller wants another number.
PAGE_SIZE = 50
PAGE_SIZE_MAX = 1_000
BIGINT_MAX = 2**63
# Transactions of one wallet that a search looks at, the newest.
FOUND_MAX = 2_000


class PaymentLine(Struct, frozen=True):
    """A payment as a list shows it. `usdc` in base units; wallet and signature are those that paid."""

    id: str
    shopify_id: str
    group: str
    amount: Decimal
    currency: str
    usdc: int | None
    status: PaymentStatus
    exception: PaymentException
    attended_at: datetime | None
    stuck_reason: str | None
    cluster: Cluster
    wallet: str | None
    signature: str | None
    created_at: datetime
    paid_at: datetime | None

    @property
    def test(self) -> bool:
        return self.cluster is Cluster.test


_COLUMNS = PaymentLine.__struct_fields__


@dataclass(frozen=True)
class PaymentFilter:
    """What a list is narrowed to; nothing given: everything. `since` is included, `until` is not."""

    statuses: tuple[PaymentStatus, ...] = ()
    exceptions: tuple[PaymentException, ...] = ()
    test: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    clue: Clue | None = None

    @property
    def clusters(self) -> list[Cluster]:
        if self.test is None:
            return list(Cluster)
        return [Cluster.test if self.test else Cluster.live]


@dataclass(frozen=True)
class Cursor:
    """A place between two payments of a list: behind this one, or before it when `backwards`."""

    at: datetime
    id: str
    backwards: bool = False

    def __str__(self) -> str:
        return f"{'b' if self.backwards else 'f'}{self.at.isoformat()}~{self.id}"

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """The cursor with this text. Raises RequestInvalid."""
        direction, (moment, tilde, payment_id) = text[:1], text[1:].partition("~")
        try:
            at = datetime.fromisoformat(moment)
        except ValueError:
            at = None
        if direction not in ("f", "b") or not tilde or at is None or at.tzinfo is None or len(payment_id) > 64:
            raise RequestInvalid(problem="the place in the list can not be read")
        return cls(at, payment_id.replace("\x00", ""), direction == "b")


@dataclass(frozen=True)
class Page:
    """Some payments, newest first, and where the pages before and behind them begin (None: there is none)."""

    lines: Sequence[PaymentLine]
    newer: Cursor | None
    older: Cursor | None


# Every list: the payments of one merchant that come behind a place, in its order. `found` chooses them; the group's key
# is read for the page's own rows only.
_PAGE = """
WITH page AS ({found} ORDER BY created_at {order}, id {order} LIMIT {limit})
SELECT page.id, page.shopify_id, g.group_key AS group, page.amount, page.currency, page.usdc, page.status,
    page.exception, page.attended_at, page.stuck_reason, page.cluster,
    nullif(page.paid_wallet, 'NOBODY') AS wallet, page.paid_signature AS signature, page.created_at, page.paid_at
FROM page JOIN payment_groups g ON g.id = page.group_id ORDER BY page.created_at {order}, page.id {order}
""".replace("NOBODY", NOBODY)
_ALL = "SELECT p.* FROM payments p WHERE p.merchant_id = {merchant} {where}"
# One short look into the index for each status and cluster, and the newest of what they give.
_BY_STATUS = """
SELECT p.* FROM unnest({clusters}::cluster[]) AS c CROSS JOIN unnest({statuses}::payment_status[]) AS s
CROSS JOIN LATERAL (
    SELECT * FROM payments p WHERE p.merchant_id = {merchant} AND p.cluster = c AND p.status = s {where}
    ORDER BY p.created_at {order}, p.id {order} LIMIT {limit}
) p
"""
_BY_EXCEPTION = """
SELECT p.* FROM unnest({exceptions}::payment_exception[]) AS e CROSS JOIN LATERAL (
    SELECT * FROM payments p WHERE p.merchant_id = {merchant} AND p.exception = e AND p.exception <> 'none'
        AND p.cluster = ANY({clusters}) AND p.status = ANY({statuses}) {where}
    ORDER BY p.created_at {order}, p.id {order} LIMIT {limit}
) p
"""
_BY_AMOUNT = """
(SELECT p.* FROM payments p WHERE p.merchant_id = {merchant} AND p.{column} = {value}
    AND p.cluster = ANY({clusters}) AND p.status = ANY({statuses}) {where}
ORDER BY p.created_at {order}, p.id {order} LIMIT {limit})
"""
# Few at most: all are read, and then put in order.
_BY_IDS = """
SELECT p.* FROM (SELECT DISTINCT id FROM ({ids}) AS found(id) OFFSET 0) AS found JOIN payments p ON p.id = found.id
WHERE p.merchant_id = {merchant} AND p.cluster = ANY({clusters}) AND p.status = ANY({statuses}) {where}
"""
_OF_SHOPIFY = "SELECT id FROM payments WHERE shopify_id = {text}"
_OF_GROUP = """
SELECT p.id FROM payment_groups g JOIN payments p ON p.group_id = g.id
WHERE g.merchant_id = {merchant} AND g.group_key = {text}
"""
_OF_ACCOUNT = """
SELECT p.id FROM payment_groups g JOIN payments p ON p.group_id = g.id
WHERE g.merchant_id = {merchant} AND g.address = {text}
"""
_OF_REFUND = "SELECT payment_id FROM refunds WHERE merchant_id = {merchant} AND shopify_id = {text}"
# A refund's transaction leads to the payment that it gives back.
_OF_SIGNATURE = """
SELECT coalesce(i.payment_id, r.payment_id) FROM issued_transactions i LEFT JOIN refunds r ON r.id = i.refund_id
WHERE i.signature = {text}
"""
_OF_WALLET = """
(SELECT payment_id FROM issued_transactions WHERE wallet = {text} AND payment_id IS NOT NULL
ORDER BY created_at DESC LIMIT {found_max})
"""
# A group's key can look like an id of ours or an address, so those are compared with it too.
_IDS: dict[Kind, tuple[str, ...]] = {
    Kind.payment: ("SELECT {text}::text", _OF_SHOPIFY, _OF_GROUP),
    Kind.shopify: (_OF_SHOPIFY, _OF_GROUP, _OF_REFUND),
    Kind.refund: (_OF_REFUND,),
    Kind.signature: (_OF_SIGNATURE,),
    Kind.address: (_OF_WALLET, _OF_ACCOUNT, _OF_GROUP),
}


async def list_payments(
    system: System,
    merchant_id: int,
    wanted: PaymentFilter,
    *,
    cursor: Cursor | None = None,
    size: int = PAGE_SIZE,
) -> Page:
    """One page of the merchant's payments. Raises RequestInvalid for a page of more than PAGE_SIZE_MAX."""
    if not 1 <= size <= PAGE_SIZE_MAX:
        raise RequestInvalid(problem=f"a page has 1 to {PAGE_SIZE_MAX} payments")
    if wanted.clue is not None and wanted.clue.kind not in (*_IDS, Kind.amount):
        return Page([], None, None)
    query = _Query(merchant_id, wanted, cursor, size + 1)
    async with system.database.acquire() as connection:
        rows = await connection.fetch(query.text, *query.values)
    lines = [msgspec.convert({name: row[name] for name in _COLUMNS}, PaymentLine) for row in rows[:size]]
    if not lines:
        return Page([], None, None)
    more = len(rows) > size
    backwards = cursor is not None and cursor.backwards
    if backwards:
        lines.reverse()
    newer = Cursor(lines[0].created_at, lines[0].id, backwards=True)
    older = Cursor(lines[-1].created_at, lines[-1].id)
    return Page(
        lines,
        newer=newer if (more if backwards else cursor is not None) else None,
        older=older if backwards or more else None,
    )


def line_of(payment: Payment, group: str) -> PaymentLine:
    """The line of a payment that was read whole; `group` is its group's key."""
    values = {name: getattr(payment, name) for name in set(_COLUMNS) & set(Payment.COLUMNS)}
    return PaymentLine(
        **values,
        group=group,
        wallet=None if payment.paid_wallet == NOBODY else payment.paid_wallet,
        signature=payment.paid_signature,
    )


class _Query:
    """The statement for one page, and its values."""

    def __init__(self, merchant_id: int, wanted: PaymentFilter, cursor: Cursor | None, limit: int) -> None:
        self.values: list[Any] = []
        self._wanted = wanted
        self._names: dict[str, str] = {
            "order": "ASC" if cursor is not None and cursor.backwards else "DESC",
            "merchant": self._give(merchant_id),
            "limit": self._give(limit),
            "where": self._narrow(cursor),
        }
        found = self._choose()
        self.text = _PAGE.format(found=found, **self._names)

    def _give(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def _narrow(self, cursor: Cursor | None) -> str:
        wanted, where = self._wanted, ""
        if wanted.since is not None:
            where += f" AND p.created_at >= {self._give(wanted.since)}"
        if wanted.until is not None:
            where += f" AND p.created_at < {self._give(wanted.until)}"
        if wanted.exceptions and wanted.clue is not None:
            where += f" AND p.exception = ANY({self._give(list(wanted.exceptions))})"
        if cursor is not None:
            sign = ">" if cursor.backwards else "<"
            where += f" AND (p.created_at, p.id) {sign} ({self._give(cursor.at)}, {self._give(cursor.id)})"
        return where

    def _choose(self) -> str:
        wanted, clue = self._wanted, self._wanted.clue
        if clue is None and not wanted.exceptions and not wanted.statuses and wanted.test is None:
            return _ALL.format(**self._names)
        self._names["clusters"] = self._give(wanted.clusters)
        self._names["statuses"] = self._give(list(wanted.statuses or PaymentStatus))
        if clue is None:
            if not wanted.exceptions:
                return _BY_STATUS.format(**self._names)
            self._names["exceptions"] = self._give(list(wanted.exceptions))
            return _BY_EXCEPTION.format(**self._names)
        if clue.kind is Kind.amount:
            return self._choose_by_amount(clue)
        self._names |= {"text": self._give(clue.text), "found_max": str(FOUND_MAX)}
        ids = " UNION ALL ".join(_IDS[clue.kind]).format(**self._names)
        return _BY_IDS.format(ids=ids, **self._names)

    def _choose_by_amount(self, clue: Clue) -> str:
        """A number may be in the shop's currency or in USDC; a currency given with it decides."""
        assert clue.amount is not None
        selects, units = [], clue.amount * USDC_UNIT
        if clue.currency != "USDC":
            names = self._names | {"column": "amount", "value": self._give(clue.amount)}
            if clue.currency is not None:
                names["where"] += f" AND p.currency = {self._give(clue.currency)}"
            selects.append(_BY_AMOUNT.format(**names))
        if clue.currency in (None, "USDC"):
            # Nothing costs 0: what is too fine or too large to be an amount of USDC finds nothing.
            exact = units == units.to_integral_value() and units < BIGINT_MAX
            names = self._names | {"column": "usdc", "value": self._give(int(units) if exact else 0)}
            selects.append(_BY_AMOUNT.format(**names))
        return f"SELECT * FROM ({' UNION '.join(selects)}) AS found"  # noqa: S608  # made of our own texts
