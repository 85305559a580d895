"""A very small explorer: what is on the devnet under a signature or an address, as a page for people."""

import html
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.devnet.node import Node
from app.sandbox.devnet.rpc import answer

_PARSED = {"encoding": "jsonParsed", "commitment": "confirmed"}
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><h1>{title}</h1><p><code>{name}</code></p>{parts}</html>"""


class Explorer:
    """Serves `{path}/tx/{signature}` and `{path}/address/{address}`, asking the node as anybody would."""

    def __init__(self, node: Node, path: str) -> None:
        self._node = node
        self.routes: list[BaseRoute] = [
            Route(f"{path}/tx/{{name}}", self.show_transaction, methods=["GET"]),
            Route(f"{path}/address/{{name}}", self.show_address, methods=["GET"]),
        ]

    async def show_transaction(self, request: Request) -> Response:
        signature = request.path_params["name"]
        options = _PARSED | {"maxSupportedTransactionVersion": 0}
        return self._show("Transaction", signature, {"Transaction": self._ask("getTransaction", signature, options)})

    async def show_address(self, request: Request) -> Response:
        address = request.path_params["name"]
        owned = self._ask(
            "getTokenAccountsByOwner", address, {"mint": str(self._node.faucet.mint)}, {"encoding": "jsonParsed"}
        )
        account = self._ask("getAccountInfo", address, _PARSED)
        return self._show("Address", address, {"USDC accounts": owned, "Account": account})

    def _ask(self, method: str, *params: Any) -> Any:
        reply = answer(self._node, {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}) or {}
        return reply.get("result", reply.get("error"))

    def _show(self, title: str, name: str, found: dict[str, Any]) -> Response:
        parts = "".join(
            f"<h2>{heading}</h2><pre>{html.escape(json.dumps(one, indent=2))}</pre>" for heading, one in found.items()
        )
        return HTMLResponse(_PAGE.format(title=title, name=html.escape(name), parts=parts))
