"""Requests for privacy: written down when Shopify's webhook is processed, done by a job, within thirty days."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from app import events, metrics
from app.database import Connection
from app.errors import SettleError
from app.install.uninstall import uninstall
from app.jobs import queue
from app.jobs.outcomes import Done, Later, Outcome
from app.logs import get_logger
from app.privacy.digests import digest_customer
from app.privacy.erasure import ERASING, erase_customer, erase_payees, erase_shop, erasing
from app.privacy.export import export_customer
from app.records import InboxEvent, Job, JobKind, Merchant, PrivacyKind, PrivacyRequest, RecordKind
from app.shopify.tokens import TokenMissing, TokenUnavailable
from app.system import System

# Shopify gives thirty days for each.
DAYS = 30
# What is under way is waited for, until so many days before the end.
SPARE_DAYS = 5
# How often what is under way is looked at again.
PATIENCE_SECONDS = 86_400
_BATCH = 200

# How a request can end.
EXPORTED = "exported"
ERASED = "erased"
NOTHING_KEPT = "nothing_kept"
INSTALLED_AGAIN = "installed_again"

TOPICS = {
    "customers/data_request": PrivacyKind.customer_data,
    "customers/redact": PrivacyKind.customer_redact,
    "shop/redact": PrivacyKind.shop_redact,
}

_ADD = """
INSERT INTO privacy_requests (merchant_id, kind, inbox_id, number, email_digest, phone_digest, asked_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (inbox_id) DO NOTHING RETURNING id
"""
_CLOSE = """
UPDATE privacy_requests SET done_at = $2, outcome = $3, payments = $4, email_digest = NULL, phone_digest = NULL,
    export_sealed = $5, kept_until = $6
WHERE id = $1 AND done_at IS NULL RETURNING id
"""
_OF_CUSTOMER = """
SELECT id FROM payments WHERE merchant_id = $1 AND (email_digest = $2 OR phone_digest = $3) ORDER BY created_at, id
"""
# An erased payment has no way back to its checkout any more.
_OF_SHOP = "SELECT id FROM payments WHERE merchant_id = $1 AND cancel_url <> '' AND id > $2 ORDER BY id LIMIT $3"
# Money may still move, or somebody may still have to be told of it.
_UNDER_WAY = """
SELECT id FROM payments p WHERE id = ANY($1) AND (
    status IN ('pending', 'paid', 'rejecting', 'stuck')
    OR EXISTS (SELECT FROM issued_transactions i WHERE i.payment_id = p.id AND NOT i.final)
    OR EXISTS (SELECT FROM refunds r LEFT JOIN issued_transactions i ON i.refund_id = r.id AND NOT i.final
        WHERE r.payment_id = p.id AND (r.status NOT IN ('completed', 'rejected') OR i.id IS NOT NULL))
    OR (exception = 'duplicate' AND attended_at IS NULL)
)
"""
# Money is owed to the customer, and without the wallet it could not be given back: no deadline is worth that.
_OWED = """
SELECT id FROM payments p WHERE id = ANY($1) AND (
    EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.status NOT IN ('completed', 'rejected'))
    OR (exception = 'duplicate' AND attended_at IS NULL)
)
"""
_FORGET_EXPORTS = "UPDATE privacy_requests SET export_sealed = NULL, kept_until = NULL WHERE kept_until <= $1"
_ORPHANS = """
SELECT id FROM privacy_requests p WHERE done_at IS NULL AND NOT EXISTS (
    SELECT FROM jobs j WHERE j.record = 'privacy_request' AND j.record_id = p.id::text
        AND j.status IN ('waiting', 'running'))
"""


class RequestNotFound(SettleError):
    """There is no such request for privacy, or nothing to download for it any more."""

    reason = "privacy_request_not_found"
    status = 404


class _Body(msgspec.Struct):
    """The three webhooks in one. Order numbers are not read: we never learn to which order a payment belongs."""

    customer: dict[str, Any] | None = None
    data_request: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Body)


async def note_request(system: System, connection: Connection, event: InboxEvent) -> None:
    """Write down what a webhook asks for, with the job that does it; once for each webhook."""
    row = await connection.fetchrow("SELECT * FROM merchants WHERE shop = $1", event.shop)
    if row is None:
        get_logger().info("privacy_request_of_no_shop_of_ours")
        return
    merchant = Merchant.from_row(row)
    assert event.payload is not None
    body = _decoder.decode(event.payload)
    email, phone = digest_customer(customer_key(system, merchant), body.customer)
    number = (body.data_request or {}).get("id")
    asked_at = event.received_at
    request_id = await connection.fetchval(
        _ADD,
        merchant.id,
        TOPICS[event.topic],
        event.id,
        None if number is None else str(number)[:64],
        email,
        phone,
        asked_at,
        asked_at + timedelta(days=DAYS),
    )
    if request_id is not None:
        await _enqueue(system, connection, request_id)


def customer_key(system: System, merchant: Merchant) -> str | None:
    """The key of the shop's digests, opened."""
    sealed = merchant.customer_key_sealed
    return None if sealed is None else system.keyring.open(sealed)


@dataclass(frozen=True)
class _Case:
    request: PrivacyRequest
    merchant: Merchant

    def must_end(self, now: datetime) -> bool:
        """Whether there is no more time to wait for what is under way."""
        return now >= self.request.due_at - timedelta(days=SPARE_DAYS)


class PrivacyHandler:
    """The job of a request."""

    async def attempt(self, system: System, job: Job) -> Outcome:
        async with system.database.acquire() as connection:
            row = await connection.fetchrow(
                "SELECT r AS request, m AS merchant FROM privacy_requests r JOIN merchants m ON m.id = r.merchant_id"
                " WHERE r.id = $1",
                int(job.record_id),
            )
        assert row is not None
        case = _Case(PrivacyRequest.from_row(row["request"]), Merchant.from_row(row["merchant"]))
        if case.request.done_at is not None:
            return Done()
        match case.request.kind:
            case PrivacyKind.customer_data:
                return await _tell_of_customer(system, case)
            case PrivacyKind.customer_redact:
                return await _redact_customer(system, case)
            case PrivacyKind.shop_redact:
                return await _redact_shop(system, case)

    async def give_up(self, _system: System, _connection: Connection, job: Job, reason: str) -> None:
        # The upkeep gives it another job.
        metrics.alarms_total.labels(reason="privacy_request_failed").inc()
        get_logger().error("privacy_request_failed", request=job.record_id, reason=reason)


async def _tell_of_customer(system: System, case: _Case) -> Outcome:
    request = case.request
    async with system.database.acquire() as connection:
        payments = await _payments_of_customer(connection, request)
        if not payments:
            return Done(partial(_close, system, case, NOTHING_KEPT, 0, None))
        told = await export_customer(
            connection, case.merchant.shop, payments, data_request=request.number, asked_at=request.asked_at
        )
    return Done(partial(_close, system, case, EXPORTED, len(payments), system.keyring.seal(told)))


async def _redact_customer(system: System, case: _Case) -> Outcome:
    async with system.database.acquire() as connection:
        payments = await _payments_of_customer(connection, case.request)
    left = await _erase(system, case, payments, shop_too=False)
    if left:
        return Later(PATIENCE_SECONDS, "under_way")
    # Those that were erased in earlier tries can not be found any more: the digests are gone.
    return Done(partial(_close, system, case, ERASED if payments else NOTHING_KEPT, len(payments), None))


async def _redact_shop(system: System, case: _Case) -> Outcome:
    merchant = case.merchant
    if merchant.uninstalled_at is None:
        installed = await _is_still_installed(system, case)
        if isinstance(installed, Later):
            return installed
        if installed:
            # Shopify takes our token: the merchant is back, and its data are in use.
            return Done(partial(_close, system, case, INSTALLED_AGAIN, 0, None))
        # The news of the uninstall was lost.
        async with system.database.transaction() as connection:
            now = system.clock.now()
            await uninstall(connection, merchant.shop, happened_at=now, at=now)
    after, erased, left = "", 0, 0
    while True:
        async with system.database.acquire() as connection:
            rows = await connection.fetch(_OF_SHOP, merchant.id, after, _BATCH)
        if not rows:
            break
        payments, after = [row["id"] for row in rows], rows[-1]["id"]
        waiting = await _erase(system, case, payments, shop_too=True)
        left, erased = left + waiting, erased + len(payments) - waiting
    if left:
        return Later(PATIENCE_SECONDS, "under_way")
    return Done(partial(_close_shop, system, case, erased))


async def _is_still_installed(system: System, case: _Case) -> bool | Later:
    """Whether Shopify takes us for installed, though it asked to erase the shop.

    A token that it takes proves it. One that it refuses does not prove the contrary: our own secret may be wrong. So
    that is waited for, as long as there is time.
    """
    if case.merchant.token_sealed is None:
        return False
    # One that never ends can not be renewed; the upkeep exchanges it.
    if case.merchant.refresh_sealed is not None:
        try:
            await system.tokens.renew(case.merchant)
        except TokenMissing:
            return False
        except TokenUnavailable:
            pass
        else:
            return True
    return False if case.must_end(system.clock.now()) else Later(PATIENCE_SECONDS, "cannot_tell")


async def _payments_of_customer(connection: Connection, request: PrivacyRequest) -> list[str]:
    rows = await connection.fetch(_OF_CUSTOMER, request.merchant_id, request.email_digest, request.phone_digest)
    return [row["id"] for row in rows]


async def _erase(system: System, case: _Case, payments: list[str], *, shop_too: bool) -> int:
    """Erase these payments but those that are under way, while there is time; returns how many are left."""
    left, wait_for = 0, _OWED if case.must_end(system.clock.now()) else _UNDER_WAY
    for start in range(0, len(payments), _BATCH):
        some = payments[start : start + _BATCH]
        async with erasing(system.database) as connection:
            waiting = {row["id"] for row in await connection.fetch(wait_for, some)}
            left += len(waiting)
            some = [payment for payment in some if payment not in waiting]
            await erase_customer(connection, some)
            if shop_too:
                await erase_payees(connection, some)
    return left


async def _close(
    system: System, case: _Case, outcome: str, payments: int, export: bytes | None, connection: Connection
) -> None:
    now = system.clock.now()
    kept_until = now + timedelta(days=system.settings.privacy_export_days) if export else None
    closed = await connection.fetchval(_CLOSE, case.request.id, now, outcome, payments, export, kept_until)
    if closed is None:
        return
    await events.write_event(
        connection,
        RecordKind.privacy_request,
        str(case.request.id),
        events.ANSWERED,
        at=now,
        reason=outcome,
    )
    metrics.privacy_requests_total.labels(kind=case.request.kind, outcome=outcome).inc()
    get_logger().info("privacy_request_done", request=case.request.id, kind=case.request.kind, outcome=outcome)


async def _close_shop(system: System, case: _Case, payments: int, connection: Connection) -> None:
    gone = await connection.fetchval(
        "SELECT uninstalled_at IS NOT NULL FROM merchants WHERE id = $1 FOR NO KEY UPDATE", case.merchant.id
    )
    if not gone:
        # Back while its payments were being erased.
        await _close(system, case, INSTALLED_AGAIN, payments, None, connection)
        return
    await connection.execute(ERASING)
    await erase_shop(connection, case.merchant.id, case.merchant.shop, at=system.clock.now())
    await _close(system, case, ERASED, payments, None, connection)


async def _enqueue(system: System, connection: Connection, request_id: int) -> None:
    now = system.clock.now()
    await queue.enqueue(connection, JobKind.privacy_request, RecordKind.privacy_request, str(request_id), at=now)


async def keep_requests_going(system: System, connection: Connection) -> None:
    """Give every open request a job that lost it, and forget the exports whose time is over."""
    await connection.execute(_FORGET_EXPORTS, system.clock.now())
    for row in await connection.fetch(_ORPHANS):
        await _enqueue(system, connection, row["id"])


async def list_requests(connection: Connection, merchant_id: int | None = None) -> list[PrivacyRequest]:
    """A merchant's requests, or everybody's, newest first."""
    rows = await connection.fetch(
        "SELECT * FROM privacy_requests WHERE $1::bigint IS NULL OR merchant_id = $1 ORDER BY id DESC", merchant_id
    )
    return [PrivacyRequest.from_row(row) for row in rows]


async def read_export(system: System, request_id: int, *, merchant_id: int | None = None) -> str:
    """The export of a request (of this merchant, where one is named) as JSON. Raises RequestNotFound."""
    async with system.database.acquire() as connection:
        sealed = await connection.fetchval(
            "SELECT export_sealed FROM privacy_requests WHERE id = $1 AND ($2::bigint IS NULL OR merchant_id = $2)",
            request_id,
            merchant_id,
        )
    if sealed is None:
        raise RequestNotFound
    return system.keyring.open(sealed)


PRIVACY = PrivacyHandler()
