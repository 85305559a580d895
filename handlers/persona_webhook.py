"""Persona's webhook: signature first, then one INSERT, then the answer. What it means is done by the worker."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.identity.webhook import receive_event
from handlers.requests import read_body, system_of


async def take_persona(request: Request) -> Response:
    """POST: an inquiry has moved on. 200 once it is stored, the same for one that was stored before."""
    system = system_of(request)
    body = await read_body(request, system.settings.webhook_limit_bytes)
    await receive_event(system, request.headers.get("persona-signature", ""), body)
    return Response(status_code=200)


PERSONA = Route("/webhooks/persona", take_persona, methods=["POST"])
