"""The merchant's refunds: the list, one refund to approve or to deny, and how far it is."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.portal.actions import Attention, attend_refund, resend_refund
from app.portal.payout import look_at_payout
from app.portal.refunds import list_refunds, read_refund
from app.portal.sessions import Visitor
from app.portal.timeline import tell
from app.portal.words import describe_refund
from app.records import RefundStatus
from app.refunds.denial import MESSAGE_MAX, deny_refund
from app.refunds.listing import refund_link
from handlers.checkout_page import CHAINS
from handlers.portal.access import form_of, signed_in
from handlers.portal.filters import read_cursor
from handlers.portal.pages import draw
from handlers.qr_code import draw_qr
from handlers.requests import Json, system_of

LIST = "/portal/refunds"
ONE = f"{LIST}/{{refund_id:payment}}"


async def show_list(request: Request, visitor: Visitor) -> Response:
    """GET /portal/refunds: open ones first."""
    cursor = read_cursor(request.query_params)
    page = await list_refunds(system_of(request), visitor.merchant.id, cursor)
    return await draw(
        request,
        visitor,
        "refunds",
        page=page,
        begins=cursor is None,
        older=f"{LIST}?cursor={page.older}" if page.older else None,
    )


async def show_refund(request: Request, visitor: Visitor) -> Response:
    """GET /portal/refunds/{id}: what it is about, the code that pays it, the form that denies it, and its story."""
    system, merchant = system_of(request), visitor.merchant
    story = await read_refund(system, merchant, request.path_params["refund_id"])
    is_open = story.refund.status is RefundStatus.pending
    link = refund_link(system, story.refund.id)
    qr_svg, payout = None, None
    if is_open:
        # The balance is looked at before anything else, and said: a wallet would only say that it failed.
        qr_svg, payout = await asyncio.gather(
            asyncio.to_thread(draw_qr, link), look_at_payout(system, merchant.wallet, story.line.cluster)
        )
    return await draw(
        request,
        visitor,
        "refund",
        story=story,
        refund=story.refund,
        line=story.line,
        standing=describe_refund(story.line),
        moments=tell(story.events, story.told),
        is_open=is_open,
        link=link,
        qr_svg=qr_svg,
        payout=payout,
        chain=CHAINS[story.line.cluster],
        message_max=MESSAGE_MAX,
    )


async def tell_status(request: Request, visitor: Visitor) -> Response:
    """GET /portal/api/refunds/{id}: how it stands; `mark` is another when the page would be."""
    story = await read_refund(system_of(request), visitor.merchant, request.path_params["refund_id"])
    standing = describe_refund(story.line)
    return Json({
        "id": story.refund.id,
        "status": story.refund.status,
        "standing": standing.label,
        "sentence": standing.sentence,
        "mark": story.mark,
    })  # fmt: skip


async def deny(request: Request, visitor: Visitor) -> Response:
    """POST /portal/refunds/{id}/deny: field `message`."""
    refund_id = request.path_params["refund_id"]
    await deny_refund(system_of(request), visitor.merchant.id, refund_id, form_of(request).get("message", ""))
    return RedirectResponse(f"{LIST}/{refund_id}?done=denied", 303)


async def resend(request: Request, visitor: Visitor) -> Response:
    """POST /portal/refunds/{id}/resend."""
    refund_id = request.path_params["refund_id"]
    await resend_refund(system_of(request), visitor.merchant, refund_id)
    return RedirectResponse(f"{LIST}/{refund_id}?done=resent", 303)


async def attend(request: Request, visitor: Visitor) -> Response:
    """POST /portal/refunds/{id}/attend: field `note`."""
    refund_id, note = request.path_params["refund_id"], form_of(request).get("note", "").strip()
    await attend_refund(system_of(request), visitor.merchant, refund_id, note=note)
    return RedirectResponse(f"{LIST}/{refund_id}?done={Attention.settled_elsewhere}", 303)


REFUND_PAGES: list[BaseRoute] = [
    Route(LIST, signed_in(show_list), methods=["GET"]),
    Route(ONE, signed_in(show_refund), methods=["GET"]),
    Route(f"{ONE}/deny", signed_in(deny), methods=["POST"]),
    Route(f"{ONE}/resend", signed_in(resend), methods=["POST"]),
    Route(f"{ONE}/attend", signed_in(attend), methods=["POST"]),
    Route("/portal/api/refunds/{refund_id:payment}", signed_in(tell_status, in_use=False), methods=["GET"]),
]
