"""The merchant's refunds as JSON: what is open, and denying it. Paying is a wallet's: it follows a refund's link."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.errors import RequestInvalid
from app.portal.sessions import Visitor
from app.refunds.denial import deny_refund
from app.refunds.listing import find_refund, list_refunds
from handlers.portal.access import signed_in
from handlers.requests import Json, read_body, system_of


class Denial(msgspec.Struct):
    """Why: a sentence that Shopify shows to the merchant's staff."""

    message: str


_decoder = msgspec.json.Decoder(Denial)


async def list_as_json(request: Request, visitor: Visitor) -> Response:
    """GET /portal/api/refunds: those that wait for the merchant first, then the newest."""
    return Json({"refunds": await list_refunds(system_of(request), visitor.merchant.id)})


async def deny(request: Request, visitor: Visitor) -> Response:
    """POST /portal/api/refunds/{id}/deny: the refund as it is then; Shopify is told when nothing issued can land."""
    system, merchant_id, refund_id = system_of(request), visitor.merchant.id, request.path_params["refund_id"]
    try:
        denial = _decoder.decode(await read_body(request))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestInvalid(problem='the body must be JSON such as {"message": "<why>"}') from None
    await deny_refund(system, merchant_id, refund_id, denial.message)
    return Json({"refund": await find_refund(system, merchant_id, refund_id)})


REFUNDS: list[BaseRoute] = [
    Route("/portal/api/refunds", signed_in(list_as_json), methods=["GET"]),
    Route("/portal/api/refunds/{refund_id:payment}/deny", signed_in(deny), methods=["POST"]),
]
