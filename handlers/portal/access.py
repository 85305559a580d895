"""Who may see the portal: every page and call of it goes through `signed_in`."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from app.errors import RequestInvalid, SettleError
from app.portal.sessions import SignedOut, Visitor, check_csrf, find_visitor
from app.settings import Settings
from handlers.portal.pages import draw_problem, is_call, wants_page
from handlers.requests import read_body, system_of

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
_SAFE = frozenset({"GET", "HEAD"})

Answer = Callable[[Request, Visitor], Awaitable[Response]]


def signed_in(answer: Answer, *, in_use: bool = True) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers the merchant of the session, and nobody else: SignedOut for all others.

    What is not a GET must carry the session's CSRF token: in the header `X-CSRF-Token`, or in the field `csrf` of an
    HTML form, whose fields `form_of` then has. Raises SignedOut and, like any error of ours where no
    person reads the answer, CsrfInvalid; a person gets a page instead. Nothing is cached. Not `in_use`: pages ask this
    by themselves, so it keeps no session from ending.
    """

    async def endpoint(request: Request) -> Response:
        visitor = await visitor_of(request, in_use=in_use)
        try:
            if request.method not in _SAFE:
                await _check_csrf(request, visitor)
            response = await answer(request, visitor)
        except SettleError as error:
            if not wants_page(request):
                raise
            response = await draw_problem(request, visitor, error)
        response.headers["Cache-Control"] = "no-store"
        return response

    return endpoint


async def visitor_of(request: Request, *, in_use: bool = True) -> Visitor:
    """Raises SignedOut."""
    system = system_of(request)
    token = request.cookies.get(session_cookie(system.settings))
    if not token:
        raise SignedOut
    return await find_visitor(system, token, in_use=in_use)


def session_cookie(settings: Settings) -> str:
    """The cookie's name. `__Host-`: no other host, and no plain http, can have set it."""
    return cookie_name(settings, "settle_session")


def cookie_name(settings: Settings, name: str) -> str:
    return f"__Host-{name}" if is_https(settings) else name


def is_https(settings: Settings) -> bool:
    return settings.public_url.startswith("https://")


def set_cookie(response: Response, settings: Settings, name: str, value: str, seconds: int) -> None:
    """A cookie that no script reads, sent along when a link or a redirect leads here, but not with others' forms."""
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=seconds,
        path="/",
        secure=is_https(settings),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(response: Response, settings: Settings, name: str) -> None:
    set_cookie(response, settings, name, "", 0)


async def _check_csrf(request: Request, visitor: Visitor) -> None:
    form: dict[str, str] = {}
    is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    # Whoever takes a call reads its body, and can do so once.
    if is_form and not is_call(request):
        form = read_form(await read_body(request))
        request.state.form = form
    check_csrf(visitor, request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD) or "")


def form_of(request: Request) -> dict[str, str]:
    """The fields of the HTML form that a writing request came with; empty when it came without one."""
    form: dict[str, str] = getattr(request.state, "form", {})
    return form


def read_form(body: bytes) -> dict[str, str]:
    """The fields of an HTML form; of several of one name the last. Raises RequestInvalid."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200, errors="strict"))
    except ValueError:
        raise RequestInvalid(problem="it is no form") from None
