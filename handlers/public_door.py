"""The public door: customers, wallets, operators. Everything here can be reached by anybody."""

import asyncio

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.health import Gauges
from app.payments.feed import PaymentFeed
from app.payments.refusals import PaymentNotFound
from app.portal.sessions import SignedOut
from app.settings import Settings
from app.system import System
from handlers.checkout_page import PAGES, STATIC, show_problem
from handlers.frame import Door, RawHeaders
from handlers.helius_webhook import HELIUS
from handlers.install import INSTALL
from handlers.operations import OPERATIONS
from handlers.portal import PORTAL
from handlers.portal.pages import answer_signed_out
from handlers.requests import answer_error
from handlers.transaction_request import TRANSACTIONS
from handlers.webhooks import WEBHOOKS

VERSIONED_SECONDS = 31_536_000
PLAIN_SECONDS = 3_600


def security_headers(settings: Settings) -> RawHeaders:
    """No page asks for anything outside itself, runs nothing inline, and is framed by nobody."""
    callable_origins = " ".join(filter(None, ("'self'", settings.sandbox_url)))
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        f"connect-src {callable_origins}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    if settings.public_url.startswith("https://"):
        headers.append((b"strict-transport-security", b"max-age=31536000"))
    return headers


class Files(StaticFiles):
    """Our files: kept for long, and shown by wallets that run in a browser from their own origin."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            # With its version in the address a file never changes; without, it is asked for again some day.
            lasting = b"v=" in scope["query_string"]
            response.headers["Cache-Control"] = f"public, max-age={VERSIONED_SECONDS if lasting else PLAIN_SECONDS}"
            response.headers["Access-Control-Allow-Origin"] = "*"
        return response


async def show_favicon(_request: Request) -> Response:
    return RedirectResponse("/static/icon.svg", 308)


async def answer_unknown(request: Request, error: PaymentNotFound) -> Response:
    """A customer gets a page, everybody else JSON."""
    wants_page = "text/html" in request.headers.get("accept", "") and request.url.path.startswith("/pay/")
    return await (show_problem(request, error) if wants_page else answer_error(request, error))


def make_public_door(system: System, feed: PaymentFeed, stop: asyncio.Event) -> Door:
    """`stop` ends the live streams, so that the server can stop without cutting them off."""
    pages = [
        *PAGES,
        *INSTALL,
        *PORTAL,
        *OPERATIONS,
        Route("/favicon.ico", show_favicon, methods=["GET"]),
        Mount("/static", Files(directory=STATIC)),
    ]
    door = Door(
        system,
        [
            # What wallets and Shopify get is too small to be worth compressing.
            *TRANSACTIONS,
            *WEBHOOKS,
            HELIUS,
            Mount("", routes=pages, middleware=[Middleware(GZipMiddleware, minimum_size=1_000)]),
        ],
        headers=security_headers(system.settings),
        error_handlers={PaymentNotFound: answer_unknown, SignedOut: answer_signed_out},
    )
    door.state.feed = feed
    door.state.stop = stop
    door.state.streams = 0
    door.state.gauges = Gauges()
    return door
