"""The calls with which a program drives the store: open a checkout, send it again, see what Shopify knows."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.store.books import Books, Session
from app.sandbox.store.checkouts import BadCheckout, Checkouts, read_options, read_wish
from app.sandbox.store.delivery import Answer


class Control:
    """The /sandbox/checkouts calls."""

    def __init__(self, books: Books, checkouts: Checkouts) -> None:
        self._books = books
        self._checkouts = checkouts
        self.routes: list[BaseRoute] = [
            Route("/sandbox/checkouts", self.open, methods=["POST"]),
            Route("/sandbox/checkouts", self.list, methods=["GET"]),
            Route("/sandbox/checkouts/{id}", self.show, methods=["GET"]),
            Route("/sandbox/checkouts/{id}/resend", self.resend, methods=["POST"]),
        ]

    async def open(self, request: Request) -> Response:
        """201 {"id","gid","group","redirect_url"}, 502 with the app's refusal, 422 when the checkout makes no sense."""
        try:
            wish = read_wish(read_json(await request.body()))
        except BadCheckout as bad:
            return complain(422, str(bad))
        session, answer = await self._checkouts.open(wish)
        return _report(session, answer)

    async def resend(self, request: Request) -> Response:
        """The session once more; an optional body {"options"} lays changes over it. Answers as `open` does."""
        session = self._books.session(request.path_params["id"])
        if session is None:
            return complain(404, "there is no such checkout")
        body = await request.body()
        try:
            message = read_json(body) if body else {}
            if not isinstance(message, dict):
                raise BadCheckout("the body must be a JSON object")
            options = read_options(message.get("options"))
        except BadCheckout as bad:
            return complain(422, str(bad))
        return _report(session, await self._checkouts.resend(session, options))

    async def show(self, request: Request) -> Response:
        """What Shopify knows of a checkout: see `describe`."""
        session = self._books.session(request.path_params["id"])
        if session is None:
            return complain(404, "there is no such checkout")
        return JSONResponse(describe(self._books, session))

    async def list(self, _: Request) -> Response:
        """{"checkouts": [...]}: every checkout, oldest first, with its state and alarms; no mutations."""
        found = [
            {
                "id": session.id,
                "group": session.group,
                "state": session.state,
                "reason": session.reason,
                "alarms": self._books.alarms(session.id),
            }
            for session in self._books.sessions()
        ]
        return JSONResponse({"checkouts": found})


def describe(books: Books, session: Session) -> dict[str, Any]:
    """What Shopify knows of a session, and beside it the order of its group, alarms and deliveries.

    `redirect_url` is the app's, `next_url` where Shopify wants the customer now (nextAction). A mutation is
    {"name","answer","at","variables","applied"}; its `answer` is the whole GraphQL payload.
    """
    order = books.order(session.group)
    return {
        "id": session.id,
        "gid": session.gid,
        "group": session.group,
        "amount": session.amount,
        "currency": session.currency,
        "test": session.test,
        "state": session.state,
        "reason": session.reason,
        "merchant_message": session.merchant_message,
        "redirect_url": session.redirect_url,
        "next_url": session.next_url,
        "order": {"number": order.number, "paid": order.paid, "checkout": order.session} if order else None,
        **describe_traffic(books, session.id),
    }


def describe_traffic(books: Books, session_id: str) -> dict[str, Any]:
    """Alarms, mutations and deliveries of a session of any kind, each in the order of arrival."""
    return {
        "alarms": books.alarms(session_id),
        "mutations": [
            {"name": m.name, "answer": m.answer, "at": m.at, "variables": m.variables, "applied": m.applied}
            for m in books.mutations(session_id)
        ],
        "deliveries": [
            {"request_id": d.request_id, "status": d.status, "at": d.at} for d in books.deliveries(session_id)
        ],
    }


def _report(session: Session, answer: Answer) -> Response:
    names = {"id": session.id, "gid": session.gid, "group": session.group}
    if answer.redirect_url is None:
        return JSONResponse(names | answer.as_refusal(), 502)
    return JSONResponse(names | {"redirect_url": answer.redirect_url}, 201)


def read_json(body: bytes) -> Any:
    try:
        message = json.loads(body)
        # Half of a surrogate pair is JSON, and can neither be sent nor kept.
        json.dumps(message, ensure_ascii=False).encode()
    except ValueError:
        raise BadCheckout("the body must be JSON") from None
    return message


def complain(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)
