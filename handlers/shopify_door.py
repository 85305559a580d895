"""Shopify's door: what Shopify calls, over mutual TLS. Served on a port of its own that no browser reaches."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.logs import bind_contextvars
from app.payments.initiation import open_payment, page_url
from app.shopify.payloads import read_payment_session, read_shop
from app.shopify.versions import check_version
from app.system import System
from handlers.frame import Door
from handlers.requests import Json, read_body, system_of


async def open_payment_session(request: Request) -> Response:
    """POST /shopify/payment: Shopify asks where to send a customer who wants to pay."""
    system = system_of(request)
    shop = read_shop(request.headers.get("shopify-shop-domain"))
    bind_contextvars(shop=shop)
    version = check_version(request.headers.get("shopify-api-version", ""))
    session = read_payment_session(await read_body(request))
    opened = await open_payment(system, shop, version, session)
    return Json({"redirect_url": page_url(system, opened.payment)})


def make_shopify_door(system: System) -> Door:
    return Door(system, [Route("/shopify/payment", open_payment_session, methods=["POST"])])
