"""The merchant's payments: the list, one payment with its story, the finder, and the export."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from app.money import from_base_units
from app.portal.clues import ClueUnreadable
from app.portal.export import export_payments
from app.portal.finder import find_payment
from app.portal.history import read_history
from app.portal.listing import PaymentLine, list_payments
from app.portal.refunds import list_refunds_of
from app.portal.returns import list_returns
from app.portal.sessions import Visitor
from app.portal.timeline import tell
from app.portal.words import describe
from handlers.portal.access import signed_in
from handlers.portal.filters import Filters, read_cursor
from handlers.portal.pages import draw
from handlers.requests import Json, system_of

LIST = "/portal/payments"
EXPORT = "/portal/payments.csv"


async def show_list(request: Request, visitor: Visitor) -> Response:
    """GET /portal/payments."""
    filters = Filters.read(request.query_params)
    cursor = read_cursor(request.query_params)
    page, problem = None, None
    try:
        page = await list_payments(system_of(request), visitor.merchant.id, filters.wanted(), cursor=cursor)
    except ClueUnreadable as error:
        # What was typed stands in the field; the page says what is wrong with it.
        problem = error.message
    return await draw(
        request,
        visitor,
        "payments",
        status=400 if problem else 200,
        filters=filters,
        page=page,
        problem=problem,
        begins=cursor is None,
        newer=filters.link(LIST, cursor=page.newer) if page and page.newer else None,
        older=filters.link(LIST, cursor=page.older) if page and page.older else None,
        export=filters.link(EXPORT),
    )


async def export(request: Request, visitor: Visitor) -> Response:
    """GET /portal/payments.csv: the list with the same filters, whole."""
    wanted = Filters.read(request.query_params).wanted()
    system = system_of(request)
    name = f"settle-payments-{system.clock.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    pieces = export_payments(system, visitor.merchant.id, wanted)
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)


async def show_payment(request: Request, visitor: Visitor) -> Response:
    """GET /portal/payments/{id}: one payment, and all that happened to it."""
    system, payment_id = system_of(request), request.path_params["payment_id"]
    story = await read_history(system, visitor.merchant.id, payment_id)
    return await draw(
        request,
        visitor,
        "payment",
        story=story,
        payment=story.payment,
        standing=describe(story.line),
        moments=tell(story.events, story.told),
        returns=list_returns(story),
        refunds=await list_refunds_of(system, visitor.merchant.id, payment_id),
    )


async def find(request: Request, visitor: Visitor) -> Response:
    """GET /portal/find?query=...: the one answer to whatever was pasted."""
    query = request.query_params.get("query", "").strip()
    finding, problem = None, None
    if query:
        try:
            finding = await find_payment(system_of(request), visitor.merchant, query)
        except ClueUnreadable as error:
            problem = error.message
    return await draw(
        request,
        visitor,
        "find",
        status=400 if problem else 200,
        query=query,
        finding=finding,
        problem=problem,
        everything=Filters(query=query).link(LIST),
    )


async def list_as_json(request: Request, visitor: Visitor) -> Response:
    """GET /portal/api/payments?query=...: the list with its filters; `next` is the next page's cursor."""
    filters = Filters.read(request.query_params)
    cursor = read_cursor(request.query_params)
    page = await list_payments(system_of(request), visitor.merchant.id, filters.wanted(), cursor=cursor)
    return Json({
        "payments": [_as_json(line) for line in page.lines],
        "next": str(page.older) if page.older else None,
    })  # fmt: skip


def _as_json(line: PaymentLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "shopify_id": line.shopify_id,
        "group": line.group,
        "amount": f"{line.amount.normalize():f}",
        "currency": line.currency,
        "usdc": None if line.usdc is None else f"{from_base_units(line.usdc).normalize():f}",
        "status": line.status,
        "exception": line.exception,
        "standing": describe(line).label,
        "test": line.test,
        "wallet": line.wallet,
        "signature": line.signature,
        "created_at": line.created_at,
        "paid_at": line.paid_at,
        "link": f"{LIST}/{line.id}",
    }


PAYMENTS: list[BaseRoute] = [
    Route(LIST, signed_in(show_list), methods=["GET"]),
    Route(EXPORT, signed_in(export), methods=["GET"]),
    Route(f"{LIST}/{{payment_id:payment}}", signed_in(show_payment), methods=["GET"]),
    Route("/portal/find", signed_in(find), methods=["GET"]),
    Route("/portal/api/payments", signed_in(list_as_json), methods=["GET"]),
]
