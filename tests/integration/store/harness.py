"""An app's door that receives sessions, a client for the store and Shopify's GraphQL API, and the documents."""

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

TOKEN = "shpat_sandbox"
SHOP = "sandbox.myshopify.com"


@asynccontextmanager
async def serving(app: Any, listener: socket.socket, **settings: Any) -> AsyncIterator[None]:
    """uvicorn on the socket, without its signal handlers and its ticking main loop."""
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=1, **settings
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    try:
        yield
    finally:
        await server.shutdown([listener])


def listen() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


def origin(listener: socket.socket, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"


@dataclass
class Door:
    """An app that answers every session; `respond` may be replaced. Keeps what it received."""

    url: str
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    respond: Callable[[dict[str, Any]], Awaitable[Response]] | None = None

    async def payment(self, request: Request) -> Response:
        body = await request.body()
        self.received.append((dict(request.headers), body))
        session = json.loads(body)
        if self.respond:
            return await self.respond(session)
        return JSONResponse({"redirect_url": f"https://settle.example/pay/{session['id']}"})

    async def follow_up(self, request: Request) -> Response:
        """A refund, capture or void session: 201 with nothing, unless `respond` is replaced."""
        body = await request.body()
        self.received.append((dict(request.headers), body))
        return await self.respond(json.loads(body)) if self.respond else Response(status_code=201)

    @property
    def sessions(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.received]


class World:
    """The running store as a program sees it."""

    def __init__(self, http: httpx.AsyncClient, door: Door) -> None:
        self.http = http
        self.door = door

    async def open(self, amount: str = "12.34", currency: str = "USD", **more: Any) -> dict[str, Any]:
        answer = await self.http.post("/sandbox/checkouts", json={"amount": amount, "currency": currency} | more)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def show(self, checkout: dict[str, Any]) -> dict[str, Any]:
        return dict((await self.http.get(f"/sandbox/checkouts/{checkout['id']}")).json())

    async def post(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        version: str = "2026-10",
        token: str = TOKEN,
        shop: str = SHOP,
    ) -> httpx.Response:
        return await self.http.post(
            f"/shops/{shop}/payments_apps/api/{version}/graphql.json",
            json={"query": query, "variables": variables or {}},
            headers={"X-Shopify-Access-Token": token},
        )

    async def ask(self, query: str, variables: dict[str, Any] | None = None, version: str = "2026-10") -> Any:
        answer = await self.post(query, variables, version)
        assert answer.status_code == 200, answer.text
        return answer.json()


FOLLOW_UP = """
mutation End($id: ID!%(arguments)s) {
  %(kind)sSession%(verb)s(id: $id%(passed)s) {
    %(kind)sSession { id state { ... on %(type)sSessionState { code } } }
    userErrors { code field message }
  }
}
"""
RESOLVE = """
mutation PaymentSessionResolve($id: ID!) {
  paymentSessionResolve(id: $id) {
    paymentSession {
      id
      state { ... on PaymentSessionStateResolved { code } }
      nextAction { action context { ... on PaymentSessionActionsRedirect { redirectUrl } } }
    }
    userErrors { field message }
  }
}
"""
REJECT = """
mutation PaymentSessionReject($id: ID!, $reason: PaymentSessionRejectionReasonInput!) {
  paymentSessionReject(id: $id, reason: $reason) {
    paymentSession {
      id
      state { ... on PaymentSessionStateRejected { code reason merchantMessage } }
      nextAction { action context { ... on PaymentSessionActionsRedirect { redirectUrl } } }
    }
    userErrors { field message }
  }
}
"""
PENDING = """
mutation PaymentSessionPending($id: ID!, $expires: DateTime!, $reason: PaymentSessionStatePendingReason!) {
  paymentSessionPending(id: $id, pendingExpiresAt: $expires, reason: $reason) {
    paymentSession {
      id
      pendingExpiresAt
      state { ... on PaymentSessionState { code } ... on PaymentSessionStatePending { reason } }
      nextAction { action context { ... on PaymentSessionActionsRedirect { redirectUrl } } }
    }
    userErrors { code field message }
  }
}
"""
