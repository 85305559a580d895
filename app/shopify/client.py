"""Shopify's Payments Apps API: one call, one answer. Nothing here retries: that is the ladder's."""

import asyncio
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from app import metrics
from app.clock import Clock
from app.logs import get_logger
from app.shopify.throttle import Throttle, read_cost
from app.tracing import tracing

_DOCUMENTS = Path(__file__).parent / "mutations"


# Every mutation there is, by its name in GraphQL.
MUTATIONS = tuple(
    re.sub(r"_([a-z])", lambda found: found[1].upper(), path.stem) for path in sorted(_DOCUMENTS.glob("*.graphql"))
)


@dataclass(frozen=True)
class Answer:
    """What came back: `status` is None when nothing did, and `body` then tells of the trouble."""

    status: int | None
    body: bytes
    request_id: str | None = None
    retry_after_seconds: int = 0


@cache
def document(mutation: str) -> str:
    """The text of a mutation by its name in GraphQL: paymentSessionResolve is in payment_session_resolve.graphql."""
    name = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", mutation)
    return (_DOCUMENTS / f"{name}.graphql").read_text()


class ShopifyClient:
    """One connection pool for all shops, and a throttle for each."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, shop_url: str, timeout_seconds: float) -> None:
        self._client = client
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._shop_url = shop_url
        self._throttle = Throttle()

    def wait_seconds(self, shop: str, mutation: str) -> float:
        """How long the shop's bucket is still too empty for the mutation; 0: it may be sent."""
        return self._throttle.wait_seconds(shop, mutation, self._clock.now())

    async def send(self, shop: str, token: str, version: str, mutation: str, variables: dict[str, Any]) -> Answer:
        """Send a mutation. Never raises for trouble on the way: a lost answer is an answer, too."""
        with tracing.span(f"Shopify {mutation}", shop=shop, mutation=mutation):
            answer = await self._send(shop, token, version, mutation, variables)
            tracing.note(http_status=answer.status, shopify_answer_request_id=answer.request_id)
            return answer

    async def _send(self, shop: str, token: str, version: str, mutation: str, variables: dict[str, Any]) -> Answer:
        url = f"{self._shop_url.format(shop=shop)}/payments_apps/api/{version}/graphql.json"
        self._throttle.begin(shop, mutation)
        cost = None
        try:
            # The client's own timeouts count silence: who drips an answer would keep us for ever.
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.post(
                    url,
                    json={"query": document(mutation), "variables": variables},
                    headers={"X-Shopify-Access-Token": token},
                )
            cost = read_cost(response.content)
        except (httpx.HTTPError, TimeoutError) as error:
            get_logger().warning("shopify_unreachable", shop=shop, mutation=mutation, error=type(error).__name__)
            return Answer(None, type(error).__name__.encode())
        finally:
            self._throttle.end(shop, mutation, cost, self._clock.now())
        self._tell_version(shop, mutation, version, response.headers)
        answer = Answer(
            status=response.status_code,
            body=response.content,
            request_id=response.headers.get("x-request-id"),
            retry_after_seconds=_seconds(response.headers.get("retry-after")),
        )
        get_logger().info(
            "shopify_answered",
            shop=shop,
            mutation=mutation,
            status=answer.status,
            shopify_answer_request_id=answer.request_id,
        )
        return answer

    def _tell_version(self, shop: str, mutation: str, asked: str, headers: httpx.Headers) -> None:
        """Shopify serves another version when ours has run out, and says what it means to take away."""
        served, reason = headers.get("x-shopify-api-version"), headers.get("x-shopify-api-deprecated-reason")
        if reason or (served and served != asked):
            metrics.shopify_deprecations_total.labels(mutation=mutation, version=asked).inc()
            get_logger().warning(
                "shopify_api_deprecated", shop=shop, mutation=mutation, version=asked, served=served, problem=reason
            )


def _seconds(header: str | None) -> int:
    return (
        min(math.ceil(Decimal(header)), 86_400) if header and re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", header) else 0
    )
