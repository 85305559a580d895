"""JSON-RPC 2.0 over HTTP: dispatch, batches, errors."""

import asyncio
import logging
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.sandbox.devnet import account_methods, chain_methods, history_methods, sending_methods
from app.sandbox.devnet.errors import INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError
from app.sandbox.devnet.methods import Call, Method
from app.sandbox.devnet.node import Node
from app.sandbox.devnet.params import Params

log = logging.getLogger(__name__)

METHODS: dict[str, Method] = {
    **chain_methods.METHODS,
    **account_methods.METHODS,
    **history_methods.METHODS,
    **sending_methods.METHODS,
}
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET, OPTIONS",
    "Access-Control-Allow-Headers": "*",
}


def failure(request_id: Any, error: RpcError) -> dict[str, Any]:
    """An answer that says what is wrong."""
    return {"jsonrpc": "2.0", "error": error.answer(), "id": request_id}


def answer(node: Node, request: Any) -> dict[str, Any] | None:
    """The answer to one request; None for a notification, which wants none."""
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return failure(None, RpcError(INVALID_REQUEST, "Invalid request"))
    request_id = request.get("id")
    try:
        method = METHODS.get(request["method"])
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        result = method(Call(node, node.look(), Params(request.get("params"))))
    except RpcError as error:
        reply = failure(request_id, error)
    except Exception:
        log.exception("%s failed", request["method"])
        reply = failure(request_id, RpcError(INTERNAL_ERROR, "Internal error"))
    else:
        reply = {"jsonrpc": "2.0", "result": result, "id": request_id}
    return reply if "id" in request else None


class HttpDoor:
    """The endpoint of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def handle(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_CORS)
        if not request.headers.get("content-type", "").startswith("application/json"):
            return PlainTextResponse("Supplied content type is not allowed. application/json is required\n", 415)
        try:
            body = msgspec.json.decode(await request.body())
        except msgspec.DecodeError:
            return _json(failure(None, RpcError(PARSE_ERROR, "Parse error")))
        if not isinstance(body, list):
            return _json(answer(self._node, body))
        if not body:
            return _json(failure(None, RpcError(INVALID_REQUEST, "Invalid request")))
        replies: list[dict[str, Any]] = []
        for one in body:
            if reply := answer(self._node, one):
                replies.append(reply)
            # A long batch must not keep the others waiting.
            await asyncio.sleep(0)
        return _json(replies)


def _json(body: Any) -> Response:
    content = b"" if body is None else msgspec.json.encode(body)
    return Response(content, media_type="application/json", headers=_CORS)
