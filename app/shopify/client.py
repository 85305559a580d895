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

from app.logs import get_logger

_DOCUMENTS = Path(__file__).parent / "mutations"


@dataclass(frozen=True)
class Answer:
    """What came back: `status` is None when nothing did, and `body` then tells of the trouble."""

    status: int | None
    body: bytes
    request_id: str | None = None
    retry_after_seconds: int = 0


@cache
def document(name: str) -> str:
    """The text of a mutation; files are named in snake_case: payment_session_resolve.graphql."""
    return (_DOCUMENTS / f"{name}.graphql").read_text()


class ShopifyClient:
    """One connection pool for all shops."""

    def __init__(self, client: httpx.AsyncClient, shop_url: str, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._shop_url = shop_url

    async def send(self, shop: str, token: str, version: str, name: str, variables: dict[str, Any]) -> Answer:
        """Send a mutation by its file's name. Never raises for trouble on the way: a lost answer is an answer, too."""
        url = f"{self._shop_url.format(shop=shop)}/payments_apps/api/{version}/graphql.json"
        try:
            # The client's own timeouts count silence: who drips an answer would keep us for ever.
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.post(
                    url,
                    json={"query": document(name), "variables": variables},
                    headers={"X-Shopify-Access-Token": token},
                )
        except (httpx.HTTPError, TimeoutError) as error:
            get_logger().warning("shopify_unreachable", shop=shop, mutation=name, error=type(error).__name__)
            return Answer(None, type(error).__name__.encode())
        answer = Answer(
            status=response.status_code,
            body=response.content,
            request_id=response.headers.get("x-request-id"),
            retry_after_seconds=_seconds(response.headers.get("retry-after")),
        )
        get_logger().info(
            "shopify_answered",
            shop=shop,
            mutation=name,
            status=answer.status,
            shopify_answer_request_id=answer.request_id,
        )
        return answer


def _seconds(header: str | None) -> int:
    return (
        min(math.ceil(Decimal(header)), 86_400) if header and re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", header) else 0
    )
