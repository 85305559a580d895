"""Persona's inquiries: created by the app, gone through by the merchant on Persona's page, decided by whoever asks."""

import html
import json
import secrets
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.calls import read_object
from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.persona_webhook import PersonaWebhook
from app.sandbox.state import open_state

TARGET = "persona"
API_KEY = "persona_sandbox_key"
TEMPLATE = "itmpl_SettleSandbox"
STATUSES = ("created", "pending", "completed", "failed", "expired", "needs_review", "approved", "declined")
_TABLES = """
CREATE TABLE IF NOT EXISTS inquiries (
    id TEXT PRIMARY KEY, reference TEXT NOT NULL, return_url TEXT NOT NULL, status TEXT NOT NULL, at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS links (token TEXT PRIMARY KEY, inquiry TEXT NOT NULL);
"""


class Persona:
    """The API and the hosted page; inquiries are in `data`/persona.sqlite3."""

    def __init__(
        self, data: Path, clock: VirtualClock, faults: Faults, public_url: str, webhook: PersonaWebhook
    ) -> None:
        faults.register(TARGET)
        self._clock = clock
        self._public_url = public_url
        self._webhook = webhook
        self._state = open_state(data / "persona.sqlite3", _TABLES)
        self.api_routes: list[BaseRoute] = [
            Route("/persona/api/v1/inquiries", self.create, methods=["POST"]),
            Route("/persona/api/v1/inquiries/{id}", self.show, methods=["GET"]),
            Route("/persona/api/v1/inquiries/{id}/generate-one-time-link", self.link, methods=["POST"]),
        ]
        self.routes: list[BaseRoute] = [
            Route("/persona/verify/{token}", self.page, methods=["GET"]),
            Route("/persona/verify/{token}", self.submit, methods=["POST"]),
            Route("/sandbox/persona", self.list, methods=["GET"]),
            Route("/sandbox/persona/{id}", self.decide, methods=["POST"]),
        ]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        self._state.close()

    async def create(self, request: Request) -> Response:
        """{"data":{"attributes":{"inquiry-template-id","reference-id","redirect-uri"}}}: 201 with the inquiry."""
        if (refusal := _refuse(request)) is not None:
            return refusal
        try:
            attributes = json.loads(await request.body())["data"]["attributes"]
            template = attributes["inquiry-template-id"]
            reference, return_url = str(attributes.get("reference-id", "")), str(attributes.get("redirect-uri", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            return _problem(400, "Bad request")
        if template != TEMPLATE:
            return _problem(404, "Record not found")
        inquiry = f"inq_{secrets.token_hex(12)}"
        at = self._clock.now().isoformat()
        self._state.execute(
            "INSERT INTO inquiries VALUES (?, ?, ?, 'created', ?)", (inquiry, reference, return_url, at)
        )
        return JSONResponse({"data": self._describe(inquiry)}, 201)

    async def show(self, request: Request) -> Response:
        if (refusal := _refuse(request)) is not None:
            return refusal
        try:
            return JSONResponse({"data": self._describe(request.path_params["id"])})
        except LookupError:
            return _problem(404, "Record not found")

    async def link(self, request: Request) -> Response:
        """A link to the hosted page, good for one visit."""
        if (refusal := _refuse(request)) is not None:
            return refusal
        try:
            inquiry = self._describe(request.path_params["id"])
        except LookupError:
            return _problem(404, "Record not found")
        token = secrets.token_urlsafe(18)
        self._state.execute("INSERT INTO links VALUES (?, ?)", (token, inquiry["id"]))
        url = f"{self._public_url}/persona/verify/{token}"
        return JSONResponse({"data": inquiry, "meta": {"one-time-link": url, "one-time-link-short": url}})

    async def page(self, request: Request) -> Response:
        """Persona's hosted page, with one button in place of the papers."""
        row = self._linked(request)
        text = (
            "<!doctype html><html lang=en><meta charset=utf-8><title>Persona (sandbox)</title>"
            f"<h1>Verify who you are</h1><p>For {html.escape(row['reference'])}. "
            "This is the sandbox: no papers are needed."
            "<form method=post><button>Verify</button></form></html>"
        )
        return HTMLResponse(text)

    async def submit(self, request: Request) -> Response:
        """The merchant is done: the inquiry is approved, and the browser goes back to the app."""
        row = self._linked(request)
        self._state.execute("DELETE FROM links WHERE token = ?", (request.path_params["token"],))
        self._move(row["id"], "approved")
        return RedirectResponse(row["return_url"], 303)

    async def list(self, _request: Request) -> Response:
        """{"inquiries": [{"id","reference","status"}...]}, oldest first."""
        rows = self._state.execute("SELECT id, reference, status FROM inquiries ORDER BY rowid").fetchall()
        return JSONResponse({"inquiries": [dict(zip(("id", "reference", "status"), row, strict=True)) for row in rows]})

    async def decide(self, request: Request) -> Response:
        """{"status"}: one of Persona's, from now on. 200 with the inquiry."""
        status = (await read_object(request, {"status": (str,)}))["status"]
        if status not in STATUSES:
            raise HTTPException(422, f"status is one of {', '.join(STATUSES)}")
        try:
            return JSONResponse(self._move(request.path_params["id"], status))
        except LookupError:
            raise HTTPException(404, "there is no such inquiry") from None

    def _move(self, inquiry: str, status: str) -> dict[str, Any]:
        """Raises LookupError."""
        self._state.execute("UPDATE inquiries SET status = ? WHERE id = ?", (status, inquiry))
        moved = self._describe(inquiry)
        self._webhook.notice(moved)
        return moved

    def _describe(self, inquiry: str) -> dict[str, Any]:
        row = self._state.execute("SELECT id, reference, status FROM inquiries WHERE id = ?", (inquiry,)).fetchone()
        if row is None:
            raise LookupError(inquiry)
        return {"type": "inquiry", "id": row[0], "attributes": {"status": row[2], "reference-id": row[1]}}

    def _linked(self, request: Request) -> dict[str, str]:
        row = self._state.execute(
            "SELECT i.id, i.reference, i.return_url FROM links l JOIN inquiries i ON i.id = l.inquiry"
            " WHERE l.token = ?",
            (request.path_params["token"],),
        ).fetchone()
        if row is None:
            raise HTTPException(404, "this link was used, or never was one")
        return dict(zip(("id", "reference", "return_url"), row, strict=True))


def _refuse(request: Request) -> Response | None:
    given = request.headers.get("Authorization", "")
    if secrets.compare_digest(given.encode(), f"Bearer {API_KEY}".encode()):
        return None
    return _problem(401, "Must be authenticated to access this endpoint")


def _problem(status: int, title: str) -> Response:
    return JSONResponse({"errors": [{"title": title}]}, status)
