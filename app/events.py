"""The history of every record: what happened, in order, never changed afterwards."""

from datetime import datetime
from typing import Any

from app.database import Connection
from app.records import RecordKind

# What an event can be.
CREATED = "created"  # the record came into being
MOVED = "moved"  # its status changed; from_status and to_status say how
CONFLICT = "conflict"  # Shopify sent the same id with other content; nothing was changed
REFUSED = "refused"  # Shopify asked for something that can not be; the answer said why
QUOTED = "quoted"  # a price was fixed
ISSUED = "issued"  # a transaction was handed out
ADOPTED = "adopted"  # a transaction that our books had lost was taken into them
SCREENED_OUT = "screened_out"  # a wallet was flagged
FATE = "fate"  # an issued transaction landed, failed, died or vanished
PINNED = "pinned"  # its order got another single-use account
MARKED = "marked"  # the exception changed
ATTENDED = "attended"  # a person said that its trouble is dealt with, and how
PENDED = "pended"  # Shopify holds the session as pending: landed, and finality is far
VANISHED = "vanished"  # a transaction for which the session is pending at Shopify is gone
DISPUTED = "disputed"  # Shopify says that it is closed, our ledger that it is open
UNINSTALLED = "uninstalled"  # the merchant took the app out of the shop
INSTALLED = "installed"  # the merchant installed the app again
ANSWERED = "answered"  # what a request for privacy asked for was done
ACCESS_LOST = "access_lost"  # Shopify gives no new access token for the shop
CHANGED = "changed"  # a setting of the merchant's: which, from what, to what
WALLET_PROVED = "wallet_proved"  # the merchant was shown to have the key of a payout wallet
TERMS_ACCEPTED = "terms_accepted"  # terms and privacy notice, in these versions
IDENTITY = "identity"  # the identity check went on
CONFIGURED = "configured"  # Shopify knows whether the merchant may take payments
RETRIED = "retried"  # a person had its dead job begun anew
RECONCILED = "reconciled"  # something that it was owed was missing, or the outside world says otherwise
REPLAYED = "replayed"  # a person had it processed once more
SIGNED_IN = "signed_in"  # a browser of the merchant's was signed in at the portal

_INSERT = """
INSERT INTO events (record, record_id, kind, from_status, to_status, detail, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def write_event(
    connection: Connection,
    record: RecordKind,
    record_id: str,
    kind: str,
    *,
    at: datetime,
    from_status: str | None = None,
    to_status: str | None = None,
    **detail: Any,
) -> None:
    """Add an event, in the transaction of the change that it tells of."""
    await connection.execute(_INSERT, record, record_id, kind, from_status, to_status, detail, at)
