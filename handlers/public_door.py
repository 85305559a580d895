"""The public door: customers, wallets, operators. Everything here can be reached by anybody."""

import asyncio

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.health import Gauges
from app.payments.feed import PaymentFeed
from app.payments.refusals import PaymentNotFound
from app.portal.sessions import SignedOut
from app.system import System
from handlers.checkout_page import PAGES, STATIC, show_problem
from handlers.operations import OPERATIONS
from handlers.portal import PORTAL
from handlers.portal.pages import answer_signed_out
from handlers.requests import ERROR_HANDLERS, RequestLog, answer_error
from handlers.transaction_request import TRANSACTIONS

VERSIONED_SECONDS = 31_536_000
PLAIN_SECONDS = 3_600


class SecurityHeaders:
    """No page asks for anything outside itself, runs nothing inline, and is framed by nobody."""

    def __init__(self, app: ASGIApp, public_url: str, sandbox_url: str) -> None:
        self._app = app
        self._https = public_url.startswith("https://")
        callable_origins = " ".join(filter(None, ("'self'", sandbox_url)))
        self._policy = (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
            f"connect-src {callable_origins}; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if self._https:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                if scope["path"].startswith("/static/") and message["status"] == 200:
                    # With its version in the address a file never changes; without, it is asked for again some day.
                    lasting = b"v=" in scope["query_string"]
                    headers["Cache-Control"] = f"public, max-age={VERSIONED_SECONDS if lasting else PLAIN_SECONDS}"
                    # A wallet in a browser shows our icon from its own origin.
                    headers["Access-Control-Allow-Origin"] = "*"
            await send(message)

        await self._app(scope, receive, with_headers)


async def show_favicon(_request: Request) -> Response:
    return RedirectResponse("/static/icon.svg", 308)


async def answer_unknown(request: Request, error: PaymentNotFound) -> Response:
    """A customer gets a page, everybody else JSON."""
    wants_page = "text/html" in request.headers.get("accept", "") and request.url.path.startswith("/pay/")
    return await (show_problem(request, error) if wants_page else answer_error(request, error))


def make_public_door(system: System, feed: PaymentFeed, stop: asyncio.Event) -> Starlette:
    """`stop` ends the live streams, so that the server can stop without cutting them off."""
    door = Starlette(
        routes=[
            *PAGES,
            TRANSACTIONS,
            *PORTAL,
            *OPERATIONS,
            Route("/favicon.ico", show_favicon, methods=["GET"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            # Outermost, so that also the answers to what nothing else caught have these headers.
            Middleware(SecurityHeaders, public_url=system.settings.public_url, sandbox_url=system.settings.sandbox_url),
            Middleware(RequestLog),
            Middleware(GZipMiddleware, minimum_size=1_000),
        ],
        exception_handlers=ERROR_HANDLERS | {PaymentNotFound: answer_unknown, SignedOut: answer_signed_out},
    )
    # A redirect would lead to whatever host the request names.
    door.router.redirect_slashes = False
    door.state.system = system
    door.state.feed = feed
    door.state.stop = stop
    door.state.streams = 0
    door.state.gauges = Gauges()
    return door
