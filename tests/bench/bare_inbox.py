"""The comparison for webhooks: the same server and protocol, an endpoint that only does the one INSERT."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.settings import load

# The server as Settle runs it, so that no setting of it differs.
from handlers.connections import Door
from handlers.listeners import bind
from tests.bench.bare_door import PlainConnection
from tests.bench.load import WEBHOOK_PATH

TABLE = "CREATE TABLE IF NOT EXISTS bare_events (LIKE inbox_events INCLUDING ALL)"
_INSERT = (
    "INSERT INTO bare_events (source, event_id, topic, shop, payload, received_at) VALUES ($1, $2, $3, $4, $5, $6)"
)


def make_bare_inbox(pool: Any) -> Starlette:
    """Inserts the body with the id of each webhook."""

    async def insert(request: Request) -> Response:
        names = request.headers
        body = await request.body()
        await pool.execute(
            _INSERT,
            "shopify",
            names["x-shopify-webhook-id"],
            names["x-shopify-topic"],
            names["x-shopify-shop-domain"],
            body,
            datetime.now(UTC),
        )
        return Response(status_code=200)

    return Starlette(routes=[Route(WEBHOOK_PATH, insert, methods=["POST"])])


async def serve() -> None:
    settings = load()
    pool = await asyncpg.create_pool(
        settings.database_url, min_size=1, max_size=settings.database_pool_size, connection_class=PlainConnection
    )
    await pool.execute(TABLE)
    listeners = list(bind(settings.host, settings.public_port))
    await Door(make_bare_inbox(pool), listeners, None, settings.drain_seconds).open()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
