"""Shopify's OAuth: the merchant's consent, the token endpoint, and the admin's link into the app."""

import base64
import hashlib
import hmac
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store.grants import REFRESH_SECONDS, TOKEN_SECONDS, Grants, Pair, Refused

TARGET = "oauth"
KINDS = {
    "denied": "the merchant does not let the app in: back without a code, with error=access_denied",
    "wrong_hmac": "what the admin and the consent send the browser with is signed with another secret",
    "stale": "the timestamp of what they sign is this many seconds old (default 3600)",
    "padded_host": 'host has its base64 padding; signed as an address encodes it, or with value "plain" as it stands',
    "missing_scope": "the merchant grants less than was asked for: only write_payment_sessions",
    "no_expiry": "expiring=1 is not understood: the token never ends and there is no refresh token",
    "refuse": "the token endpoint knows no code and no token: 400",
    "revoke_exchanged": "a token that never ends is dead once exchanged (off: when the new one is first used)",
}
_SHOP = re.compile(r"[a-z0-9][a-z0-9-_]*\.myshopify\.com")
_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  # a name, no token


@dataclass(frozen=True)
class App:
    """The app as Shopify knows it: its address, where it may be sent back to, its credentials and scopes."""

    client_id: str
    client_secret: str
    url: str
    scopes: frozenset[str]

    @property
    def redirect_uri(self) -> str:
        return f"{self.url}/redirect"

    @property
    def install_url(self) -> str:
        return f"{self.url}/install"


class Oauth:
    """`routes` is for browsers, `api_routes` the token endpoint, around which the faults of target "oauth" lie."""

    def __init__(self, app: App, grants: Grants, clock: VirtualClock, faults: Faults, shop: str) -> None:
        faults.register(TARGET, KINDS)
        self._app = app
        self._grants = grants
        self._clock = clock
        self._faults = faults
        self._shop = shop
        self.routes: list[BaseRoute] = [
            Route("/sandbox/admin/app", self.open_app, methods=["GET"]),
            Route("/shops/{shop}/admin/oauth/authorize", self.authorize, methods=["GET"]),
        ]
        self.api_routes: list[BaseRoute] = [
            Route("/shops/{shop}/admin/oauth/access_token", self.give_token, methods=["POST"])
        ]

    async def open_app(self, request: Request) -> Response:
        """The merchant opens the app in the admin of `?shop=` (default: the demo shop). 302 to the app, signed."""
        shop = request.query_params.get("shop", self._shop)
        if not _SHOP.fullmatch(shop):
            return PlainTextResponse("There is no such shop.", 404)
        return RedirectResponse(f"{self._app.install_url}?{self._sign({'shop': shop})}", 302)

    async def authorize(self, request: Request) -> Response:
        """The consent, which this merchant always gives: 302 back with a code, signed. 400 for what Shopify refuses."""
        asked, shop = request.query_params, request.path_params["shop"]
        if not _SHOP.fullmatch(shop):
            return PlainTextResponse("There is no such shop.", 404)
        if asked.get("client_id") != self._app.client_id:
            return PlainTextResponse("There is no app with this client_id.", 400)
        if asked.get("redirect_uri") != self._app.redirect_uri:
            return PlainTextResponse("The redirect_uri is not whitelisted.", 400)
        wanted = set(filter(None, asked.get("scope", "").split(","))) or self._app.scopes
        if not wanted <= self._app.scopes:
            return PlainTextResponse("The app may not have these scopes.", 400)
        back = {"shop": shop, "state": asked.get("state", "")}
        if self._faults.take(TARGET, "denied"):
            back |= {"error": "access_denied"}
        else:
            scopes = {"write_payment_sessions"} if self._faults.take(TARGET, "missing_scope") else wanted
            back |= {"code": self._grants.consent(shop, ",".join(sorted(scopes)))}
        return RedirectResponse(f"{self._app.redirect_uri}?{self._sign(back)}", 302)

    async def give_token(self, request: Request) -> Response:
        """A code, a refresh token or a lasting token for the next token; form or JSON."""
        headers = {"x-request-id": str(uuid.uuid4())}
        asked = _read_fields(await request.body(), request.headers.get("content-type", ""))
        if asked.get("client_id") != self._app.client_id or asked.get("client_secret") != self._app.client_secret:
            return JSONResponse({"error": "application_cannot_be_found"}, 401, headers)
        try:
            if self._faults.take(TARGET, "refuse"):
                raise Refused("Not now")
            answer = self._grant(request.path_params["shop"], asked)
        except Refused as refusal:
            return JSONResponse({"error": "invalid_request", "error_description": str(refusal)}, 400, headers)
        return JSONResponse(answer, headers=headers)

    def _grant(self, shop: str, asked: dict[str, Any]) -> dict[str, Any]:
        expiring = str(asked.get("expiring", "")) == "1" and not self._faults.take(TARGET, "no_expiry")
        match asked.get("grant_type", "authorization_code"):
            case "authorization_code":
                return _describe(self._grants.use_code(shop, str(asked.get("code", "")), expiring=expiring))
            case "refresh_token":
                return _describe(self._grants.refresh(shop, str(asked.get("refresh_token", ""))))
            case grant if grant == _TOKEN_EXCHANGE and expiring:
                revoke = bool(self._faults.peek(TARGET, "revoke_exchanged"))
                subject = str(asked.get("subject_token", ""))
                return _describe(self._grants.exchange(shop, subject, revoke=revoke))
            case grant:
                raise Refused(f"grant_type {grant} is not supported here")

    def _sign(self, parameters: dict[str, str]) -> str:
        """A query as Shopify sends it: with host and timestamp, and signed over all of it, sorted."""
        stale = self._faults.take(TARGET, "stale")
        age = 0 if stale is None else int(3_600 if stale.value is None else stale.value)
        padded = self._faults.take(TARGET, "padded_host")
        host = base64.urlsafe_b64encode(f"{parameters['shop']}/admin".encode()).decode()
        if padded is None:
            host = host.rstrip("=")
        all_of_it = parameters | {"host": host, "timestamp": str(int(self._clock.now().timestamp()) - age)}
        plain = padded is not None and padded.value == "plain"
        text = "&".join(f"{k}={v if plain else quote(v, safe='')}" for k, v in sorted(all_of_it.items()))
        secret = "another" if self._faults.take(TARGET, "wrong_hmac") else self._app.client_secret
        digest = hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()
        return urlencode(all_of_it | {"hmac": digest})


def _describe(pair: Pair) -> dict[str, Any]:
    answer: dict[str, Any] = {"access_token": pair.access, "scope": pair.scopes}
    if pair.refresh is not None:
        answer |= {
            "expires_in": TOKEN_SECONDS,
            "refresh_token": pair.refresh,
            "refresh_token_expires_in": REFRESH_SECONDS,
        }
    return answer


def _read_fields(body: bytes, content_type: str) -> dict[str, Any]:
    text = body.decode(errors="replace")
    if not content_type.startswith("application/json"):
        return dict(parse_qsl(text))
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
