"""The customer's page: the amount, the QR code, live status, and the way back to the shop."""

import asyncio
import hashlib
import io
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import segno
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from app import metrics
from app.errors import SettleError
from app.logs import bind_contextvars, get_logger
from app.payments.expiry import renew
from app.payments.feed import PaymentFeed
from app.payments.view import SENTENCES, PaymentView, Stage, quote_for_page, view_payment
from app.system import System
from handlers.requests import Json, refuse_unknown, system_of

STATIC = Path(__file__).parent / "static"
# A stream that has nothing to say speaks up now and then, so that nobody in between closes it.
HEARTBEAT_SECONDS = 15
# An event, not a comment: the page's script hears it, and knows that the stream lives.
_PING = b"event: ping\ndata: -\n\n"
# Stages in which the code can be scanned.
PAYABLE = frozenset({Stage.unpriced, Stage.waiting, Stage.approve})

_pages = Environment(loader=PackageLoader("handlers"), autoescape=True, undefined=StrictUndefined)
_NO_STORE = {"Cache-Control": "no-store"}


@lru_cache(maxsize=1)
def static_version() -> str:
    """Changes whenever a static file does, so that browsers may keep them for long."""
    content = b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))
    return hashlib.sha256(content).hexdigest()[:12]


@lru_cache(maxsize=1024)
def draw_qr(link: str) -> Markup:
    """A QR code as inline SVG, dark on nothing. 10 ms of work, so it is done off the event loop."""
    drawing = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        drawing, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=0, svgclass=None, lineclass=None
    )
    # The drawing is made of digits and our own link, which has no character that HTML knows.
    return Markup(drawing.getvalue().decode())  # noqa: S704


def payment_link(system: System, payment_id: str) -> str:
    """What the QR code says (Solana Pay): short, because a shorter code is easier to scan."""
    return f"solana:{system.settings.public_url}/transactions/payment/{payment_id}"


async def show_page(request: Request) -> Response:
    """GET /pay/{id}."""
    system, payment_id = system_of(request), request.path_params["payment_id"]
    bind_contextvars(payment_id=payment_id)
    view = await _view(system, payment_id)
    if view.redirect_url:
        # 303, not 301: browsers would keep that for ever.
        return RedirectResponse(view.redirect_url, 303)
    link = payment_link(system, payment_id) if view.stage in PAYABLE else None
    html = _pages.get_template("pay.html").render(
        view=view,
        now=system.clock.now(),
        payment_id=payment_id,
        link=link,
        qr_svg=await asyncio.to_thread(draw_qr, link) if link else None,
        sandbox_url=system.settings.sandbox_url,
        sentences=SENTENCES,
        static_version=static_version(),
    )
    return HTMLResponse(html, headers=_NO_STORE)


async def show_status(request: Request) -> Response:
    """GET /pay/{id}/status: the same as the stream, once."""
    system = system_of(request)
    view = await _view(system, request.path_params["payment_id"])
    return Json(_told(system, view), headers=_NO_STORE)


async def stream_status(request: Request) -> Response:
    """GET /pay/{id}/events: server-sent events named `status`, one at once and one after each change."""
    system, payment_id = system_of(request), request.path_params["payment_id"]
    view = await _view(system, payment_id)
    if request.app.state.streams >= system.settings.page_streams_max:
        raise HTTPException(503, "Too many live pages; please poll.")
    return StreamingResponse(
        _stream(request, system, payment_id, view), media_type="text/event-stream", headers=_NO_STORE
    )


async def _stream(request: Request, system: System, payment_id: str, view: PaymentView) -> AsyncIterator[bytes]:
    feed: PaymentFeed = request.app.state.feed
    stop: asyncio.Event = request.app.state.stop
    ends = time.monotonic() + system.settings.page_stream_seconds
    request.app.state.streams += 1
    metrics.page_streams.inc()
    try:
        async with feed.watch(payment_id) as changed:
            # Read again inside the watch: what changed just before it is not missed.
            sent: PaymentView | None = None
            while not stop.is_set() and time.monotonic() < ends:
                changed.clear()
                view = await _view(system, payment_id)
                yield _event(system, view) if view != sent else _PING
                sent = view
                if view.ended and view.stage is not Stage.review:
                    return
                await _wait_any(changed, stop, seconds=HEARTBEAT_SECONDS)
    finally:
        request.app.state.streams -= 1
        metrics.page_streams.dec()


async def _wait_any(*events: asyncio.Event, seconds: float) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _view(system: System, payment_id: str) -> PaymentView:
    view = await view_payment(system, payment_id)
    if view.stage is not Stage.unpriced:
        return view
    try:
        await quote_for_page(system, payment_id)
    except SettleError as error:
        get_logger().info("page_without_price", reason=error.reason)
        return view
    return await view_payment(system, payment_id)


def _told(system: System, view: PaymentView) -> dict[str, Any]:
    """The view with our time, by which the page counts down: the customer's clock may be wrong."""
    return {**msgspec.structs.asdict(view), "now": system.clock.now()}


def _event(system: System, view: PaymentView) -> bytes:
    return b"event: status\ndata: " + msgspec.json.encode(_told(system, view)) + b"\n\n"


async def show_problem(request: Request, error: SettleError) -> Response:
    """An error as a page, for people; other callers get it as JSON."""
    html = _pages.get_template("message.html").render(
        title="Nothing to pay here" if error.status == 404 else "Please try again",
        message=error.message,
        back_url=None,
        static_version=static_version(),
    )
    request.state.reason = error.reason
    return HTMLResponse(html, error.status, headers=_NO_STORE)


async def start_again(request: Request) -> Response:
    """POST /pay/{id}/renew: the customer of an expired payment is back."""
    payment_id = request.path_params["payment_id"]
    await renew(system_of(request), payment_id)
    return RedirectResponse(f"/pay/{payment_id}", 303)


PAGES = [
    Route("/pay/{payment_id:payment}/renew", start_again, methods=["POST"]),
    Route("/pay/{payment_id:payment}", show_page, methods=["GET"], name="page"),
    Route("/pay/{payment_id:payment}/status", show_status, methods=["GET"]),
    Route("/pay/{payment_id:payment}/events", stream_status, methods=["GET"]),
    Route("/pay/{anything:path}", refuse_unknown, methods=["GET", "POST"]),
]
