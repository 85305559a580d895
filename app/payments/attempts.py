"""What wallets try on a payment: one has opened it, one was refused. The customer's page shows both.

A customer who is refused on the phone looks at the page next, and some wallets do not show our sentence at all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.errors import CustomerError
from app.page_feed import notify_page
from app.records import Payment
from app.system import System
from chain.errors import Refused

# How long the page goes by the last attempt; after that nobody stands there with that wallet any more.
SHOWN = timedelta(minutes=10)

# One write for each scan, however often a wallet asks within it.
_SCANNED = """
UPDATE payments SET scanned_at = $2 WHERE id = $1 AND status = 'pending'
    AND (scanned_at IS NULL OR scanned_at < $3 OR scanned_at < refused_at) RETURNING id
"""
_SCAN = timedelta(seconds=10)
_REFUSED = "UPDATE payments SET refused_at = $2, refusal = $3 WHERE id = $1 AND status = 'pending' RETURNING id"


@dataclass(frozen=True)
class Refusal:
    """When and why a wallet was given no transaction: the reason code, and what its sentence has in braces."""

    at: datetime
    reason: str
    details: dict[str, str]


async def note_scan(system: System, payment_id: str) -> None:
    """A wallet has opened the payment."""
    now = system.clock.now()
    await _note(system, _SCANNED, payment_id, now, now - _SCAN)


async def note_refusal(system: System, payment_id: str, error: CustomerError | Refused) -> None:
    """A wallet was refused a transaction."""
    details = {name: str(value) for name, value in error.details.items()}
    note = {"reason": str(error.reason), "details": details}
    await _note(system, _REFUSED, payment_id, system.clock.now(), note)


async def _note(system: System, statement: str, payment_id: str, at: datetime, what: Any) -> None:
    async with system.database.transaction() as connection:
        if await connection.fetchrow(statement, payment_id, at, what) is not None:
            await notify_page(connection, payment_id)


def is_open_in_wallet(payment: Payment, now: datetime) -> bool:
    """Whether a wallet has the payment before it, and was not refused since."""
    if payment.scanned_at is None or now - payment.scanned_at > SHOWN:
        return False
    return payment.refused_at is None or payment.refused_at < payment.scanned_at


def last_refusal(payment: Payment, issued_at: datetime | None, now: datetime) -> Refusal | None:
    """The refusal that the customer may still wonder about. `issued_at`: when a transaction was last handed out."""
    refused_at, refusal = payment.refused_at, payment.refusal
    if refused_at is None or refusal is None or now - refused_at > SHOWN:
        return None
    if any(later is not None and later > refused_at for later in (payment.scanned_at, issued_at)):
        return None
    return Refusal(refused_at, refusal["reason"], refusal["details"])
