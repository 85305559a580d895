"""Settle as a test runs it: the real system and doors in this process, on free ports, with a merchant."""

import asyncio
import json
import random
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from solders.keypair import Keypair

from app.portal.sessions import sign_in
from app.sandbox.tls import make_tls
from app.seeding import seed_merchant
from app.settings import Settings, load
from app.system import System
from handlers.serving import serve
from tests.waiting import wait_until

SHOP = "sandbox.myshopify.com"
VERSION = "2026-10"
CLIENT_ID, CLIENT_SECRET = "settle-test", "hush"


def free_port() -> int:
    """A port that nobody listens on, from below the range that outgoing connections take theirs from."""
    while True:
        port = random.randint(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def make_settings(database_url: str, folder: Path, **changes: Any) -> Settings:
    """Settings of a sandbox whose outside world is nowhere; `changes` by setting name, as text or values."""
    tls, key = folder / "tls", folder / "fee-payer.json"
    if not tls.exists():
        make_tls(tls)
        key.write_text(json.dumps(list(bytes(Keypair()))))
    merchant = {"shop": SHOP, "display_name": "Test Shop", "wallet": str(Keypair().pubkey()), "token": "shpat_test"}
    public_port = free_port()
    given: dict[str, Any] = {
        "environment": "sandbox",
        "database_url": database_url,
        "public_url": f"http://127.0.0.1:{public_port}",
        "public_port": public_port,
        "shopify_port": free_port(),
        "shopify_certificate": tls / "server.crt",
        "shopify_key": tls / "server.key",
        "shopify_trust": tls / "trust",
        "shopify_url": "http://127.0.0.1:1/shops/{shop}",
        "shopify_client_id": CLIENT_ID,
        "shopify_client_secrets": CLIENT_SECRET,
        "rpc_urls": "http://127.0.0.1:1",
        "fee_payer": key,
        "derivation_secret": secrets.token_hex(32),
        "token_keys": secrets.token_hex(32),
        "trm_url": "http://127.0.0.1:1",
        "trm_api_key": "key",
        "price_url": "http://127.0.0.1:1",
        "price_second_url": "http://127.0.0.1:1",
        "seed_merchant": json.dumps(merchant),
        # Everybody in a test comes from one address.
        **dict.fromkeys(("rate_address_per_minute", "rate_address_burst"), 10**6),
        **dict.fromkeys(("rate_payment_per_minute", "rate_payment_burst"), 10**6),
        **changes,
    }
    return load({f"SETTLE_{name.upper()}": str(value) for name, value in given.items()})


@dataclass(frozen=True)
class House:
    """Both doors, and clients for them: `shopify` has Shopify's certificate, `public` is anybody.

    `queries` has the text of every statement that the system sent to its database.
    """

    settings: Settings
    system: System
    shopify: httpx.AsyncClient
    public: httpx.AsyncClient
    queries: list[str]

    async def post_session(self, body: Any, **headers: str) -> httpx.Response:
        """Post a payment session as Shopify does; a header given as "" is left out."""
        sent = {
            "Shopify-Shop-Domain": SHOP,
            "Shopify-Request-Id": secrets.token_hex(8),
            "Shopify-Api-Version": VERSION,
            "Content-Type": "application/json",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        present = {name: value for name, value in sent.items() if value}
        return await self.shopify.post("/shopify/payment", content=content, headers=present)

    @asynccontextmanager
    async def portal(self, shop: str = SHOP) -> AsyncIterator[httpx.AsyncClient]:
        """A client that is signed in at the portal as this shop, and may write."""
        [row] = await self.rows("SELECT id FROM merchants WHERE shop = $1", shop)
        async with self.system.database.transaction() as connection:
            token = await sign_in(self.system, connection, row["id"])
        cookies = {"settle_session": token}
        async with httpx.AsyncClient(base_url=self.settings.public_url, cookies=cookies, timeout=30) as client:
            csrf = (await client.get("/portal/api/session")).json()["csrf"]
            client.headers["X-CSRF-Token"] = csrf
            yield client

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        async with self.system.database.acquire() as connection:
            return await connection.fetch(query, *arguments)


def session_body(**changes: Any) -> dict[str, Any]:
    """A payment session's body as the facts describe it, with an id of its own."""
    session_id = secrets.token_urlsafe(18)
    body = {
        "id": session_id,
        "gid": f"gid://shopify/PaymentSession/{session_id}",
        "group": f"{secrets.token_urlsafe(31)}+/=",
        "session_id": f"{secrets.token_urlsafe(31)}+/=",
        "amount": "12.34",
        "currency": "USD",
        "test": False,
        "merchant_locale": "en",
        "payment_method": {"type": "offsite", "data": {"cancel_url": "https://shop.example/cancel"}},
        "proposed_at": "2026-11-20T12:00:00Z",
        "customer": {"email": "customer@example.com", "locale": "de", "billing_address": {"line1": "1 Road"}},
        "kind": "sale",
    }
    return body | changes


def client_context(tls: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Shopify's side of mutual TLS; without a certificate, a stranger's."""
    context = ssl.create_default_context(cafile=tls / "ca.crt")
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


@asynccontextmanager
async def open_house(settings: Settings, *, merchant: bool = True) -> AsyncIterator[House]:
    """Serve both doors on the settings' database, which must be migrated."""
    if merchant:
        await seed_merchant(settings)
    tls = Path(settings.shopify_trust).parent
    context = client_context(tls, tls / "shopify-client.crt", tls / "shopify-client.key")
    queries: list[str] = []
    system = await System.open(settings, on_query=queries.append)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(system, stop))
    limits = httpx.Limits(max_connections=250)
    try:
        async with (
            httpx.AsyncClient(
                base_url=f"https://127.0.0.1:{settings.shopify_port}", verify=context, timeout=30, limits=limits
            ) as shopify,
            httpx.AsyncClient(base_url=settings.public_url, timeout=30, limits=limits) as public,
        ):
            await wait_until(lambda: _answers(public, serving), what="the public door answers")
            yield House(settings, system, shopify, public, queries)
    finally:
        stop.set()
        try:
            await serving
        finally:
            await system.close()


async def _answers(client: httpx.AsyncClient, serving: asyncio.Task[None]) -> bool:
    if serving.done():
        serving.result()
    try:
        return (await client.get("/health")).status_code == 200
    except httpx.ConnectError:
        return False
