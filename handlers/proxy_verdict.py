"""Shopify's door behind a proxy that ends TLS: the proxy's verdict on the client certificate, in a header."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.types import Scope

from app.errors import SettleError
from app.settings import Settings
from handlers.network_address import is_among

# As nginx says it in $ssl_client_verify.
VERIFIED = "SUCCESS"


class ProxyUnknown(SettleError):
    """This door is open to the proxy in front of it only."""

    reason = "proxy_unknown"
    status = 403


class ClientUnverified(SettleError):
    """This door needs a client certificate from one of Shopify's authorities."""

    reason = "client_unverified"
    status = 403


def make_gate(settings: Settings) -> Callable[[Scope], None] | None:
    """What lets pass only that which the proxy itself brought and verified. None: this door ends TLS itself.

    Whoever else can reach the port could write any header, so the peer's own address decides first.
    """
    if not settings.shopify_proxies:
        return None

    def judge(scope: Scope) -> None:
        request = Request(scope)
        if request.client is None or not is_among(request.client.host, settings.shopify_proxies):
            raise ProxyUnknown
        # Twice the header means that somebody but the proxy wrote one.
        if request.headers.getlist(settings.shopify_verdict_header) != [VERIFIED]:
            raise ClientUnverified

    return judge
