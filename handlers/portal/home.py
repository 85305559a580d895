"""The portal's first page, the ways out of it, and what is answered where there is no page."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.errors import SettleError
from app.portal.listing import PaymentFilter, list_payments
from app.portal.overview import read_overview
from app.portal.payout import refresh_payout
from app.portal.sessions import Visitor, sign_out, sign_out_everywhere
from handlers.portal.access import drop_cookie, signed_in
from handlers.portal.pages import draw, draw_outside
from handlers.portal.plots import NARROW, WIDE, plot_days
from handlers.requests import Json, system_of

# Of the newest payments so many stand on the first page.
NEWEST_MAX = 6


class PageNotFound(SettleError):
    """The portal has no such page. What you look for may have moved: begin at the overview."""

    reason = "page_not_found"
    status = 404


async def show_overview(request: Request, visitor: Visitor) -> Response:
    """GET /portal: how the shop does."""
    system = system_of(request)
    merchant = await refresh_payout(system, visitor.merchant)
    visitor = replace(visitor, merchant=merchant)
    overview = await read_overview(system, merchant.id)
    newest = await list_payments(system, merchant.id, PaymentFilter(), size=NEWEST_MAX)
    wide, narrow = (plot_days(overview.month.days, size) for size in (WIDE, NARROW))
    return await draw(request, visitor, "overview", overview=overview, newest=newest.lines, wide=wide, narrow=narrow)


async def tell_session(_request: Request, visitor: Visitor) -> Response:
    """GET /portal/api/session: what a writing call needs."""
    return Json({"csrf": visitor.csrf})


async def leave(request: Request, visitor: Visitor) -> Response:
    """POST /portal/sign-out: this browser's session ends."""
    await sign_out(system_of(request), visitor)
    return _goodbye(request, "You are signed out.")


async def leave_everywhere(request: Request, visitor: Visitor) -> Response:
    """POST /portal/sign-out-everywhere: every session of the merchant's ends."""
    async with system_of(request).database.acquire() as connection:
        await sign_out_everywhere(connection, visitor.merchant.id)
    return _goodbye(request, "You are signed out on every device.")


def _goodbye(request: Request, sentence: str) -> Response:
    response = draw_outside(request, "Goodbye", sentence, 200)
    drop_cookie(response, system_of(request).settings, "settle_session")
    return response


async def show_nothing(_request: Request, _visitor: Visitor) -> Response:
    """GET /portal/...: an address of nothing. Raises PageNotFound."""
    raise PageNotFound


HOME: list[BaseRoute] = [
    Route("/portal", signed_in(show_overview), methods=["GET"]),
    Route("/portal/sign-out", signed_in(leave), methods=["POST"]),
    Route("/portal/sign-out-everywhere", signed_in(leave_everywhere), methods=["POST"]),
    Route("/portal/api/session", signed_in(tell_session), methods=["GET"]),
]
# After all others: the first route that fits answers.
NOWHERE: list[BaseRoute] = [Route("/portal/{anything:path}", signed_in(show_nothing), methods=["GET"])]
