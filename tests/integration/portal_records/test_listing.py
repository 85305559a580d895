"""Lists page through everything once, in order, as narrowed; searches find exactly what they name."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from app.database import Connection
from app.errors import RequestInvalid
from app.portal.clues import read_clue
from app.portal.listing import Cursor, PaymentFilter, PaymentLine, list_payments
from app.records import Cluster, PaymentException, PaymentStatus
from app.system import System
from tests.conftest import Scale
from tests.integration.portal_records.conftest import NOW
from tests.multitude import fill_shop

S, E = PaymentStatus, PaymentException
MINE, OTHERS = "mine.myshopify.com", "others.myshopify.com"


async def read_all(system: System, merchant: int, wanted: PaymentFilter, size: int) -> list[PaymentLine]:
    """Every page to the last one, and back again: both ways show the same."""
    pages: list[Sequence[PaymentLine]] = []
    cursor, page = None, None
    while page is None or page.older:
        page = await list_payments(system, merchant, wanted, cursor=cursor, size=size)
        pages.append(page.lines)
        cursor = page.older
    assert page.older is None
    for lines in reversed(pages[:-1]):
        assert page.newer is not None
        page = await list_payments(system, merchant, wanted, cursor=Cursor.read(str(page.newer)), size=size)
        assert page.lines == lines
    assert page.newer is None
    return [line for lines in pages for line in lines]


async def expected(connection: Connection, merchant: int, where: str, *values: Any) -> list[str]:
    rows = await connection.fetch(
        f"SELECT id FROM payments p WHERE merchant_id = $1 AND {where} ORDER BY created_at DESC, id DESC",
        merchant,
        *values,
    )
    return [row["id"] for row in rows]


async def test_every_way_to_narrow_a_list_shows_what_it_should_once_and_in_order(
    system: System, connection: Connection
) -> None:
    # Three at a time share their moment, so that the order must be settled by the id.
    merchant = await fill_shop(connection, MINE, 500, until=NOW)
    await connection.execute(
        "UPDATE payments SET created_at = to_timestamp(floor(extract(epoch FROM created_at) / 60) * 60)"
    )
    await fill_shop(connection, OTHERS, 500, until=NOW)
    hour = timedelta(hours=1)
    cases: list[tuple[PaymentFilter, str, tuple[Any, ...]]] = [
        (PaymentFilter(), "true", ()),
        (PaymentFilter(statuses=(S.completed,)), "status = 'completed'", ()),
        (PaymentFilter(statuses=(S.pending, S.stuck, S.expired)), "status IN ('pending', 'stuck', 'expired')", ()),
        (PaymentFilter(test=True), "cluster = 'test'", ()),
        (PaymentFilter(test=False, statuses=(S.expired,)), "cluster = 'live' AND status = 'expired'", ()),
        (PaymentFilter(exceptions=(E.late, E.duplicate)), "exception IN ('late', 'duplicate')", ()),
        (PaymentFilter(exceptions=(E.late,), statuses=(S.completed,)),
            "exception = 'late' AND status = 'completed'", ()),
        (PaymentFilter(since=NOW - hour), "created_at >= $2", (NOW - hour,)),
        (PaymentFilter(since=NOW - 2 * hour, until=NOW - hour), "created_at >= $2 AND created_at < $3",
            (NOW - 2 * hour, NOW - hour)),
        (PaymentFilter(statuses=(S.completed,), until=NOW - hour),
            "status = 'completed' AND created_at < $2", (NOW - hour,)),
    ]  # fmt: skip
    for wanted, where, values in cases:
        found = [line.id for line in await read_all(system, merchant, wanted, 40)]
        right = await expected(connection, merchant, where, *values)
        assert found == right, wanted
        assert right, wanted


async def test_a_search_finds_what_it_names_and_nothing_else(system: System, connection: Connection) -> None:
    merchant = await fill_shop(connection, MINE, 6_000, until=NOW)
    await fill_shop(connection, OTHERS, 500, until=NOW)
    cases: dict[str, tuple[str, tuple[Any, ...]]] = {
        f"shopify-{merchant}-77": ("shopify_id = $2", (f"shopify-{merchant}-77",)),
        f"gid://shopify/PaymentSession/shopify-{merchant}-78": ("shopify_id = $2", (f"shopify-{merchant}-78",)),
        "group-81": (
            "group_id = (SELECT id FROM payment_groups WHERE merchant_id = $1 AND group_key = 'group-81')",
            (),
        ),
        # Whole numbers of USDC are the same as of dollars here; one in three payments is in euros.
        "1.50": ("amount = 1.5", ()),
        "1.50 EUR": ("amount = 1.5 AND currency = 'EUR'", ()),
        "1.50 USDC": ("usdc = 1500000", ()),
        "1.5000001 USDC": ("false", ()),
        "999999999999999999": ("false", ()),
        "#1001": ("false", ()),
        "nothing-like-this": ("false", ()),
    }
    [payment] = await connection.fetch(
        "SELECT * FROM payments WHERE merchant_id = $1 AND status = 'completed' ORDER BY id LIMIT 1", merchant
    )
    cases[payment["id"]] = ("id = $2", (payment["id"],))
    cases[f"https://explorer.solana.com/tx/{payment['paid_signature']}"] = ("id = $2", (payment["id"],))
    cases[payment["paid_wallet"]] = ("paid_wallet = $2", (payment["paid_wallet"],))
    account = await connection.fetchval("SELECT address FROM payment_groups WHERE id = $1", payment["group_id"])
    cases[account] = ("id = $2", (payment["id"],))
    for text, (where, values) in cases.items():
        lines = await read_all(system, merchant, PaymentFilter(clue=read_clue(text)), 50)
        assert [line.id for line in lines] == await expected(connection, merchant, where, *values), text
    completed = PaymentFilter(clue=read_clue("1.50"), statuses=(PaymentStatus.completed,), test=False)
    lines = await read_all(system, merchant, completed, 50)
    assert {line.status for line in lines} <= {"completed"}
    late = PaymentFilter(clue=read_clue("group-3"), exceptions=(PaymentException.late,))
    assert [line.exception for line in await read_all(system, merchant, late, 50)] == ["late"]


async def test_no_list_and_no_search_answers_for_another_shop(
    system: System, connection: Connection, scale: Scale
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    mine = await fill_shop(connection, MINE, 200, until=NOW)
    await fill_shop(connection, OTHERS, 2_000, until=NOW)
    rows = await connection.fetch(
        """SELECT p.id, p.shopify_id, p.gid, p.paid_signature, g.address FROM payments p JOIN payment_groups g
        ON g.id = p.group_id WHERE p.merchant_id <> $1 ORDER BY p.id""",
        mine,
    )
    foreign = [str(value) for row in rows for value in row.values() if value is not None]
    for text in chance.choices(foreign, k=scale.pick(ci=300, soak=10_000)):
        page = await list_payments(system, mine, PaymentFilter(clue=read_clue(text)))
        assert page.lines == [], text
    own = {line.id for line in await read_all(system, mine, PaymentFilter(), 50)}
    assert len(own) == 200
    # A wallet that paid both shops leads to this shop's payments only.
    wallet = await connection.fetchval("SELECT paid_wallet FROM payments WHERE merchant_id = $1 LIMIT 1", mine)
    both = await list_payments(system, mine, PaymentFilter(clue=read_clue(wallet)))
    assert both.lines
    assert {line.id for line in both.lines} <= own


@pytest.mark.parametrize("text", ["", "f", "x2026-11-20T12:00:00+00:00~a", "f2026-11-20T12:00:00~a", "fnever~a", "f~"])
def test_a_cursor_that_nobody_made_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalid):
        Cursor.read(text)


async def test_a_page_has_a_size_within_bounds(system: System, connection: Connection) -> None:
    merchant = await fill_shop(connection, MINE, 3, until=NOW)
    for size in (0, 1_001):
        with pytest.raises(RequestInvalid):
            await list_payments(system, merchant, PaymentFilter(), size=size)
    page = await list_payments(system, merchant, PaymentFilter(), size=1_000)
    assert [line.test for line in page.lines] == [line.cluster is Cluster.test for line in page.lines]
