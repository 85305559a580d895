"""Shopify's door: what Shopify calls, over mutual TLS. Served on a port of its own that no browser reaches."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.declined_sessions import open_declined
from app.logs import bind_contextvars
from app.payments.initiation import open_payment, page_url
from app.records import DeclinedKind
from app.refunds.initiation import open_refund
from app.shopify.payloads import read_declinable_session, read_payment_session, read_refund_session, read_shop
from app.shopify.versions import check_version
from app.system import System
from handlers.frame import Door
from handlers.proxy_verdict import make_gate
from handlers.requests import Json, read_body, system_of


async def open_payment_session(request: Request) -> Response:
    """POST /shopify/payment: Shopify asks where to send a customer who wants to pay."""
    system = system_of(request)
    shop, version = _read_headers(request)
    session = read_payment_session(await read_body(request))
    opened = await open_payment(system, shop, version, session)
    return Json({"redirect_url": page_url(system, opened.payment)})


async def open_refund_session(request: Request) -> Response:
    """POST /shopify/refund: a merchant wants to give money back. 201 and nothing more, as Shopify wants it."""
    shop, version = _read_headers(request)
    await open_refund(system_of(request), shop, version, read_refund_session(await read_body(request)))
    return Response(status_code=201)


async def decline_capture_session(request: Request) -> Response:
    """POST /shopify/capture: taken note of, and declined soon after: nothing is ever authorized."""
    return await _decline(request, DeclinedKind.capture)


async def decline_void_session(request: Request) -> Response:
    """POST /shopify/void: as a capture."""
    return await _decline(request, DeclinedKind.void)


async def _decline(request: Request, kind: DeclinedKind) -> Response:
    shop, version = _read_headers(request)
    session = read_declinable_session(await read_body(request))
    await open_declined(system_of(request), kind, shop, version, session)
    return Response(status_code=201)


def _read_headers(request: Request) -> tuple[str, str]:
    """The shop and the API version. Raises ShopInvalid or ApiVersionUnknown."""
    shop = read_shop(request.headers.get("shopify-shop-domain"))
    bind_contextvars(shop=shop)
    return shop, check_version(request.headers.get("shopify-api-version", ""))


SESSIONS = [
    Route("/shopify/payment", open_payment_session, methods=["POST"]),
    Route("/shopify/refund", open_refund_session, methods=["POST"]),
    Route("/shopify/capture", decline_capture_session, methods=["POST"]),
    Route("/shopify/void", decline_void_session, methods=["POST"]),
]


def make_shopify_door(system: System) -> Door:
    return Door(system, SESSIONS, gate=make_gate(system.settings))
