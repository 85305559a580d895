"""The end of waiting: a payment nobody paid expires once nothing handed out can land; the customer may come back.

Shopify is not told: a reject would be final there, and an open session costs the merchant nothing. One that Shopify
holds as pending does cost: an order without money. So that one is rejected.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

from app.clusters import ClusterParts
from app.database import classify_error
from app.logs import get_logger
from app.payments import lifecycle, refusals
from app.payments.issuing import read_case
from app.payments.rejection import reject_pended
from app.records import MerchantStatus, Payment, PaymentStatus
from app.reporting import report_bug
from app.system import System
from app.transactions.issued import has_open_transactions
from chain.errors import NodeError
from chain.programs import MAX_STATUSES_PER_CALL

S = PaymentStatus

_OVERDUE = """
SELECT id FROM payments p WHERE status = 'pending' AND expires_at <= $1 AND cluster = $2
    AND NOT EXISTS (SELECT FROM issued_transactions i WHERE i.payment_id = p.id AND NOT i.final)
ORDER BY expires_at LIMIT $3
"""
_SIGNATURES = "SELECT signature FROM issued_transactions WHERE payment_id = $1 AND fate = 'dead' ORDER BY id"
# Payments that one round looks at.
ROUND_MAX = 200


class Expiry:
    """Ends what has waited long enough, on one cluster."""

    def __init__(self, system: System, parts: ClusterParts) -> None:
        self._system = system
        self._parts = parts

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with self._system.database.operational("expire"):
                await self.expire_overdue()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._system.settings.expiry_poll_ms / 1000)

    async def expire_overdue(self) -> int:
        """Expire what is overdue and can not be paid any more; returns how many payments that were."""
        async with self._system.database.acquire() as connection:
            rows = await connection.fetch(_OVERDUE, self._system.clock.now(), self._parts.cluster, ROUND_MAX)
        expired = 0
        for row in rows:
            try:
                expired += await self._expire(row["id"])
            except NodeError as error:
                # The others would fare alike; they are looked at again in the next round.
                get_logger().warning("expiry_postponed", payment_id=row["id"], problem=error.message)
                break
            except Exception as error:
                if classify_error(error) is not None:
                    raise
                # A bug met by one payment is reported, and the others go on.
                report_bug("expiry_failed", error, payment_id=row["id"])
        return expired

    async def _expire(self, payment_id: str) -> bool:
        # The node is asked before any lock is taken: nothing new can be issued for an overdue payment.
        landed = await self._look_once_more(payment_id)
        async with self._system.database.transaction() as connection:
            row = await connection.fetchrow("SELECT * FROM payments WHERE id = $1 FOR UPDATE", payment_id)
            assert row is not None
            payment, now = Payment.from_row(row), self._system.clock.now()
            if payment.expires_at > now or await has_open_transactions(connection, payment_id):
                return False
            if landed is not None:
                await lifecycle.stick(connection, payment_id, "dead_but_landed", at=now, signature=landed)
                return False
            if payment.pended_at is not None:
                await reject_pended(self._system, connection, payment_id)
                return False
            return await lifecycle.move(connection, payment_id, S.expired, at=now) is not None

    async def _look_once_more(self, payment_id: str) -> str | None:
        """A signature that was called dead and has landed all the same: that must never be, so it is looked for.

        Every node is asked that was not away for long. Raises NodeError when one of them does not answer.
        """
        async with self._system.database.acquire() as connection:
            signatures: list[str] = [row["signature"] for row in await connection.fetch(_SIGNATURES, payment_id)]
        nodes = self._parts.node.counting(self._system.settings.node_alone_seconds)
        for start in range(0, len(signatures), MAX_STATUSES_PER_CALL):
            some = signatures[start : start + MAX_STATUSES_PER_CALL]
            for node in nodes:
                view = await node.signature_statuses(some, search_history=True)
                for signature, status in zip(some, view.statuses, strict=True):
                    if status is not None and status.error is None:
                        return signature
        return None


async def renew(system: System, payment_id: str) -> None:
    """The customer is back: an expired payment waits again, for a new lifetime and without its old price.

    Raises PaymentNotFound, MerchantClosed, OrderAlreadyPaid. Nothing happens to a payment that is not expired.
    """
    now = system.clock.now()
    async with system.database.transaction() as connection:
        case = await read_case(connection, payment_id)
        if case.payment.status is not S.expired:
            return
        if case.group.winner_id is not None:
            raise refusals.OrderAlreadyPaid
        if case.merchant.status is not MerchantStatus.active:
            raise refusals.MerchantClosed
        await lifecycle.move(
            connection,
            payment_id,
            S.pending,
            at=now,
            expires_at=now + timedelta(seconds=system.settings.payment_lifetime_seconds),
            # A price that ended stays as it was until the page asks for a new one; it is over now in any case.
            quote_expires_at=None if case.payment.quote_expires_at is None else now,
        )
