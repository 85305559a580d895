"""Installing the app in a shop, and signing the merchant in: both are the same way through Shopify's OAuth."""

from dataclasses import dataclass
from datetime import datetime

from app import events
from app.database import Connection
from app.errors import SettleError
from app.install.states import issue_state, use_state
from app.logs import bind_contextvars, get_logger
from app.merchants import move_merchant
from app.onboarding.configuration import configure
from app.portal.sessions import sign_in
from app.privacy.digests import new_customer_key
from app.records import Merchant, MerchantStatus, RecordKind
from app.shopify.oauth import Grant
from app.shopify.payloads import read_shop
from app.shopify.signature import check_fresh, read_signed_query
from app.system import System

_CODE_LENGTH_MAX = 512

# A merchant is not ready by being installed: it has no wallet yet.
_ADD = """
INSERT INTO merchants (shop, display_name, status, installed_at, created_at, updated_at, customer_key_sealed)
VALUES ($1, $2, 'inactive', $3, $3, $3, $4) RETURNING id
"""
_PICK_UP = """
UPDATE merchants SET installed_at = $2, uninstalled_at = NULL, updated_at = $2,
    customer_key_sealed = coalesce(customer_key_sealed, $3)
WHERE id = $1
"""


# Why the merchant has the status that it has.
_LAST_MOVE = """
SELECT detail->>'because' FROM events WHERE record = 'merchant' AND record_id = $1 AND kind = $2
ORDER BY id DESC LIMIT 1
"""


class ConsentMissing(SettleError):
    """The app was not allowed into the shop, so nothing was installed. Open it from your Shopify admin to try again."""

    reason = "consent_missing"
    status = 403


class ScopesMissing(SettleError):
    """The shop did not grant what this app needs: {missing}. Nothing was installed."""

    reason = "scopes_missing"
    status = 403


@dataclass(frozen=True)
class Consent:
    """Where a merchant's browser goes next, and the state that it must bring back."""

    url: str
    state: str


def redirect_uri(system: System) -> str:
    """Where Shopify sends the merchant after the consent; the app's settings at Shopify must name it."""
    return f"{system.settings.public_url}/redirect"


async def begin(system: System, query: bytes) -> Consent:
    """Shopify sent a merchant here, signed. Raises RequestInvalid, ShopInvalid, SignatureInvalid, RequestStale."""
    shop, _ = _read_signed(system, query)
    state = await issue_state(system, shop)
    settings = system.settings
    scopes = settings.shopify_scopes if settings.shopify_ask_scopes else ()
    return Consent(system.oauth.consent_url(shop, state, redirect_uri(system), scopes), state)


async def complete(system: System, query: bytes, *, state_cookie: str, old_session: str | None) -> str:
    """The merchant is back from the consent: get and store the token, and sign the browser in.

    Returns the token of its session. Raises what `begin` does, StateInvalid, ConsentMissing, ScopesMissing,
    GrantRefused or OauthUnavailable.
    """
    shop, parameters = _read_signed(system, query)
    await use_state(system, shop, parameters.get("state", ""), state_cookie)
    code = parameters.get("code", "")
    if not 0 < len(code) <= _CODE_LENGTH_MAX:
        raise ConsentMissing
    async with system.tokens.turn(shop) as connection:
        # Before the call: what Shopify says of a later time is news.
        at = system.clock.now()
        grant = await system.oauth.exchange_code(shop, code)
        _check_scopes(system, grant)
        merchant_id = await _install(
            connection, shop, new_customer_key(system.keyring), system.settings.shopify_api_version, at=at
        )
        await system.tokens.store(connection, merchant_id, grant, at=at)
        session = await sign_in(system, connection, merchant_id, replacing=old_session)
    get_logger().info("shop_signed_in", scopes=grant.scope, expires_in=grant.expires_in)
    return session


def _read_signed(system: System, query: bytes) -> tuple[str, dict[str, str]]:
    parameters = read_signed_query(query, system.settings.shopify_client_secrets)
    shop = read_shop(parameters.get("shop"))
    bind_contextvars(shop=shop)
    check_fresh(parameters, system.clock.now(), system.settings.oauth_freshness_seconds)
    return shop, parameters


def _check_scopes(system: System, grant: Grant) -> None:
    granted = {scope.strip() for scope in grant.scope.split(",")}
    # To write implies to read.
    granted |= {"read_" + scope.removeprefix("write_") for scope in granted if scope.startswith("write_")}
    if missing := [scope for scope in system.settings.shopify_scopes if scope not in granted]:
        raise ScopesMissing(missing=", ".join(missing))


async def _install(connection: Connection, shop: str, customer_key: bytes, version: str, *, at: datetime) -> int:
    """The shop's row: a new one, or the old one with its wallet and its history. Nobody else is at it."""
    row = await connection.fetchrow("SELECT * FROM merchants WHERE shop = $1 FOR NO KEY UPDATE", shop)
    if row is None:
        merchant_id: int = await connection.fetchval(_ADD, shop, shop.removesuffix(".myshopify.com"), at, customer_key)
        await events.write_event(
            connection,
            RecordKind.merchant,
            str(merchant_id),
            events.CREATED,
            at=at,
            to_status=MerchantStatus.inactive,
            shop=shop,
        )
        get_logger().info("shop_installed")
        return merchant_id
    merchant = Merchant.from_row(row)
    await connection.execute(_PICK_UP, merchant.id, at, customer_key)
    if merchant.uninstalled_at is not None:
        await events.write_event(connection, RecordKind.merchant, str(merchant.id), events.INSTALLED, at=at)
        get_logger().info("shop_installed_again")
        # Who was paused or turned down before stays so: only what the uninstall ended goes on.
        because = await connection.fetchval(_LAST_MOVE, str(merchant.id), events.MOVED)
        if because == events.UNINSTALLED and await move_merchant(
            connection, merchant.id, MerchantStatus.active, at=at, because="installed_again"
        ):
            # To Shopify it is an app that was never configured.
            await configure(connection, merchant.id, ready=True, version=version, at=at)
    return merchant.id
