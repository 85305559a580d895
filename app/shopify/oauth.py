"""Shopify's OAuth: the consent's address, and the tokens (facts/shopify.md section 6). One call, one answer."""

import asyncio
from typing import Annotated
from urllib.parse import urlencode

import httpx
import msgspec
from msgspec import Meta, Struct

from app.errors import SettleError
from app.logs import get_logger

_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  # a name, no token
_OFFLINE_TOKEN = "urn:shopify:params:oauth:token-type:offline-access-token"  # noqa: S105

# What goes into a header: visible ASCII.
Token = Annotated[str, Meta(pattern=r"^[!-~]{1,1024}\Z")]
# Longer than any token lives, short enough for a date.
Seconds = Annotated[int, Meta(ge=1, le=10 * 366 * 86_400)]


class GrantRefused(SettleError):
    """Shopify did not accept this sign-in: it was used before, or has ended. Open the app from your Shopify admin."""

    reason = "grant_refused"
    status = 400


class OauthUnavailable(SettleError):
    """Shopify does not answer right now. Please try again in a moment."""

    reason = "shopify_unavailable"
    status = 503


class Grant(Struct, frozen=True):
    """What Shopify granted. Without `expires_in` the access token never ends, and then there is no refresh token."""

    access_token: Token
    scope: str
    expires_in: Seconds | None = None
    refresh_token: Token | None = None
    refresh_token_expires_in: Seconds | None = None

    def __repr__(self) -> str:
        return f"Grant(scope={self.scope!r}, expires_in={self.expires_in!r})"


_decoder = msgspec.json.Decoder(Grant)


class OauthClient:
    """The OAuth endpoints of every shop."""

    def __init__(
        self, client: httpx.AsyncClient, shop_url: str, client_id: str, client_secret: str, timeout_seconds: float
    ) -> None:
        self._client = client
        self._shop_url = shop_url
        self._credentials = {"client_id": client_id, "client_secret": client_secret}
        self._timeout_seconds = timeout_seconds

    def consent_url(self, shop: str, state: str, redirect_uri: str, scopes: tuple[str, ...]) -> str:
        """Where the merchant consents. Without scopes, those of the app's configuration are asked for."""
        asked = {"client_id": self._credentials["client_id"], "redirect_uri": redirect_uri, "state": state}
        if scopes:
            asked["scope"] = ",".join(scopes)
        # An empty grant option asks for an offline token: one that outlives the merchant's visit.
        return f"{self._shop_url.format(shop=shop)}/admin/oauth/authorize?{urlencode(asked | {'grant_options[]': ''})}"

    async def exchange_code(self, shop: str, code: str) -> Grant:
        """The token for a code, which is good once. Raises GrantRefused or OauthUnavailable."""
        return await self._ask(shop, {"code": code, "expiring": "1"})

    async def refresh(self, shop: str, refresh_token: str) -> Grant:
        """The next pair of tokens. Raises GrantRefused or OauthUnavailable: then the old pair is still the one."""
        return await self._ask(shop, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def exchange_lasting(self, shop: str, access_token: str) -> Grant:
        """An expiring token for one that never ends. Raises GrantRefused or OauthUnavailable."""
        return await self._ask(
            shop,
            {
                "grant_type": _TOKEN_EXCHANGE,
                "subject_token": access_token,
                "subject_token_type": _OFFLINE_TOKEN,
                "requested_token_type": _OFFLINE_TOKEN,
                "expiring": "1",
            },
        )

    async def _ask(self, shop: str, what: dict[str, str]) -> Grant:
        url = f"{self._shop_url.format(shop=shop)}/admin/oauth/access_token"
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.post(url, data=self._credentials | what)
        except (httpx.HTTPError, TimeoutError) as error:
            get_logger().warning("oauth_unreachable", shop=shop, error=type(error).__name__)
            raise OauthUnavailable from error
        get_logger().info(
            "oauth_answered",
            shop=shop,
            grant_type=what.get("grant_type", "code"),
            status=response.status_code,
            shopify_answer_request_id=response.headers.get("x-request-id"),
        )
        if response.status_code in (400, 401, 403):
            raise GrantRefused
        if response.status_code != 200:
            raise OauthUnavailable
        try:
            grant = _decoder.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            get_logger().warning("oauth_answer_unreadable", shop=shop)
            raise OauthUnavailable from None
        if (grant.expires_in is None) != (grant.refresh_token is None):
            get_logger().warning("oauth_answer_incomplete", shop=shop)
            raise OauthUnavailable
        return grant
