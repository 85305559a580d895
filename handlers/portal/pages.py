"""How the portal's pages are drawn. A page is a template in templates/portal that extends base.html there."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.errors import SettleError
from app.portal.sessions import SignedOut, Visitor
from handlers.checkout_page import static_version
from handlers.requests import answer_error, system_of

_templates = Environment(loader=PackageLoader("handlers"), autoescape=True, undefined=StrictUndefined)


def draw(name: str, visitor: Visitor, **what: Any) -> HTMLResponse:
    """A page for who is signed in: templates/portal/NAME.html, which also knows `merchant` and `csrf`."""
    html = _templates.get_template(f"portal/{name}.html").render(
        merchant=visitor.merchant, csrf=visitor.csrf, static_version=static_version(), **what
    )
    return HTMLResponse(html)


def draw_outside(request: Request, title: str, sentence: str, status: int) -> HTMLResponse:
    """A page for who is not signed in: what is the matter, and how to sign in."""
    html = _templates.get_template("portal/outside.html").render(
        title=title,
        sentence=sentence,
        sandbox_url=system_of(request).settings.sandbox_url,
        static_version=static_version(),
    )
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


async def answer_signed_out(request: Request, error: SignedOut) -> Response:
    """A person gets a page that says how to sign in, a program JSON."""
    return await answer_outside(request, error, "Sign in to Settle")


async def answer_outside(request: Request, error: SettleError, title: str) -> Response:
    """An error for somebody who is not (yet) signed in: a page for a browser's visit, JSON for everything else."""
    is_call = request.url.path.startswith("/portal/api/")
    if is_call or "text/html" not in request.headers.get("accept", ""):
        return await answer_error(request, error)
    request.state.reason = error.reason
    return draw_outside(request, title, error.message, error.status)
