"""The portal with a million payments: lists, search and finder beside the same with ten thousand; the export."""

import dataclasses
import os
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from statistics import quantiles

import asyncpg

from app.migrations import migrate
from app.portal.clues import read_clue
from app.portal.export import export_payments
from app.portal.finder import find_payment
from app.portal.listing import Cursor, PaymentFilter, list_payments
from app.records import Merchant, PaymentException, PaymentStatus
from app.system import System
from tests.bench import ground
from tests.bench.figures import Figure, Target, figure_of_count, figure_of_ratio
from tests.house import make_settings
from tests.multitude import fill_shop, settle_down

FEW, MANY = 10_000, 1_000_000
EXPORTED = 100_000
ROUNDS = 7
# Of each kind of question so many in a round: a p95 wants some.
ASKED = 40
SHOP = "bench.myshopify.com"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Ask = Callable[["Books", random.Random], Awaitable[object]]


class Books:
    """A shop's payments in a database of their own, and some of them to ask for."""

    def __init__(self, system: System, merchant: Merchant, size: int) -> None:
        self.system = system
        self.merchant = merchant
        self.size = size

    async def sample(self, chance: random.Random) -> asyncpg.Record:
        """Any paid payment of the shop."""
        number = chance.randrange(self.size // 100) * 100
        async with self.system.database.acquire() as connection:
            return await connection.fetchrow(
                "SELECT * FROM payments WHERE shopify_id = $1", f"shopify-{self.merchant.id}-{number}"
            )


async def _list(books: Books, wanted: PaymentFilter, cursor: Cursor | None = None) -> object:
    return await list_payments(books.system, books.merchant.id, wanted, cursor=cursor)


async def _list_newest(books: Books, _chance: random.Random) -> object:
    return await _list(books, PaymentFilter())


async def _list_deep(books: Books, chance: random.Random) -> object:
    payment = await books.sample(chance)
    return await _list(books, PaymentFilter(), Cursor(payment["created_at"], payment["id"]))


async def _list_filtered(books: Books, chance: random.Random) -> object:
    wanted = chance.choice([
        PaymentFilter(statuses=(PaymentStatus.stuck,)),
        PaymentFilter(statuses=(PaymentStatus.paid, PaymentStatus.completed), test=False),
        PaymentFilter(test=True),
        PaymentFilter(exceptions=(PaymentException.late, PaymentException.vanished)),
    ])  # fmt: skip
    return await _list(books, wanted)


async def _search(books: Books, chance: random.Random) -> object:
    payment = await books.sample(chance)
    text = chance.choice(
        [payment["shopify_id"], payment["paid_wallet"], payment["paid_signature"], f"{payment['amount']}"]
    )
    return await _list(books, PaymentFilter(clue=read_clue(text)))


async def _find(books: Books, chance: random.Random) -> object:
    payment = await books.sample(chance)
    text = chance.choice(
        [payment["gid"], payment["paid_wallet"], f"https://solscan.io/tx/{payment['paid_signature']}", payment["id"]]
    )
    return await find_payment(books.system, books.merchant, text)


QUESTIONS: dict[str, Ask] = {
    "newest page": _list_newest,
    "page somewhere deep": _list_deep,
    "filtered page": _list_filtered,
    "search": _search,
    "finder": _find,
}


async def measure_portal() -> list[Figure]:
    now = datetime.now(UTC)
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            many_dsn = await _another_database(dsn)
            settings = make_settings(dsn, data)
            systems = [await System.open(dataclasses.replace(settings, database_url=its)) for its in (many_dsn, dsn)]
            try:
                # Both over the same hundred days, so that a day has a hundred times as many.
                many = await _fill(systems[0], MANY, now, timedelta(days=100) / MANY)
                few = await _fill(systems[1], FEW, now, timedelta(days=100) / FEW)
                figures = [await _compare(name, ask, many, few) for name, ask in QUESTIONS.items()]
                return [*figures, await _measure_export(many)]
            finally:
                for system in systems:
                    await system.close()


async def _another_database(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE DATABASE many TEMPLATE template0")
    finally:
        await connection.close()
    head, _, tail = dsn.partition("?")
    many = f"{head.rpartition('/')[0]}/many?{tail}"
    await migrate(many)
    return many


async def _fill(system: System, payments: int, now: datetime, apart: timedelta) -> Books:
    # A statement that makes a million rows takes longer than the pool lets one take.
    connection = await asyncpg.connect(system.settings.database_url)
    try:
        merchant_id = await fill_shop(connection, SHOP, payments, until=now, apart=apart)
        await settle_down(connection)
        row = await connection.fetchrow("SELECT * FROM merchants WHERE id = $1", merchant_id)
    finally:
        await connection.close()
    return Books(system, Merchant.from_row(row), payments)


async def _compare(name: str, ask: Ask, many: Books, few: Books) -> Figure:
    chance = random.Random(1)
    for books in (many, few):
        for _ in range(ASKED):  # statements are prepared
            await ask(books, chance)
    ours, theirs = [], []
    for turn in range(ROUNDS):
        times: dict[int, list[float]] = {MANY: [], FEW: []}
        for _ in range(ASKED):
            for books in (many, few) if turn % 2 else (few, many):
                began = time.perf_counter()
                await ask(books, chance)
                times[books.size].append(1000 * (time.perf_counter() - began))
        ours.append(quantiles(times[MANY], n=20)[-1])
        theirs.append(quantiles(times[FEW], n=20)[-1])
    return figure_of_ratio(
        f"portal, {name}: p95 with 1,000,000 payments / with 10,000",
        ours,
        theirs,
        Target(3),
        note=f"{min(ours):.1f} ms / {min(theirs):.1f} ms",
    )


async def _measure_export(books: Books) -> Figure:
    begins = datetime.now(UTC) - timedelta(days=100) * EXPORTED / books.size
    rows = size = 0
    # Once before, so that what is loaded and prepared at the first time counts for nothing.
    async for _ in export_payments(books.system, books.merchant.id, PaymentFilter(since=begins + timedelta(days=9))):
        pass
    before = peak = _resident()
    began = time.perf_counter()
    async for piece in export_payments(books.system, books.merchant.id, PaymentFilter(since=begins)):
        rows, size, peak = rows + piece.count(b"\r\n"), size + len(piece), max(peak, _resident())
    seconds = time.perf_counter() - began
    assert rows >= EXPORTED - 1_000, rows
    return figure_of_count(
        "CSV of 100,000 rows: MB of memory more",
        [(peak - before) / 2**20],
        Target(30),
        note=f"{rows:,} rows, {size / 2**20:.0f} MB in {seconds:.1f} s",
    )


def _resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * PAGE_BYTES
