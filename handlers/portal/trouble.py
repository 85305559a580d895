"""What needs a person, and what a person does about it."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.errors import RequestInvalid
from app.portal import actions
from app.portal.attention import read_attention
from app.portal.payout import refresh_payout
from app.portal.sessions import Visitor
from handlers.portal.access import form_of, signed_in
from handlers.portal.pages import draw
from handlers.portal.payments import LIST
from handlers.requests import system_of


async def show_attention(request: Request, visitor: Visitor) -> Response:
    """GET /portal/attention."""
    system = system_of(request)
    visitor = replace(visitor, merchant=await refresh_payout(system, visitor.merchant))
    attention = await read_attention(system, visitor.merchant)
    return await draw(request, visitor, "attention", attention=attention)


async def resend(request: Request, visitor: Visitor) -> Response:
    """POST /portal/payments/{id}/resend."""
    payment_id = request.path_params["payment_id"]
    await actions.resend(system_of(request), visitor.merchant.id, payment_id)
    return RedirectResponse(f"{LIST}/{payment_id}?done=resent", 303)


async def attend(request: Request, visitor: Visitor) -> Response:
    """POST /portal/payments/{id}/attend: fields `how`, and where given `signature` and `note`."""
    payment_id, form = request.path_params["payment_id"], form_of(request)
    try:
        how = actions.Attention(form.get("how", ""))
    except ValueError:
        raise RequestInvalid(problem="how it was dealt with is not said") from None
    await actions.attend(
        system_of(request),
        visitor.merchant.id,
        payment_id,
        how,
        signature=form.get("signature", "").strip(),
        note=form.get("note", "").strip(),
    )
    return RedirectResponse(f"{LIST}/{payment_id}?done={how}", 303)


TROUBLE: list[BaseRoute] = [
    Route("/portal/attention", signed_in(show_attention), methods=["GET"]),
    Route(f"{LIST}/{{payment_id:payment}}/resend", signed_in(resend), methods=["POST"]),
    Route(f"{LIST}/{{payment_id:payment}}/attend", signed_in(attend), methods=["POST"]),
]
