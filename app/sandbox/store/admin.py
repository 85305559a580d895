"""The merchant at Shopify's admin, and Shopify itself where it acts by itself: the control calls for it."""

import html
import re
import zlib
from datetime import datetime
from types import NoneType
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.calls import read_object
from app.sandbox.store.books import Books
from app.sandbox.store.grants import Grants
from app.sandbox.store.webhooks import Webhooks

# Shopify asks for a shop's data to be erased so long after the app was uninstalled.
REDACT_SECONDS = 48 * 3_600
_SHOP = re.compile(r"[a-z0-9][a-z0-9-_]*\.myshopify\.com")
_TOPIC = re.compile(r"[a-z_]+(/[a-z_]+)+")


class Admin:
    """Uninstalling, revoking, and sending webhooks."""

    def __init__(self, books: Books, grants: Grants, webhooks: Webhooks, shop: str) -> None:
        self._books = books
        self._grants = grants
        self._webhooks = webhooks
        self._shop = shop
        self.routes: list[BaseRoute] = [
            Route("/sandbox/admin/access", self.show_access, methods=["GET"]),
            Route("/sandbox/admin/gateway", self.show_gateway, methods=["GET"]),
            Route("/shops/{shop}/services/payments_partners/gateways/{client_id}/settings", self.gateway_page),
            Route("/sandbox/admin/revoke", self.revoke, methods=["POST"]),
            Route("/sandbox/admin/uninstall", self.uninstall, methods=["POST"]),
            Route("/sandbox/webhooks", self.send, methods=["POST"]),
            Route("/sandbox/webhooks", self.show, methods=["GET"]),
            Route("/sandbox/webhooks/{number}", self.show_one, methods=["GET"]),
        ]

    async def show_access(self, request: Request) -> Response:
        """Of `?shop=`: {"shop","installed","tokens_given"}."""
        shop = request.query_params.get("shop", self._shop)
        installed, given = self._grants.is_installed(shop), self._grants.given(shop)
        return JSONResponse({"shop": shop, "installed": installed, "tokens_given": given})

    async def show_gateway(self, _: Request) -> Response:
        """What the app configured: {"external_handle","ready"}, null before it did."""
        known = self._books.configuration()
        return JSONResponse(None if known is None else {"external_handle": known[0], "ready": known[1]})

    async def gateway_page(self, _: Request) -> Response:
        """Shopify's page of the app: the merchant can activate it once it is ready."""
        known = self._books.configuration()
        word = f"{html.escape(known[0])} is ready: activate it." if known and known[1] else "The app is not ready yet."
        return HTMLResponse(f"<!doctype html><html lang=en><meta charset=utf-8><title>Payments</title><p>{word}</html>")

    async def revoke(self, request: Request) -> Response:
        """{"shop"}: Shopify takes none of its access tokens any more, refresh tokens still; 200 {"shop"}."""
        shop = (await read_object(request, {"shop": (str, NoneType)}))["shop"] or self._shop
        self._grants.revoke_access(shop)
        return JSONResponse({"shop": shop})

    async def uninstall(self, request: Request) -> Response:
        """{"shop"}: every token is dead; app/uninstalled is sent now, shop/redact in 48 hours. 200, both of them."""
        shop = (await read_object(request, {"shop": (str, NoneType)}))["shop"] or self._shop
        if not self._grants.is_installed(shop):
            raise HTTPException(422, f"the app is not installed in {shop}")
        self._grants.uninstall(shop)
        told = self._webhooks.send(shop, "app/uninstalled", _shop_resource(shop))
        redact = self._webhooks.send(shop, "shop/redact", _about(shop), after_seconds=REDACT_SECONDS)
        return JSONResponse({"uninstalled": self._one(told), "redact": self._one(redact)})

    async def send(self, request: Request) -> Response:
        """{"topic","shop","payload","webhook_id","triggered_at"}, all but the topic optional; 201 with the webhook."""
        asked = await read_object(
            request,
            {
                "topic": (str,),
                "shop": (str, NoneType),
                "payload": (dict, NoneType),
                "webhook_id": (str, NoneType),
                "triggered_at": (str, NoneType),
            },
        )
        shop = asked["shop"] or self._shop
        if not _SHOP.fullmatch(shop) or not _TOPIC.fullmatch(asked["topic"]):
            raise HTTPException(422, "shop or topic can not be one of Shopify's")
        try:
            triggered_at = datetime.fromisoformat(asked["triggered_at"]) if asked["triggered_at"] else None
        except ValueError:
            raise HTTPException(422, "'triggered_at' must be an ISO 8601 time") from None
        payload = _shop_resource(shop) if asked["topic"] == "app/uninstalled" else _about(shop)
        number = self._webhooks.send(
            shop,
            asked["topic"],
            payload | (asked["payload"] or {}),
            webhook_id=asked["webhook_id"],
            triggered_at=triggered_at,
        )
        return JSONResponse(self._one(number), 201)

    async def show(self, _request: Request) -> Response:
        """{"webhooks": [...]}, oldest first: each with its `state` and its `tries`."""
        return JSONResponse({"webhooks": self._webhooks.describe()})

    async def show_one(self, request: Request) -> Response:
        number = request.path_params["number"]
        return JSONResponse(self._one(int(number) if number.isdecimal() and len(number) < 10 else 0))

    def _one(self, number: int) -> dict[str, Any]:
        found = self._webhooks.describe(number)
        if not found:
            raise HTTPException(404, "there is no such webhook")
        return found[0]


def _about(shop: str) -> dict[str, Any]:
    return {"shop_id": _number(shop), "shop_domain": shop}


def _shop_resource(shop: str) -> dict[str, Any]:
    """The beginning of what Shopify says of a shop in app/uninstalled."""
    name = shop.removesuffix(".myshopify.com")
    return {
        "id": _number(shop),
        "name": name,
        "email": f"owner@{name}.example",
        "domain": f"{name}.example",
        "myshopify_domain": shop,
        "shop_owner": "Olive Owner",
        "phone": "+16135550128",
    }


def _number(shop: str) -> int:
    return zlib.crc32(shop.encode())
