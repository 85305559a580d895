"""Shopify's webhooks: how many are acknowledged in a second, compared with a server that only inserts them."""

from tests.bench import ground
from tests.bench.door import compare, measure_rates
from tests.bench.figures import Figure, Target
from tests.house import make_settings


async def measure_webhook() -> list[Figure]:
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            settings = make_settings(dsn, data, snapshot_refresh_ms=60_000)
            settle, bare = await measure_rates(settings, data, "tests.bench.bare_inbox", "public_port", "--webhooks")
    return compare("POST /webhooks/shopify/...", "webhook", settle, bare, Target(0.4, at_least=True))
