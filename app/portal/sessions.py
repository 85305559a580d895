"""Sessions at the merchant portal: kept here and not in the cookie, so that they can be ended here.

The browser has a random token, we have its digest: a copy of the database signs nobody in. The CSRF token is made from
the session's token, so it needs no place of its own and ends with the session.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import timedelta

from app import events
from app.database import Connection
from app.errors import SettleError
from app.logs import bind_contextvars
from app.records import Merchant, PortalSession, RecordKind
from app.system import System

# A session in use is noted as such this often at most: a page asks for more than one thing.
SEEN_EVERY = timedelta(seconds=60)

_ADD = """
INSERT INTO portal_sessions (digest, merchant_id, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $3, $4)
"""
_FIND = """
SELECT s AS session, m AS merchant FROM portal_sessions s JOIN merchants m ON m.id = s.merchant_id
WHERE s.digest = $1 AND s.expires_at > $2 AND s.seen_at > $3 AND m.uninstalled_at IS NULL
"""
_SEE = "UPDATE portal_sessions SET seen_at = $2 WHERE id = $1 AND seen_at < $2"
_FORGET = "DELETE FROM portal_sessions WHERE digest = $1"
_END_ALL = "DELETE FROM portal_sessions WHERE merchant_id = $1"
_END_OLD = "DELETE FROM portal_sessions WHERE expires_at <= $1 OR seen_at <= $2"


class SignedOut(SettleError):
    """You are not signed in, or your session has ended. Open Settle from your Shopify admin to sign in."""

    reason = "signed_out"
    status = 401


class CsrfInvalid(SettleError):
    """This request does not carry the token of your session, so nothing was done. Load the page again, then retry."""

    reason = "csrf_invalid"
    status = 403


@dataclass(frozen=True)
class Visitor:
    """Who is signed in: the merchant as it stands now, and the session's token and CSRF token."""

    merchant: Merchant
    token: str = field(repr=False)

    @property
    def csrf(self) -> str:
        """What a writing request of this session carries: base64url, 43 characters."""
        return _digest("csrf", self.token)


async def sign_in(system: System, connection: Connection, merchant_id: int, *, replacing: str | None = None) -> str:
    """Begin a session and return its token for the cookie. `replacing`: the token this browser had until now.

    Always a new token: one that was planted in the browser before is worth nothing afterwards.
    """
    token = secrets.token_urlsafe(32)
    now = system.clock.now()
    if replacing:
        await connection.execute(_FORGET, _digest("session", replacing))
    ends = now + timedelta(seconds=system.settings.portal_session_seconds)
    await connection.execute(_ADD, _digest("session", token), merchant_id, now, ends)
    await events.write_event(connection, RecordKind.merchant, str(merchant_id), events.SIGNED_IN, at=now)
    return token


async def find_visitor(system: System, token: str, *, in_use: bool = True) -> Visitor:
    """Who has this token. Raises SignedOut. `in_use`: somebody is there, so the idle time begins anew."""
    now = system.clock.now()
    idle = timedelta(seconds=system.settings.portal_idle_seconds)
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_FIND, _digest("session", token), now, now - idle)
        if row is None:
            raise SignedOut
        session = PortalSession.from_row(row["session"])
        if in_use and now - session.seen_at >= min(SEEN_EVERY, idle / 4):
            await connection.execute(_SEE, session.id, now)
    merchant = Merchant.from_row(row["merchant"])
    bind_contextvars(shop=merchant.shop)
    return Visitor(merchant, token)


def check_csrf(visitor: Visitor, given: str) -> None:
    """Raises CsrfInvalid."""
    if not hmac.compare_digest(visitor.csrf.encode(), given.encode(errors="replace")):
        raise CsrfInvalid


async def sign_out(system: System, visitor: Visitor) -> None:
    """End this session."""
    async with system.database.acquire() as connection:
        await connection.execute(_FORGET, _digest("session", visitor.token))


async def sign_out_everywhere(connection: Connection, merchant_id: int) -> None:
    """End every session of the merchant, on all devices."""
    await connection.execute(_END_ALL, merchant_id)


async def forget_ended(system: System, connection: Connection) -> None:
    """Delete what can not be used any more."""
    now = system.clock.now()
    await connection.execute(_END_OLD, now, now - timedelta(seconds=system.settings.portal_idle_seconds))


def _digest(use: str, token: str) -> str:
    """One digest for each use of a token, so that none of them gives another away."""
    digest = hmac.digest(token.encode(errors="replace"), f"settle portal {use}".encode(), hashlib.sha256)
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
