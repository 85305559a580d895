"""Requests for privacy: what Shopify asked for, what became of it, and the export to hand over to a customer."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.portal.sessions import Visitor
from app.privacy.requests import RequestNotFound, list_requests, read_export
from handlers.portal.access import signed_in
from handlers.portal.pages import draw
from handlers.requests import Json, system_of

# The longest number of a row.
_DIGITS_MAX = 18


async def show_requests(request: Request, visitor: Visitor) -> Response:
    """GET /portal/privacy."""
    async with system_of(request).database.acquire() as connection:
        found = await list_requests(connection, visitor.merchant.id)
    return await draw(request, visitor, "privacy", requests=found)


async def download_export(request: Request, visitor: Visitor) -> Response:
    """GET /portal/privacy/{request_id}: the export as a file."""
    text = request.path_params["request_id"]
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX:
        raise RequestNotFound
    export = await read_export(system_of(request), int(text), merchant_id=visitor.merchant.id)
    headers = {"Content-Disposition": f'attachment; filename="settle-customer-{text}.json"'}
    return Response(export, media_type="application/json", headers=headers)


async def tell_requests(request: Request, visitor: Visitor) -> Response:
    """GET /portal/api/privacy: the same for a program."""
    async with system_of(request).database.acquire() as connection:
        found = await list_requests(connection, visitor.merchant.id)
    return Json(
        {
            "requests": [
                {
                    "id": one.id,
                    "kind": one.kind,
                    "asked_at": one.asked_at,
                    "due_at": one.due_at,
                    "done_at": one.done_at,
                    "outcome": one.outcome,
                    "payments": one.payments,
                    "download": f"/portal/privacy/{one.id}" if one.export_sealed else None,
                }
                for one in found
            ]
        }
    )


PRIVACY: list[BaseRoute] = [
    Route("/portal/privacy", signed_in(show_requests), methods=["GET"]),
    Route("/portal/privacy/{request_id}", signed_in(download_export), methods=["GET"]),
    Route("/portal/api/privacy", signed_in(tell_requests), methods=["GET"]),
]
