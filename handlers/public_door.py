"""The public door: customers, wallets, operators. Everything here can be reached by anybody."""

import asyncio

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.page_feed import PaymentFeed
from app.payments.view_board import ViewBoard
from app.portal.sessions import SignedOut
from app.settings import Settings
from app.system import System
from handlers.checkout_page import PAGES
from handlers.exposition import Exposition
from handlers.frame import Door, RawHeaders
from handlers.helius_webhook import HELIUS
from handlers.install import INSTALL
from handlers.operations import OPERATIONS
from handlers.pages import STATIC_FILES
from handlers.persona_webhook import PERSONA
from handlers.portal import PORTAL
from handlers.portal.pages import answer_signed_out
from handlers.rate_limits import RateLimits
from handlers.transaction_request import TRANSACTIONS
from handlers.webhooks import WEBHOOKS

# A compressed answer tells by its length what is in it. Where a page holds a secret (the portal: its CSRF token) and an
# attacker chooses a part of it, that gives the secret away. These have neither.
COMPRESSED = ("/pay/", "/static/", "/metrics")


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
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        # Not plain same-origin: some wallets open a window of their own, and answer through it.
        (b"cross-origin-opener-policy", b"same-origin-allow-popups"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), clipboard-write=(self)"),
    ]
    if settings.public_url.startswith("https://"):
        headers.append((b"strict-transport-security", b"max-age=31536000"))
    return headers


class Compression:
    """Gzip where it gives nothing away; live streams are left alone by Starlette itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=1_000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._compressed if scope["path"].startswith(COMPRESSED) else self._plain)(scope, receive, send)


async def show_favicon(_request: Request) -> Response:
    return RedirectResponse("/static/icon.svg", 308)


def make_public_door(
    system: System, feed: PaymentFeed, stop: asyncio.Event, exposition: Exposition | None = None
) -> Door:
    """`stop` ends the live streams, so that the server can stop without cutting them off.

    `exposition` answers for several processes, where there are several.
    """
    pages = [
        *PAGES,
        *INSTALL,
        *PORTAL,
        *OPERATIONS,
        Route("/favicon.ico", show_favicon, methods=["GET"]),
        *STATIC_FILES,
    ]
    door = Door(
        system,
        [
            # What wallets and Shopify get is too small to be worth compressing.
            *TRANSACTIONS,
            *WEBHOOKS,
            HELIUS,
            PERSONA,
            Mount("", routes=pages, middleware=[Middleware(Compression)]),
        ],
        headers=security_headers(system.settings),
        error_handlers={SignedOut: answer_signed_out},
        gate=RateLimits(system.settings),
    )
    door.state.feed = feed
    door.state.stop = stop
    door.state.streams = 0
    door.state.view_board = ViewBoard(system)
    door.state.exposition = exposition or Exposition(system)
    return door
