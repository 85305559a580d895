"""How the portal's pages are drawn. A page is a template in templates/portal that extends shell.html there."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.errors import SettleError
from app.languages.reader import ENGLISH
from app.money import format_amount, format_usdc, from_base_units
from app.portal.attention import count_attention
from app.portal.sessions import SignedOut, Visitor
from app.portal.words import describe, describe_refund, explain_trouble
from app.privacy.nobody import NOBODY
from app.records import Cluster
from app.settings import Settings
from handlers.pages import make_templates
from handlers.requests import answer_error, system_of

LAMPORTS_PER_SOL = 10**9

# What a page says after something was done, by the word in its address: never text that the address brings along.
DONE = {
    "resent": "Shopify is being told once more.",
    "sent_back": "Noted: the money was sent back.",
    "settled_elsewhere": "Noted: this is dealt with.",
    "denied": "The refund is denied.",
    "proved": "The wallet is yours: that is proved.",
    "accepted": "Accepted.",
    "opened": "Your shop takes USDC payments. Shopify is being told.",
    "paused": "Payments are paused, and Shopify is being told.",
    "saved": "Saved.",
}


def format_day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%-d %b %Y}"


def format_time(at: datetime) -> str:
    """A moment for people; the page's script turns it into the reader's own time."""
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def format_sol(lamports: int) -> str:
    return f"{(Decimal(lamports) / LAMPORTS_PER_SOL).quantize(Decimal('0.0001')):,f}"


def format_share(share: Decimal) -> str:
    return f"{(share * 100).quantize(Decimal('0.1')):f} %"


def format_cents(units: int) -> str:
    """A sum of USDC, to the cent: what is exact stands with each payment."""
    return f"{from_base_units(units).quantize(Decimal('0.01')):,f}"


def format_seconds(seconds: float) -> str:
    """A duration of a payment: `0.4 s`, `12 s`, `2 min 5 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def format_span(span: timedelta) -> str:
    """How long ago, or how long still, in the one unit that matters."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = seconds // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"


def shorten(text: str) -> str:
    """The beginning and end of an address or signature: enough to compare with another by eye."""
    return text if len(text) <= 11 else f"{text[:5]}…{text[-5:]}"


_templates = make_templates()
_templates.filters |= {
    "day": format_day,
    "moment": format_time,
    "sol": format_sol,
    "share": format_share,
    "seconds": format_seconds,
    "span": format_span,
    "usdc": format_usdc,
    "cents": format_cents,
    "short": shorten,
}
_templates.globals |= {
    "amount_of": format_amount,
    "describe": describe,
    "describe_refund": describe_refund,
    "explain_trouble": explain_trouble,
    "language": ENGLISH.language,
    "nobody": NOBODY,
}


def explorer_link(settings: Settings, cluster: Cluster, kind: str, text: str) -> str:
    """Where people look at a transaction (`tx`) or an account (`address`) of this cluster."""
    pattern = settings.test_explorer_url if cluster is Cluster.test else settings.explorer_url
    return pattern.replace("{kind}", kind).replace("{id}", text)


async def draw(request: Request, visitor: Visitor, name: str, *, status: int = 200, **what: Any) -> HTMLResponse:
    """A page for who is signed in: templates/portal/NAME.html.

    Beside `what` it knows `merchant`, `csrf`, the time, what needs attention, and what was just done.
    """
    system = system_of(request)
    badges = await count_attention(system, visitor.merchant)
    html = _templates.get_template(f"portal/{name}.html").render(
        merchant=visitor.merchant,
        csrf=visitor.csrf,
        now=system.clock.now(),
        path=request.url.path,
        attention_count=badges.attention,
        refunds_waiting=badges.refunds,
        done=DONE.get(request.query_params.get("done", "")),
        sandbox_url=system.settings.sandbox_url,
        explorer=lambda cluster, kind, text: explorer_link(system.settings, cluster, kind, text),
        **what,
    )
    return HTMLResponse(html, status)


async def draw_problem(request: Request, visitor: Visitor, error: SettleError) -> HTMLResponse:
    """An error as a page, for who is signed in."""
    request.state.reason = error.reason
    title = "Not found" if error.status == 404 else "That did not work"
    return await draw(request, visitor, "problem", status=error.status, title=title, sentence=error.message)


def draw_outside(request: Request, title: str, sentence: str, status: int) -> HTMLResponse:
    """A page for who is not signed in: what is the matter, and how to sign in."""
    html = _templates.get_template("portal/outside.html").render(
        title=title,
        sentence=sentence,
        sandbox_url=system_of(request).settings.sandbox_url,
    )
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


async def answer_signed_out(request: Request, error: SignedOut) -> Response:
    """A person gets a page that says how to sign in, a program JSON."""
    return await answer_outside(request, error, "Sign in to Settle")


async def answer_outside(request: Request, error: SettleError, title: str) -> Response:
    """An error for somebody who is not (yet) signed in: a page for a browser's visit, JSON for everything else."""
    if not wants_page(request):
        return await answer_error(request, error)
    request.state.reason = error.reason
    return draw_outside(request, title, error.message, error.status)


def is_call(request: Request) -> bool:
    """Whether it is one of the portal's JSON calls, which know neither pages nor forms."""
    return request.url.path.startswith("/portal/api/")


def wants_page(request: Request) -> bool:
    """Whether a person is there to read a page; programs are not."""
    return not is_call(request) and "text/html" in request.headers.get("accept", "")
