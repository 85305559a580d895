"""The shops' access tokens: fresh at every use, renewed by one at a time, stored before they are used.

A renewal holds the shop's turn, an advisory lock of the database, from reading the old refresh token to committing the
new one. Should the answer or the commit get lost, the old refresh token is still the one we have, and Shopify takes it
until the new one was used (facts/shopify.md section 6).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from app import events, metrics
from app.clock import Clock
from app.database import Connection, Database
from app.errors import SettleError
from app.keyring import KeyRing
from app.logs import get_logger
from app.records import Merchant, RecordKind
from app.shopify.oauth import Grant, GrantRefused, OauthClient, OauthUnavailable

# Advisory locks of two numbers: ours, and the shop's name as one.
_TURNS = 7_434
_TURN = "SELECT pg_advisory_xact_lock($1, hashtext($2))"

# Where Shopify says nothing of the refresh token's end, it is this far.
REFRESH_DAYS = 90

_STORE = """
UPDATE merchants SET token_sealed = $2, token_expires_at = $3, refresh_sealed = $4, refresh_expires_at = $5,
    scopes = $6, token_lost_at = NULL, updated_at = $7
WHERE id = $1 AND uninstalled_at IS NULL
"""
_LOSE = "UPDATE merchants SET token_lost_at = $2, updated_at = $2 WHERE id = $1 AND token_lost_at IS NULL RETURNING id"


class TokenMissing(SettleError):
    """There is no access token for this shop: the app is not installed there."""

    reason = "token_missing"
    status = 503


class TokenUnavailable(SettleError):
    """The access token for this shop has ended, and Shopify gives no new one at the moment."""

    reason = "token_unavailable"
    status = 503


class ShopTokens:
    """All shops' tokens; one for each process."""

    def __init__(
        self, database: Database, oauth: OauthClient, keyring: KeyRing, clock: Clock, margin_seconds: int
    ) -> None:
        self._database = database
        self._oauth = oauth
        self._keyring = keyring
        self._clock = clock
        self._margin = timedelta(seconds=margin_seconds)
        # Within the process nobody waits on a connection of the pool for another's renewal.
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def current(self, merchant: Merchant) -> str:
        """A token that Shopify should take, renewed when it is near its end. Raises TokenMissing or TokenUnavailable.

        `merchant` as read for this very use; a copy from long ago costs a look more.
        """
        if merchant.token_sealed is None:
            raise TokenMissing
        ends, now = merchant.token_expires_at, self._clock.now()
        if ends is None or now < ends - self._margin:
            return self._keyring.open(merchant.token_sealed)
        try:
            renewed = await self.renew(merchant)
        except TokenUnavailable:
            if now >= ends:
                raise
            # Not over yet: better an old token than none.
            return self._keyring.open(merchant.token_sealed)
        return self._open(renewed)

    async def renew(self, merchant: Merchant) -> Merchant:
        """Get the shop's next token, because the one of this row is old or was refused; or see that somebody has.

        Returns the shop's row with the new token. Raises TokenMissing or TokenUnavailable.
        """
        async with self.turn(merchant.shop) as connection:
            now = await self._read(connection, merchant.id)
            if now.token_sealed is None:
                raise TokenMissing
            if now.token_sealed != merchant.token_sealed:
                return now
            if now.token_lost_at is not None:
                # Asked again by the upkeep, now and then, and not by each of the jobs that wait for it.
                raise TokenUnavailable
            renewed = await self._renew(connection, now, in_use=True)
        if renewed is None:
            raise TokenUnavailable
        return renewed

    async def keep(self, merchant_id: int, *, until: datetime) -> None:
        """Renew what would end before `until` though nobody uses it, was lost, or never ends as it should not.

        Raises TokenUnavailable.
        """
        async with self._database.acquire() as connection:
            merchant = await self._read(connection, merchant_id)
        async with self.turn(merchant.shop) as connection:
            merchant = await self._read(connection, merchant_id)
            if merchant.token_sealed is None:
                return
            ends = merchant.refresh_expires_at
            if merchant.token_lost_at is None and ends is not None and ends > until:
                return
            renewed = await self._renew(connection, merchant, in_use=False)
        if renewed is None:
            raise TokenUnavailable

    @asynccontextmanager
    async def turn(self, shop: str) -> AsyncIterator[Connection]:
        """Within it, nobody else asks Shopify for a token of this shop: a transaction that commits at its end."""
        queue = self._queues.setdefault(shop, asyncio.Lock())
        async with queue, self._database.transaction() as connection:
            await connection.execute(_TURN, _TURNS, shop)
            yield connection

    async def store(self, connection: Connection, merchant_id: int, grant: Grant, *, at: datetime) -> None:
        """Seal and store what Shopify granted at that time, within the shop's turn; not for a shop that has left."""
        seal = self._keyring.seal
        ends = None if grant.expires_in is None else at + timedelta(seconds=grant.expires_in)
        refresh = None if grant.refresh_token is None else seal(grant.refresh_token)
        lives = timedelta(seconds=grant.refresh_token_expires_in or REFRESH_DAYS * 86_400)
        refresh_ends = None if refresh is None else at + lives
        await connection.execute(
            _STORE, merchant_id, seal(grant.access_token), ends, refresh, refresh_ends, grant.scope, at
        )

    async def _renew(self, connection: Connection, merchant: Merchant, *, in_use: bool) -> Merchant | None:
        """None: Shopify refused. Raises TokenUnavailable when it said nothing, TokenMissing when the shop has left."""
        at = self._clock.now()
        try:
            if merchant.refresh_sealed is not None:
                grant = await self._oauth.refresh(merchant.shop, self._keyring.open(merchant.refresh_sealed))
            else:
                grant = await self._oauth.exchange_lasting(merchant.shop, self._open(merchant))
        except OauthUnavailable as error:
            metrics.token_renewals_total.labels(outcome="unavailable").inc()
            raise TokenUnavailable from error
        except GrantRefused:
            metrics.token_renewals_total.labels(outcome="refused").inc()
            # One that never ends may be as good as ever, only not for exchange: its use will tell.
            if in_use or merchant.refresh_sealed is not None:
                await self._lose(connection, merchant, at)
            return None
        await self.store(connection, merchant.id, grant, at=at)
        metrics.token_renewals_total.labels(outcome="renewed").inc()
        get_logger().info("shop_renewed", shop=merchant.shop, lasting=merchant.refresh_sealed is None)
        renewed = await self._read(connection, merchant.id)
        if renewed.token_sealed is None:
            # Uninstalled meanwhile.
            raise TokenMissing
        return renewed

    async def _lose(self, connection: Connection, merchant: Merchant, at: datetime) -> None:
        if await connection.fetchval(_LOSE, merchant.id, at) is None:
            return
        await events.write_event(connection, RecordKind.merchant, str(merchant.id), events.ACCESS_LOST, at=at)
        metrics.alarms_total.labels(reason="token_lost").inc()
        get_logger().error("token_lost", shop=merchant.shop)

    async def _read(self, connection: Connection, merchant_id: int) -> Merchant:
        row = await connection.fetchrow("SELECT * FROM merchants WHERE id = $1", merchant_id)
        assert row is not None
        return Merchant.from_row(row)

    def _open(self, merchant: Merchant) -> str:
        assert merchant.token_sealed is not None
        return self._keyring.open(merchant.token_sealed)
