"""Refund sessions at Shopify's door: how many a second, compared with a server that only inserts."""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from tests.bench import ground
from tests.bench.door import compare, measure_rates
from tests.bench.figures import Figure, Target
from tests.house import SHOP, make_settings
from tests.multitude import fill_shop, give_back, make_payable, settle_down

PAYMENTS = 6_000


async def measure_refund() -> list[Figure]:
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            await _fill(dsn, data / "payments")
            settings = make_settings(dsn, data, snapshot_refresh_ms=60_000)
            load = (str(data / "tls"), str(data / "payments"))
            settle, bare = await measure_rates(settings, data, "tests.bench.bare_refund", "shopify_port", *load)
    return compare("POST /shopify/refund", "refund session", settle, bare, Target(0.4, at_least=True))


async def _fill(dsn: str, file: Path) -> None:
    """A shop with paid payments; their ids go into the file."""
    connection = await asyncpg.connect(dsn)
    try:
        await fill_shop(connection, SHOP, PAYMENTS, until=datetime.now(UTC))
        paid = await make_payable(connection)
        # Of a table that was empty when its statements were planned, PostgreSQL reads all of it, until it has analyzed
        # it: that is what a first minute is like, and not what is measured here.
        await give_back(connection)
        await settle_down(connection)
        file.write_text("\n".join(paid))
    finally:
        await connection.close()
