"""Helius' webhook: the agreed header first, then one INSERT, then the answer. What it means is done by the worker."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.watching import helius
from handlers.requests import Json, read_body, system_of


async def take_helius(request: Request) -> Response:
    """POST: transactions of our fee payers, as Helius saw them."""
    system = system_of(request)
    # Before anything of the body is read: strangers shall cost nothing.
    cluster = helius.find_cluster(system, request.headers.get("authorization", ""))
    body = await read_body(request, system.settings.webhook_limit_bytes)
    return Json({"new": await helius.receive(system, cluster, body)})


HELIUS = Route("/webhooks/helius", take_helius, methods=["POST"])
