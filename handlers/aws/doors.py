"""The two doors behind API Gateway's HTTP APIs (payload format 2.0)."""

import asyncio
from typing import Any

import msgspec
from mangum import Mangum

from app.page_feed import PaymentFeed
from handlers.aws.container import CONTAINER, Container, Event
from handlers.public_door import make_public_door
from handlers.requests import error_body
from handlers.shopify_door import make_shopify_door

_NO_CERTIFICATE = error_body("client_certificate_missing", "This door is Shopify's: it wants a client certificate.")


class LambdaDoor:
    """One door in one container: made at the first event, with the container's system."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._application: Mangum | None = None

    def make(self) -> Any:
        """The ASGI application."""
        raise NotImplementedError

    def __call__(self, event: Event, context: Any) -> Any:
        _, bell = self._container.ready()
        if self._application is None:
            self._application = Mangum(self.make(), lifespan="off")
        answer = self._application(event, context)
        # Before the answer: after it, nothing runs any more.
        self._container.loop.run_until_complete(bell.ring())
        return answer


class ShopifyLambda(LambdaDoor):
    def make(self) -> Any:
        return make_shopify_door(self._container.ready()[0])

    def __call__(self, event: Event, context: Any) -> Any:
        """API Gateway has checked the certificate against the trust store; without one, it came another way."""
        authentication = event.get("requestContext", {}).get("authentication") or {}
        if not (authentication.get("clientCert") or {}).get("clientCertPem"):
            return _answer(403, _NO_CERTIFICATE)
        return super().__call__(event, context)


class PublicLambda(LambdaDoor):
    def make(self) -> Any:
        system, _ = self._container.ready()
        door = make_public_door(system, PaymentFeed(), asyncio.Event())
        # A stream would hold an invocation for minutes: none is opened, and the page polls.
        door.state.streams = system.settings.page_streams_max
        return door


def _answer(status: int, body: dict[str, str]) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": msgspec.json.encode(body).decode()}


shopify = ShopifyLambda(CONTAINER)
public = PublicLambda(CONTAINER)
