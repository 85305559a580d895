"""The calls with which a program drives what follows a payment: refund, capture and void sessions."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.store.books import Books, FollowUp
from app.sandbox.store.checkouts import BadCheckout, read_amount, read_options
from app.sandbox.store.control import complain, describe_traffic, read_json
from app.sandbox.store.delivery import Answer
from app.sandbox.store.follow_ups import Demand, FollowUps


class FollowUpControl:
    """For each kind: make one of a checkout, see what Shopify knows of it, send it again."""

    def __init__(self, books: Books, follow_ups: FollowUps) -> None:
        self._books = books
        self._follow_ups = follow_ups
        self.routes: list[BaseRoute] = [
            Route("/sandbox/checkouts/{id}/refunds", self._open("refund"), methods=["POST"]),
            Route("/sandbox/refunds/{id}", self._show("refund"), methods=["GET"]),
            Route("/sandbox/refunds/{id}/resend", self._resend("refund"), methods=["POST"]),
            Route("/sandbox/checkouts/{id}/captures", self._open("capture"), methods=["POST"]),
            Route("/sandbox/captures/{id}", self._show("capture"), methods=["GET"]),
            Route("/sandbox/captures/{id}/resend", self._resend("capture"), methods=["POST"]),
            Route("/sandbox/checkouts/{id}/voids", self._open("void"), methods=["POST"]),
            Route("/sandbox/voids/{id}", self._show("void"), methods=["GET"]),
            Route("/sandbox/voids/{id}/resend", self._resend("void"), methods=["POST"]),
        ]

    def _open(self, kind: str) -> Any:
        async def open_one(request: Request) -> Response:
            """201 {"id","gid"}, 502 with the app's refusal, 422 when what is asked for makes no sense."""
            session = self._books.session(request.path_params["id"])
            if session is None:
                return complain(404, "there is no such checkout")
            try:
                demand = _read_demand(kind, await request.body())
            except BadCheckout as bad:
                return complain(422, str(bad))
            return _report(*await self._follow_ups.open(session, demand))

        return open_one

    def _resend(self, kind: str) -> Any:
        async def resend(request: Request) -> Response:
            """The session once more; an optional body {"options"} lays changes over it. Answers as the first time."""
            follow_up = self._books.follow_up(kind, request.path_params["id"])
            if follow_up is None:
                return complain(404, f"there is no such {kind}")
            try:
                options = read_options(_read_fields(await request.body(), {"options"}).get("options"))
            except BadCheckout as bad:
                return complain(422, str(bad))
            return _report(follow_up, await self._follow_ups.resend(follow_up, options))

        return resend

    def _show(self, kind: str) -> Any:
        async def show(request: Request) -> Response:
            """What Shopify knows of it. `checkout` is the payment's."""
            follow_up = self._books.follow_up(kind, request.path_params["id"])
            if follow_up is None:
                return complain(404, f"there is no such {kind}")
            return JSONResponse(
                {
                    "id": follow_up.id,
                    "gid": follow_up.gid,
                    "checkout": follow_up.payment,
                    "amount": follow_up.amount,
                    "state": follow_up.state,
                    "reason": follow_up.reason,
                    "merchant_message": follow_up.merchant_message,
                    **describe_traffic(self._books, follow_up.id),
                }
            )

        return show


def _read_demand(kind: str, body: bytes) -> Demand:
    fields = _read_fields(body, {"options"} if kind == "void" else {"amount", "options"})
    amount = None if kind == "void" else read_amount(fields.get("amount"))
    return Demand(kind, amount, read_options(fields.get("options")))


def _read_fields(body: bytes, known: set[str]) -> dict[str, Any]:
    message = read_json(body) if body else {}
    if not isinstance(message, dict):
        raise BadCheckout("the body must be a JSON object")
    if unknown := set(message) - known:
        raise BadCheckout(f"unknown field: {', '.join(sorted(unknown))}")
    return message


def _report(follow_up: FollowUp, answer: Answer) -> Response:
    names = {"id": follow_up.id, "gid": follow_up.gid}
    return JSONResponse(names, 201) if answer.is_good else JSONResponse(names | answer.as_refusal(), 502)
