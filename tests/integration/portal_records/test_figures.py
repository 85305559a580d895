"""The overview's numbers are those of the rows, and the export has every row."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

from app.database import Connection
from app.portal.export import COLUMNS, export_payments
from app.portal.listing import PaymentFilter
from app.portal.overview import DAYS, read_overview
from app.records import PaymentStatus
from app.system import System
from tests.integration.portal_records.conftest import NOW
from tests.multitude import fill_shop


async def test_an_overview_adds_up_what_was_paid_and_leaves_tests_out(system: System, connection: Connection) -> None:
    now = system.clock.now()
    merchant = await fill_shop(connection, "mine.myshopify.com", 2_000, until=now, apart=timedelta(minutes=30))
    await fill_shop(connection, "others.myshopify.com", 100, until=now)
    overview = await read_overview(system, merchant)
    first = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    [sums] = await connection.fetch(
        """SELECT sum(usdc) AS usdc, count(*) AS paid, sum(amount) FILTER (WHERE currency = 'EUR') AS eur
        FROM payments WHERE merchant_id = $1 AND cluster = 'live' AND created_at >= $2
            AND status IN ('completed', 'paid', 'stuck') AND exception <> 'vanished'""",
        merchant,
        first,
    )
    month = overview.month
    assert (month.usdc, month.paid, dict(month.amounts)["EUR"]) == (sums["usdc"], sums["paid"], sums["eur"])
    assert len(month.days) == DAYS
    assert month.days[-1] == overview.today.days[0]
    assert month.success is not None
    assert Decimal("0.75") < month.success < Decimal("0.82")
    # From handing out the transaction to being paid, not from opening the page.
    assert (month.seconds_p50, month.seconds_p95) == (4, 4)
    # The tally is kept by the day, and the first day's payments may have begun before.
    assert 0 < month.fees_lamports - 10_000 * month.paid < 10_000 * 48
    assert not overview.is_new


async def test_an_overview_of_nothing_is_empty_and_divides_by_nothing(system: System, connection: Connection) -> None:
    merchant = await fill_shop(connection, "new.myshopify.com", 0, until=NOW)
    overview = await read_overview(system, merchant)
    assert (overview.is_new, overview.month.paid, overview.month.success, overview.month.seconds_p50) == (
        True,
        0,
        None,
        None,
    )


async def test_an_export_has_every_row_once_and_arms_no_spreadsheet(system: System, connection: Connection) -> None:
    merchant = await fill_shop(connection, "mine.myshopify.com", 2_500, until=NOW)
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE payment_groups SET group_key = '=1+1' WHERE group_key = 'group-5'")
    pieces = [piece async for piece in export_payments(system, merchant, PaymentFilter())]
    assert max(map(len, pieces)) < 500_000
    rows = list(csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline="")))
    assert tuple(rows[0]) == COLUMNS
    ids = await connection.fetch("SELECT id FROM payments WHERE merchant_id = $1 ORDER BY created_at DESC", merchant)
    assert [row["settle_id"] for row in rows] == [row["id"] for row in ids]
    assert rows[5]["shopify_group"] == "'=1+1"
    assert rows[0]["begun_at"] == "2026-11-20T12:00:00+00:00"
    some = [piece async for piece in export_payments(system, merchant, PaymentFilter(statuses=(PaymentStatus.stuck,)))]
    assert b"".join(some).count(b"\r\n") == 2
