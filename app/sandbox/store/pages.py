"""The store as a customer sees it: a product, the checkout, the order."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from app.sandbox.store.books import Books, Session
from app.sandbox.store.checkouts import BadCheckout, Checkouts, Wish, read_wish
from app.sandbox.store.money import count_decimals, show_amount

_HERE = Path(__file__).parent
SHOP_NAME = "Settle Sandbox Store"
# Currency -> price of the one product.
PRICES = {"USD": "24.00", "EUR": "22.00", "JPY": "3600"}


class Pages:
    """The HTML pages; all they need is served from here."""

    def __init__(self, books: Books, checkouts: Checkouts) -> None:
        self._books = books
        self._checkouts = checkouts
        self._templates = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True)
        self._templates.globals.update(shop=SHOP_NAME, prices=PRICES)
        self._templates.filters["money"] = lambda session: show_amount(session.amount, session.currency)
        self.routes: list[BaseRoute] = [
            Route("/", self.product),
            Route("/buy", self.buy, methods=["POST"]),
            Route("/checkouts/{id}", self.checkout),
            Route("/checkouts/{id}/thank-you", self.thank),
            Route("/checkouts/{id}/cancelled", self.cancelled),
            Route("/checkouts/{id}/retry", self.retry, methods=["POST"]),
            Route("/favicon.ico", self.favicon),
            Mount("/assets", StaticFiles(directory=_HERE / "assets"), name="assets"),
        ]

    async def product(self, _: Request) -> Response:
        return self._render("product.html", chosen="USD", amount=PRICES["USD"], test=False)

    async def buy(self, request: Request) -> Response:
        """The product form: opens a checkout and sends the browser where the app says."""
        form = {key: values[-1] for key, values in parse_qs((await request.body()).decode(errors="replace")).items()}
        amount, currency = form.get("amount", "").strip(), form.get("currency", "")
        wanted = {"amount": amount, "currency": currency, "test": form.get("test") == "on"}
        try:
            wish = read_wish(wanted | {"locale": _read_locale(request)})
            _check_price(amount, currency)
        except BadCheckout as bad:
            chosen = currency if currency in PRICES else "USD"
            page = {"chosen": chosen, "amount": amount, "test": wanted["test"], "problem": str(bad)}
            return self._render("product.html", 422, **page)
        return await self._send_away(wish)

    async def retry(self, request: Request) -> Response:
        """Another payment session for the same order: same group, new id."""
        session = self._books.session(request.path_params["id"])
        if session is None:
            return self._render("missing.html", 404)
        return await self._send_away(Wish(session.amount, session.currency, session.test, session.group))

    async def checkout(self, request: Request) -> Response:
        return self._about(request, "checkout.html")

    async def cancelled(self, request: Request) -> Response:
        return self._about(request, "cancelled.html")

    async def thank(self, request: Request) -> Response:
        """The order's confirmation; for a checkout without an order, the checkout instead."""
        session = self._books.session(request.path_params["id"])
        if session and session.state not in ("resolved", "pending"):
            return RedirectResponse(f"/checkouts/{session.id}", 303)
        return self._about(request, "thank-you.html")

    async def favicon(self, _: Request) -> Response:
        return FileResponse(_HERE / "assets" / "favicon.svg", media_type="image/svg+xml")

    async def _send_away(self, wish: Wish) -> Response:
        session, answer = await self._checkouts.open(wish)
        if answer.redirect_url is None:
            return self._render("refused.html", 502, session=session, answer=answer)
        return RedirectResponse(answer.redirect_url, 303)

    def _about(self, request: Request, template: str) -> Response:
        session = self._books.session(request.path_params["id"])
        if session is None:
            return self._render("missing.html", 404)
        return self._render(template, session=session, **self._facts(session))

    def _facts(self, session: Session) -> dict[str, Any]:
        return {
            "order": self._books.order(session.group),
            "mutations": self._books.mutations(session.id),
            "alarms": self._books.alarms(session.id),
        }

    def _render(self, template: str, status: int = 200, **values: Any) -> Response:
        html = self._templates.get_template(template).render(**values)
        # The browser's back button must show the order as it is now.
        return HTMLResponse(html, status, {"Cache-Control": "no-store"})


def _check_price(amount: str, currency: str) -> None:
    if currency not in PRICES:
        raise BadCheckout(f"the shop sells in {', '.join(PRICES)}")
    decimals = count_decimals(currency)
    if len(amount.partition(".")[2]) > decimals:
        raise BadCheckout(f"{currency} has {decimals or 'no'} digits after the point")


def _read_locale(request: Request) -> str:
    first = request.headers.get("Accept-Language", "").split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip()
    return first if first.replace("-", "").isalnum() else "en-US"
