"""What every door puts around its answers: its headers, plain answers to errors, a line in the log and a count.

One layer of plain ASGI instead of one for each of these: every layer costs every request, twice for each of its waits.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.logs import bind_contextvars, clear_contextvars, get_logger
from app.system import System
from handlers.requests import ErrorHandler, answer_error

QUIET_ROUTES = frozenset({"/health", "/ready", "/metrics", "/pay/{payment_id:payment}/status"})

# Headers as ASGI has them: names in lower case.
RawHeaders = Sequence[tuple[bytes, bytes]]
# Looks at a request before anything reads it, and raises what refuses it.
Gate = Callable[[Scope], None]


class Door(Starlette):
    """Routes in a frame. `error_handlers`: who answers an error, by its class or one above; else `answer_error`."""

    def __init__(
        self,
        system: System,
        routes: Sequence[BaseRoute],
        *,
        headers: RawHeaders = (),
        error_handlers: Mapping[type[Exception], ErrorHandler] | None = None,
        gate: Gate | None = None,
    ) -> None:
        super().__init__(routes=routes)
        # A redirect would lead to whatever host the request names.
        self.router.redirect_slashes = False
        self.state.system = system
        self._headers = headers
        self._error_handlers = error_handlers or {}
        self._gate = gate

    def build_middleware_stack(self) -> ASGIApp:
        return Frame(self.router, self._headers, self._error_handlers, self._gate)


class Frame:
    """See above. A route may leave more headers for its answer, an error's included, in `scope["state"]["headers"]`."""

    def __init__(
        self,
        app: ASGIApp,
        headers: RawHeaders,
        error_handlers: Mapping[type[Exception], ErrorHandler],
        gate: Gate | None,
    ) -> None:
        self._app = app
        self._headers = headers
        self._error_handlers = error_handlers
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        state: dict[str, Any] = scope.setdefault("state", {})
        clear_contextvars()
        for name, value in scope["headers"]:
            if name == b"shopify-request-id":
                bind_contextvars(shopify_request_id=value[:100].decode("latin-1"))

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers, *state.get("headers", ())]
            await send(message)

        try:
            if self._gate is not None:
                self._gate(scope)
            await self._app(scope, receive, watch)
        except Exception as error:
            if status:
                raise
            response = await self._handler_of(error)(Request(scope, receive), error)
            await response(scope, receive, watch)
        _tell(scope, status, time.perf_counter() - began)

    def _handler_of(self, error: Exception) -> ErrorHandler:
        for kind in type(error).__mro__:
            if kind in self._error_handlers:
                return self._error_handlers[kind]
        return answer_error


def _tell(scope: Scope, status: int, seconds: float) -> None:
    route = scope.get("route")
    path = scope.get("root_path", "") + route.path if route is not None else "unknown"
    metrics.request_seconds.labels(path, str(status)).observe(seconds)
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
