"""What every door does with a request: read no more of its body than the limit, and answer errors plainly."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from app.database import classify_error, count_trouble
from app.errors import BodyTooLarge, RequestInvalid, RequestTimeout, SettleError
from app.languages.errors import word_error
from app.languages.sentences import sentence
from app.payments.refusals import PaymentNotFound
from app.reporting import report_bug
from app.system import System
from chain.errors import Refused
from handlers.pages import browsers_reader, render_page

ErrorHandler = Callable[[Request, Any], Awaitable[Response]]

UNKNOWN_HEADING = sentence("Nothing to pay here")
TROUBLE_HEADING = sentence("Please try again")
# Of errors that do not know it better.
RETRY_AFTER_SECONDS = 2
INTERNAL_MESSAGE = "Something went wrong on our side. Nothing is lost; please try again."


class NameConvertor(Convertor[str]):
    """What something of ours is named in a path; anything else is not found without asking anybody."""

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class IdConvertor(NameConvertor):
    """An id, as app/identifiers.py makes it."""

    regex = "[A-Za-z0-9_-]{22}"


class DigestConvertor(NameConvertor):
    """SHA-256 in hex."""

    regex = "[0-9a-f]{64}"


register_url_convertor("payment", IdConvertor())
register_url_convertor("digest", DigestConvertor())


def system_of(request: Request) -> System:
    """The system that this door serves."""
    system: System = request.app.state.system
    return system


async def refuse_unknown(request: Request) -> Response:
    """What can not be a payment's id is no payment."""
    request.state.reader = browsers_reader(request)
    raise PaymentNotFound


async def read_body(request: Request, limit: int | None = None) -> bytes:
    """The whole body, of at most `limit` bytes (default: the doors' own limit).

    Raises BodyTooLarge or RequestTimeout, without reading more than it must.
    """
    settings = system_of(request).settings
    limit = settings.body_limit_bytes if limit is None else limit
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
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
    """The answer for each family of errors: ours say their status, the chain's refusals are the caller's to mend.

    Where a customer or a merchant reads it, `request.state.reader` says in which language.
    """
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
                report_bug("request_failed", error)
    request.state.reason = reason
    wait = getattr(error, "retry_after_seconds", RETRY_AFTER_SECONDS)
    headers = {"Retry-After": str(wait)} if status in (429, 503) else {}
    if _wants_page(request):
        return _show_problem(request, error, status, headers)
    reader = getattr(request.state, "reader", None)
    if reader is not None:
        message = word_error(error, reader)
    return JSONResponse(error_body(reason, message), status, headers)


def _wants_page(request: Request) -> bool:
    """A customer gets a page, everybody else JSON."""
    return request.url.path.startswith("/pay/") and "text/html" in request.headers.get("accept", "")


def _show_problem(request: Request, error: Exception, status: int, headers: dict[str, str]) -> Response:
    is_unknown = isinstance(error, PaymentNotFound)
    reader = browsers_reader(request)
    page = render_page(
        "message.html",
        reader,
        status,
        heading=UNKNOWN_HEADING if is_unknown else TROUBLE_HEADING,
        message=word_error(error, reader),
        may_help_to_try_again=not is_unknown,
    )
    page.headers.update(headers)
    return page
