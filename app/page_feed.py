"""The live feed of pages: whoever changes a payment says so, and every process wakes those who show it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.database import Connection, Database

CHANNEL = "payments"

_NOTIFY_SIBLINGS = """
SELECT pg_notify($1, s.id) FROM payments p JOIN payments s ON s.group_id = p.group_id AND s.id <> p.id WHERE p.id = $2
"""


async def notify_page(connection: Connection, payment_id: str) -> None:
    """Wake the pages that show this payment, once the transaction commits."""
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payment_id)


async def notify_siblings(connection: Connection, payment_id: str) -> None:
    """Wake the pages of the other sessions of this payment's order: what they show has to do with it."""
    await connection.execute(_NOTIFY_SIBLINGS, CHANNEL, payment_id)


class PaymentFeed:
    """One database connection listens for all pages. A lost notification costs only time: pages look by themselves."""

    def __init__(self) -> None:
        self._watching: dict[str, set[asyncio.Event]] = defaultdict(set)

    @asynccontextmanager
    async def listen(self, database: Database) -> AsyncIterator[None]:
        """Feed from the database while the context is open. After a lost connection every page looks again."""
        async with database.listen(CHANNEL, self._wake, on_reconnect=self._wake_all):
            yield

    @asynccontextmanager
    async def watch(self, payment_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the payment may have changed; the watcher clears it."""
        event = asyncio.Event()
        self._watching[payment_id].add(event)
        try:
            yield event
        finally:
            self._watching[payment_id].discard(event)
            if not self._watching[payment_id]:
                del self._watching[payment_id]

    def _wake(self, payment_id: str) -> None:
        for event in self._watching.get(payment_id, ()):
            event.set()

    def _wake_all(self) -> None:
        for events in self._watching.values():
            for event in events:
                event.set()
