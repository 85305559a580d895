"""The one-time state of a merchant's way through Shopify's consent: known to that browser, and here."""

import hashlib
import hmac
import secrets
from datetime import timedelta

from app.database import Connection
from app.errors import SettleError
from app.system import System

_ADD = "INSERT INTO oauth_states (digest, shop, expires_at) VALUES ($1, $2, $3)"
_USE = "DELETE FROM oauth_states WHERE digest = $1 AND shop = $2 AND expires_at > $3 RETURNING digest"
_END_OLD = "DELETE FROM oauth_states WHERE expires_at <= $1"


class StateInvalid(SettleError):
    """This sign-in was begun in another browser, took too long, or was used before. Open the app from Shopify again."""

    reason = "state_invalid"
    status = 403


async def issue_state(system: System, shop: str) -> str:
    """A new state: for the address of Shopify's consent, and for a cookie of the browser that goes there."""
    state = secrets.token_urlsafe(32)
    ends = system.clock.now() + timedelta(seconds=system.settings.oauth_state_seconds)
    async with system.database.acquire() as connection:
        await connection.execute(_ADD, _digest(state), shop, ends)
    return state


async def use_state(system: System, shop: str, state: str, cookie: str) -> None:
    """The browser is back with the state that it was given for this shop. Once: raises StateInvalid ever after."""
    if not hmac.compare_digest(state.encode(errors="replace"), cookie.encode(errors="replace")):
        raise StateInvalid
    async with system.database.acquire() as connection:
        if await connection.fetchval(_USE, _digest(state), shop, system.clock.now()) is None:
            raise StateInvalid


async def forget_old_states(system: System, connection: Connection) -> None:
    """Delete those whose time is over."""
    await connection.execute(_END_OLD, system.clock.now())


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode(errors="replace")).hexdigest()
