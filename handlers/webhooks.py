"""Shopify's webhooks: signature first, then one statement, then the answer. What they mean is done by the worker."""

import hashlib
import re
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.arrivals import Arrival
from app.errors import RequestInvalid
from app.shopify.payloads import read_shop
from app.shopify.signature import check_signed_body
from handlers.requests import read_body, system_of

_EVENT_ID = re.compile(r"[!-~]{1,150}")
_TOPIC = re.compile(r"[a-z_]{1,40}(/[a-z_]{1,40}){1,3}")


async def receive_webhook(request: Request) -> Response:
    """POST /webhooks/shopify/{topic...}: 200 once it is stored, the same for one that was stored before."""
    system = system_of(request)
    body = await read_body(request, system.settings.webhook_limit_bytes)
    said = _read_headers(request)
    check_signed_body(body, said.get("hmac-sha256"), system.settings.shopify_client_secrets)
    topic = request.path_params["topic"]
    if not _TOPIC.fullmatch(topic) or said.get("topic", topic) != topic:
        raise RequestInvalid(problem="the topic of the header is not the one of the address")
    event_id = said.get("webhook-id") or _name(topic, body)
    if not _EVENT_ID.fullmatch(event_id):
        raise RequestInvalid(problem="the webhook's id can not be read")
    arrival = Arrival(
        event_id=event_id,
        topic=topic,
        payload=body,
        shop=read_shop(said.get("shop-domain")),
        sent_at=_read_time(said.get("triggered-at")),
    )
    await system.webhooks.open(arrival)
    return Response(status_code=200)


def _read_headers(request: Request) -> dict[str, str]:
    """Shopify's own headers, by what follows `X-Shopify-`: a newer family of events has the same without the X."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        plain = name.removeprefix("x-")
        if plain.startswith("shopify-"):
            found[plain.removeprefix("shopify-")] = value
    return found


def _name(topic: str, body: bytes) -> str:
    """An id for a webhook without one: the same for the same content."""
    return "content:" + hashlib.sha256(topic.encode() + b"\n" + body).hexdigest()


def _read_time(text: str | None) -> datetime | None:
    """When it happened; None when that can not be read, as it is a help and no condition."""
    try:
        time = datetime.fromisoformat(text or "")
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


WEBHOOKS: list[BaseRoute] = [Route("/webhooks/shopify/{topic:path}", receive_webhook, methods=["POST"])]
