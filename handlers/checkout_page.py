"""The customer's page: the amount, the QR code, live status, and the way back to the shop."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from app import metrics
from app.errors import SettleError
from app.languages.reader import Reader
from app.logs import bind_contextvars, get_logger
from app.page_feed import PaymentFeed
from app.payments.expiry import renew
from app.payments.view import OPENED_MEANWHILE, PAYABLE, PaymentView, Stage, quote_for_page
from app.payments.wording import amount_of, find_reader, reader_of, word_view
from app.records import Cluster
from app.system import System
from app.transactions.relay import send_signed
from handlers.pages import NO_STORE, render_page
from handlers.qr_code import draw_qr
from handlers.requests import Json, read_body, refuse_unknown, system_of
from handlers.signed_transaction import read_signed

# A stream that has nothing to say speaks up now and then, so that nobody in between closes it.
HEARTBEAT_SECONDS = 15
# Nobody tells that a price can be had again, so a page without one looks by itself.
PRICE_LOOK_SECONDS = 3
# An event, not a comment: the page's script hears it, and knows that the stream lives.
_PING = b"event: ping\ndata: -\n\n"

# How the Wallet Standard calls the clusters.
CHAINS = {Cluster.live: "solana:mainnet", Cluster.test: "solana:devnet"}


def payment_link(system: System, payment_id: str) -> str:
    """What the QR code says (Solana Pay): short, because a shorter code is easier to scan."""
    return f"solana:{system.settings.public_url}/transactions/payment/{payment_id}"


async def show_page(request: Request) -> Response:
    """GET /pay/{id}."""
    system, payment_id = system_of(request), request.path_params["payment_id"]
    bind_contextvars(payment_id=payment_id)
    view = await _view(request, payment_id)
    if view.redirect_url:
        # 303, not 301: browsers would keep that for ever.
        return RedirectResponse(view.redirect_url, 303, headers=NO_STORE)
    reader = _reader(request, view)
    link = payment_link(system, payment_id) if view.stage in PAYABLE else None
    return render_page(
        "pay.html",
        reader,
        view=word_view(view, reader),
        money=amount_of(view, reader),
        now=system.clock.now(),
        payment_id=payment_id,
        link=link,
        qr_svg=await asyncio.to_thread(draw_qr, link) if link else None,
        chain=CHAINS[Cluster.test if view.test else Cluster.live],
        page_url=f"{system.settings.public_url}/pay/{payment_id}",
        sandbox_url=system.settings.sandbox_url,
        opened_meanwhile=OPENED_MEANWHILE if view.stage in (Stage.connected, Stage.approve) else None,
    )


async def show_status(request: Request) -> Response:
    """GET /pay/{id}/status: the same as the stream, once."""
    system = system_of(request)
    view = await _view(request, request.path_params["payment_id"])
    return Json(_told(system, view, _reader(request, view)), headers=NO_STORE)


async def stream_status(request: Request) -> Response:
    """GET /pay/{id}/events: server-sent events named `status`, one at once and one after each change."""
    system, payment_id = system_of(request), request.path_params["payment_id"]
    view = await _view(request, payment_id)
    if request.app.state.streams >= system.settings.page_streams_max:
        raise HTTPException(503, "Too many live pages; please poll.")
    stream = _stream(request, system, payment_id, _reader(request, view))
    # A proxy that gathers an answer before it sends it on would hold the news back.
    return StreamingResponse(stream, media_type="text/event-stream", headers=NO_STORE | {"X-Accel-Buffering": "no"})


async def _stream(request: Request, system: System, payment_id: str, reader: Reader) -> AsyncIterator[bytes]:
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
                view = await _view(request, payment_id)
                yield _event(system, view, reader) if view != sent else _PING
                sent = view
                if view.ended and view.stage is not Stage.review:
                    return
                patience = PRICE_LOOK_SECONDS if view.stage is Stage.unpriced else HEARTBEAT_SECONDS
                await _wait_any(changed, stop, seconds=min(patience, max(ends - time.monotonic(), 0)))
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


async def _view(request: Request, payment_id: str) -> PaymentView:
    system, board = system_of(request), request.app.state.view_board
    view: PaymentView = await board.read(payment_id)
    if view.stage is not Stage.unpriced:
        return view
    try:
        await quote_for_page(system, payment_id)
    except SettleError as error:
        get_logger().info("page_without_price", reason=error.reason)
        return view
    priced: PaymentView = await board.read(payment_id)
    return priced


def _reader(request: Request, view: PaymentView) -> Reader:
    return reader_of(view, request.headers.get("accept-language"))


def _told(system: System, view: PaymentView, reader: Reader) -> dict[str, Any]:
    """The view with our time, by which the page counts down: the customer's clock may be wrong."""
    return {**msgspec.structs.asdict(word_view(view, reader)), "now": system.clock.now()}


def _event(system: System, view: PaymentView, reader: Reader) -> bytes:
    return b"event: status\ndata: " + msgspec.json.encode(_told(system, view, reader)) + b"\n\n"


async def start_again(request: Request) -> Response:
    """POST /pay/{id}/renew: the customer of an expired payment is back."""
    payment_id = request.path_params["payment_id"]
    await renew(system_of(request), payment_id)
    return RedirectResponse(f"/pay/{payment_id}", 303)


async def take_signed(request: Request) -> Response:
    """POST /pay/{id}/signed: a wallet in the browser that only signs left the sending to the page."""
    system, payment_id = system_of(request), request.path_params["payment_id"]
    bind_contextvars(payment_id=payment_id)
    body = await read_body(request)
    request.state.reader = await find_reader(system, payment_id, request.headers.get("accept-language"))
    signature = await send_signed(system, payment_id, read_signed(body))
    return Json({"signature": signature}, headers=NO_STORE)


PAGES = [
    Route("/pay/{payment_id:payment}/renew", start_again, methods=["POST"]),
    Route("/pay/{payment_id:payment}/signed", take_signed, methods=["POST"]),
    Route("/pay/{payment_id:payment}", show_page, methods=["GET"], name="page"),
    Route("/pay/{payment_id:payment}/status", show_status, methods=["GET"]),
    Route("/pay/{payment_id:payment}/events", stream_status, methods=["GET"]),
    Route("/pay/{anything:path}", refuse_unknown, methods=["GET", "POST"]),
]
