"""The upkeep: what must be done now and then though nobody asks for it."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from app.errors import SettleError
from app.inbox import forget_old_payloads
from app.install.states import forget_old_states
from app.logs import get_logger
from app.portal.sessions import forget_ended
from app.privacy.requests import keep_requests_going
from app.system import System
from app.watching.unknown import forget_foreign

# Never-ending tokens are exchanged, quiet shops' renewed before their refresh token ends, lost ones tried again.
_TOKENS_DUE = """
SELECT id, shop FROM merchants WHERE token_sealed IS NOT NULL AND id > $2
    AND (refresh_expires_at IS NULL OR refresh_expires_at <= $1 OR token_lost_at IS NOT NULL)
ORDER BY id LIMIT $3
"""
_PAGE = 100


class Upkeep:
    """Runs in every worker; what two of them do at once is done once or does no harm."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with self._system.database.operational("upkeep"):
                await self.look(stop)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._system.settings.upkeep_seconds)

    async def look(self, stop: asyncio.Event | None = None) -> None:
        """One round."""
        async with self._system.database.acquire() as connection:
            await forget_ended(self._system, connection)
            await forget_old_states(self._system, connection)
            await forget_old_payloads(self._system, connection)
            await forget_foreign(self._system, connection)
            await keep_requests_going(self._system, connection)
        await self._keep_tokens(stop)

    async def _keep_tokens(self, stop: asyncio.Event | None) -> None:
        until = self._system.clock.now() + timedelta(days=self._system.settings.token_keep_days)
        after = 0
        while True:
            async with self._system.database.acquire() as connection:
                rows = await connection.fetch(_TOKENS_DUE, until, after, _PAGE)
            for row in rows:
                if stop is not None and stop.is_set():
                    return
                after = row["id"]
                try:
                    await self._system.tokens.keep(row["id"], until=until)
                except SettleError as error:
                    # The next round tries again; what a person must know was said where it was found out.
                    get_logger().warning("shop_not_renewed", shop=row["shop"], reason=error.reason)
            if len(rows) < _PAGE:
                return
