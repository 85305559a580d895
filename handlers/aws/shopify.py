"""Shopify's door as a function."""

from typing import Any

import msgspec

from handlers.aws.container import CONTAINER, Event
from handlers.aws.doors import LambdaDoor
from handlers.requests import error_body
from handlers.shopify_door import make_shopify_door

_NO_CERTIFICATE = error_body("client_certificate_missing", "This door is Shopify's: it wants a client certificate.")


class ShopifyLambda(LambdaDoor):
    def make(self) -> Any:
        return make_shopify_door(self._container.ready()[0])

    def __call__(self, event: Event, context: Any) -> Any:
        """API Gateway has checked the certificate against the trust store; without one, it came another way."""
        authentication = event.get("requestContext", {}).get("authentication") or {}
        if not (authentication.get("clientCert") or {}).get("clientCertPem"):
            return _answer(403, _NO_CERTIFICATE)
        return super().__call__(event, context)


def _answer(status: int, body: dict[str, str]) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": msgspec.json.encode(body).decode()}


handle = ShopifyLambda(CONTAINER)
