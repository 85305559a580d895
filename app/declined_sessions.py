"""Capture and void sessions: this app takes sales at once, so there is never anything to capture or to let go of.

Shopify sends none to an app that never authorizes. Should one come all the same it is stored, answered as the contract
says, and declined by the same ladder as everything that Shopify is told.
"""

from datetime import timedelta

from app import events, metrics
from app.database import Connection
from app.errors import SettleError
from app.jobs import queue
from app.logs import get_logger
from app.merchants import ShopUnknown
from app.records import DeclinedKind, DeclinedSession, JobKind, RecordKind
from app.shopify.payloads import DeclinableSession
from app.system import System

_INSERT = """
INSERT INTO declined_sessions (kind, shopify_id, gid, merchant_id, payment_shopify_id, api_version, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, shopify_id) DO NOTHING RETURNING *
"""
_FIND = "SELECT * FROM declined_sessions WHERE kind = $1 AND shopify_id = $2"
_JOBS = {DeclinedKind.capture: JobKind.capture_reject, DeclinedKind.void: JobKind.void_reject}


class DeclinedConflict(SettleError):
    """The {kind} session {id} exists already with other content; nothing was changed."""

    reason = "declined_conflict"
    status = 409


async def open_declined(
    system: System, kind: DeclinedKind, shop: str, api_version: str, session: DeclinableSession
) -> DeclinedSession:
    """Insert or get the session; Shopify hears of the decline a few seconds later.

    Raises ShopUnknown, or DeclinedConflict, which leaves an event.
    """
    now = system.clock.now()
    async with system.database.transaction() as connection:
        merchant_id = await connection.fetchval("SELECT id FROM merchants WHERE shop = $1", shop)
        if merchant_id is None:
            raise ShopUnknown(shop=shop)
        row = await connection.fetchrow(
            _INSERT, kind, session.id, session.gid, merchant_id, session.payment_id, api_version, now
        )
        created = row is not None
        row = row or await connection.fetchrow(_FIND, kind, session.id)
        assert row is not None
        declined = DeclinedSession.from_row(row)
        record_id = str(declined.id)
        same = (declined.gid, declined.merchant_id, declined.payment_shopify_id) == (
            session.gid,
            merchant_id,
            session.payment_id,
        )
        if created:
            await events.write_event(connection, RecordKind.declined, record_id, events.CREATED, at=now)
            due_at = now + timedelta(seconds=system.settings.shopify_answer_grace_seconds)
            await queue.enqueue(connection, _JOBS[kind], RecordKind.declined, record_id, at=now, due_at=due_at)
        elif not same:
            await _note_conflict(connection, system, record_id, shop, session)
    outcome = "created" if created else "repeated" if same else "conflict"
    metrics.declined_sessions_total.labels(kind=kind, outcome=outcome).inc()
    get_logger().info("session_declined", kind=kind, shopify_id=session.id, outcome=outcome)
    if not same:
        raise DeclinedConflict(kind=kind, id=session.id)
    return declined


async def _note_conflict(
    connection: Connection, system: System, record_id: str, shop: str, session: DeclinableSession
) -> None:
    await events.write_event(
        connection,
        RecordKind.declined,
        record_id,
        events.CONFLICT,
        at=system.clock.now(),
        shop=shop,
        gid=session.gid,
        payment=session.payment_id,
    )
