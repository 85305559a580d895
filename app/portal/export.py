"""Payments as CSV: written piece by piece, so that a hundred thousand rows need no more memory than a thousand."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

from app.money import from_base_units
from app.portal.listing import PAGE_SIZE_MAX, Cursor, PaymentFilter, PaymentLine, list_payments
from app.portal.words import describe
from app.system import System

COLUMNS = (
    "begun_at", "paid_at", "status", "exception", "standing", "amount", "currency", "usdc", "shopify_payment_id",
    "shopify_group", "wallet", "signature", "test", "settle_id",
)  # fmt: skip
# A spreadsheet takes a cell that begins like this for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


async def export_payments(system: System, merchant_id: int, wanted: PaymentFilter) -> AsyncIterator[bytes]:
    """The merchant's payments as CSV (RFC 4180, UTF-8), newest first, a piece for each page of the list.

    Each page is read by itself, so a slow reader holds no connection. Times are ISO 8601 in UTC. A cell that a
    spreadsheet would take for a formula begins with an apostrophe.
    """
    yield _write([list(COLUMNS)])
    # What comes later would move nothing: the list goes backwards in time.
    wanted = replace(wanted, until=min(filter(None, (wanted.until, system.clock.now()))))
    cursor: Cursor | None = None
    while True:
        page = await list_payments(system, merchant_id, wanted, cursor=cursor, size=PAGE_SIZE_MAX)
        if page.lines:
            yield _write([_cells(line) for line in page.lines])
        cursor = page.older
        if cursor is None:
            return


def _cells(line: PaymentLine) -> list[str]:
    return [
        _moment(line.created_at),
        _moment(line.paid_at),
        line.status,
        line.exception,
        describe(line).label,
        f"{line.amount:f}",
        line.currency,
        "" if line.usdc is None else f"{from_base_units(line.usdc):f}",
        line.shopify_id,
        line.group,
        line.wallet or "",
        line.signature or "",
        "test" if line.test else "",
        line.id,
    ]


def _moment(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(timespec="seconds")


def _write(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_disarm(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _disarm(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
