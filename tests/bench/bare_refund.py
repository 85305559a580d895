"""The comparison for refund sessions: the same server, protocol and TLS, an endpoint that only does the one INSERT."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.settings import load
from handlers.connections import Door

# The server as Settle runs it, so that no setting of it differs.
from handlers.door_tls import DoorTls
from handlers.listeners import bind
from tests.bench.bare_door import PlainConnection

TABLE = "CREATE TABLE IF NOT EXISTS bare_refunds (LIKE refunds INCLUDING ALL)"
_COLUMNS = (
    "id, shopify_id, gid, payment_id, merchant_id, api_version, amount, usdc, status, exception, payee_wallet, "
    "destination, mint, memo, reference, proposed_at, created_at, updated_at"
)
_INSERT = f"INSERT INTO bare_refunds ({_COLUMNS}) VALUES ({', '.join(f'${n + 1}' for n in range(18))})"
# Any payment's values will do.
_ROW = """
SELECT p.id, p.merchant_id, p.api_version, 0.01::numeric, 10000::bigint, 'pending'::refund_status,
    'none'::refund_exception, p.paid_wallet, p.destination, p.mint, p.memo, p.reference, p.created_at, p.created_at,
    p.created_at
FROM payments p WHERE p.paid_wallet IS NOT NULL LIMIT 1
"""


def make_bare_door(pool: Any, row: tuple[Any, ...]) -> Starlette:
    """Inserts `row` with the id and gid of each session before its values."""

    async def insert(request: Request) -> Response:
        session = msgspec.json.decode(await request.body())
        await pool.execute(_INSERT, session["id"][-22:], session["id"], session["gid"], *row)
        return Response(status_code=201)

    return Starlette(routes=[Route("/shopify/refund", insert, methods=["POST"])])


async def serve() -> None:
    settings = load()
    pool = await asyncpg.create_pool(
        settings.database_url, min_size=1, max_size=settings.database_pool_size, connection_class=PlainConnection
    )
    await pool.execute(TABLE)
    row = tuple(await pool.fetchrow(_ROW))
    listeners = list(bind(settings.host, settings.shopify_port))
    await Door(make_bare_door(pool, row), listeners, DoorTls(settings).context, settings.drain_seconds).open()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
