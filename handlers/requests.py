"""What every door does with every request: read no more than the limit, answer errors plainly, log and count."""

import asyncio
import time
from typing import Any

import msgspec
import sentry_sdk
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.database import classify_error, count_trouble
from app.errors import BodyTooLarge, RequestInvalid, RequestTimeout, SettleError
from app.logs import bind_contextvars, clear_contextvars, get_logger
from app.payments.refusals import PaymentNotFound
from app.system import System
from chain.errors import Refused

QUIET_ROUTES = frozenset({"/health", "/ready", "/metrics", "/pay/{payment_id:payment}/status"})
INTERNAL_MESSAGE = "Something went wrong on our side. Nothing is lost; please try again."


class PaymentIdConvertor(Convertor[str]):
    """A payment's id in a path, as app/identifiers.py makes it; anything else is not found without asking anybody."""

    regex = "[A-Za-z0-9_-]{22}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("payment", PaymentIdConvertor())


def system_of(request: Request) -> System:
    """The system that this door serves."""
    system: System = request.app.state.system
    return system


async def refuse_unknown(_request: Request) -> Response:
    """What can not be a payment's id is no payment."""
    raise PaymentNotFound


async def read_body(request: Request) -> bytes:
    """The whole body. Raises BodyTooLarge or RequestTimeout, without reading more than it must."""
    settings = system_of(request).settings
    limit = settings.body_limit_bytes
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(limit=limit)
    parts, size = [], 0
    try:
        async with asyncio.timeout(settings.request_timeout_seconds):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise BodyTooLarge(limit=limit)
                parts.append(part)
    except TimeoutError:
        raise RequestTimeout from None
    except ClientDisconnect:
        raise RequestInvalid(problem="the connection ended before the body did") from None
    return b"".join(parts)


class Json(Response):
    """A JSON answer, encoded by msgspec: structs, enums, times and Decimal included."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


def error_body(reason: str, message: str) -> dict[str, str]:
    """How every error looks. Wallets show `message` (Solana Pay 1.1)."""
    return {"reason": reason, "message": message}


async def answer_error(request: Request, error: Exception) -> Response:
    """The answer for each family of errors: ours say their status, the chain's refusals are the caller's to mend."""
    match error:
        case SettleError():
            reason, message, status = error.reason, error.message, error.status
        case Refused():
            reason, message, status = str(error.reason), error.message, 400
        case HTTPException():
            reason, message, status = "http_error", str(error.detail), error.status_code
        case _:
            reason, message, status = "internal_error", INTERNAL_MESSAGE, 500
            trouble = classify_error(error)
            if trouble is not None:
                count_trouble(trouble, request.url.path, error)
                reason, status = "busy", 503
            else:
                get_logger().exception("request_failed")
                sentry_sdk.capture_exception(error)
    request.state.reason = reason
    headers = {"Retry-After": "2"} if status in (429, 503) else None
    return JSONResponse(error_body(reason, message), status, headers)


ERROR_HANDLERS: dict[Any, Any] = {SettleError: answer_error, Refused: answer_error, HTTPException: answer_error}


class RequestLog:
    """Logs and counts each request, and answers what nothing else caught. Plain ASGI: it costs next to nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        clear_contextvars()
        scope.setdefault("state", {})
        status, began = 0, time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        request = Request(scope)
        if shopify_request_id := request.headers.get("shopify-request-id"):
            bind_contextvars(shopify_request_id=shopify_request_id[:100])
        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            if status:
                raise
            response = await answer_error(request, error)
            await response(scope, receive, watch)
        seconds = time.perf_counter() - began
        route = scope.get("route")
        path = scope.get("root_path", "") + route.path if route is not None else "unknown"
        metrics.request_seconds.labels(route=path, status=str(status)).observe(seconds)
        # Machines that look in every few seconds would drown what matters.
        log = get_logger().debug if path in QUIET_ROUTES and status < 400 else get_logger().info
        log(
            "request",
            method=scope["method"],
            route=path,
            status=status,
            reason=scope["state"].get("reason"),
            milliseconds=round(seconds * 1000, 1),
        )
