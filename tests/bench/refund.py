"""Refund sessions at Shopify's door: how many a second, compared with a server that only inserts."""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from tests.bench import ground
from tests.bench.door import compare, measure_rates
from tests.bench.figures import Figure, Target
from tests.house import SHOP, make_settings
from tests.multitude import fill_shop, make_payable, settle_down

PAYMENTS = 6_000

# A cent of each payment was given back before. Of a table that was empty when its statements were planned, PostgreSQL
# reads all of it, until it has analyzed it: that is what a first minute is like, and not what is measured here.
_BEFORE = """
INSERT INTO refunds (id, shopify_id, gid, payment_id, merchant_id, api_version, amount, usdc, status, exception,
    payee_wallet, destination, mint, memo, reference, created_at, updated_at)
SELECT left(md5(id), 22), md5(id), 'gid://shopify/RefundSession/' || id, id, merchant_id, api_version, 0.01, 10000,
    'pending', 'none', paid_wallet, destination, mint, memo || 'r', reverse(reference), created_at, created_at
FROM payments WHERE paid_wallet IS NOT NULL
"""


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
        await connection.execute(_BEFORE)
        await settle_down(connection)
        file.write_text("\n".join(paid))
    finally:
        await connection.close()
