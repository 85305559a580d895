"""The outside world put together: one application on one port, one folder of state."""

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox.calls import complain
from app.sandbox.clock import VirtualClock
from app.sandbox.control import Control
from app.sandbox.devnet import Devnet
from app.sandbox.environment import encode_json, write_environment
from app.sandbox.faults import Faults
from app.sandbox.helius import Helius
from app.sandbox.keys import keep_keypair, keep_secrets
from app.sandbox.persona import API_KEY, TEMPLATE, Persona
from app.sandbox.persona_webhook import SECRET, PersonaWebhook
from app.sandbox.prices import Prices
from app.sandbox.store import SCOPES, App, Store
from app.sandbox.tls import make_tls
from app.sandbox.transport import FaultyTransport
from app.sandbox.trm import Trm
from app.sandbox.wallet import Wallets

HOST = "127.0.0.1"
SHOP = "sandbox.myshopify.com"
SHOP_NAME = "Settle Sandbox Store"
# The version that the extension of the payments app names: Shopify's latest stable one.
API_VERSION = "2026-10"
FEE_PAYER_LAMPORTS = 10 * 10**9
_LIMITS = (
    *(f"SETTLE_ISSUED_{name}_MAX" for name in ("PAYMENT", "WALLET", "NETWORK", "SHOP")),
    *(f"SETTLE_RATE_{of}_{name}" for of in ("ADDRESS", "PAYMENT") for name in ("PER_MINUTE", "BURST")),
)


@dataclass(frozen=True)
class Ports:
    """Of the outside world, of Settle's public door, of its door for Shopify."""

    world: int
    app: int
    shopify: int


class Part(Protocol):
    """What takes part in the world's beginning and end."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class World:
    """All parts, under the folder `data`. What was made once (keys, secrets, ledgers, books) stays over restarts."""

    def __init__(self, data: Path, ports: Ports, *, slot_ms: int) -> None:
        self.data = data
        self._ports = ports
        self._slot_ms = slot_ms
        keys, state = data / "keys", data / "world"
        for folder in (keys, state):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tls = data / "tls"
        make_tls(self._tls)
        self._secrets = keep_secrets(keys / "secrets.json")
        self._fee_payer_files = {"live": keys / "fee-payer.json", "test": keys / "test-fee-payer.json"}
        self._fee_payers = {name: keep_keypair(file).pubkey() for name, file in self._fee_payer_files.items()}
        merchant = keep_keypair(keys / "merchant.json")
        self._merchant = str(merchant.pubkey())
        self.clock = VirtualClock(data / "clock")
        self.faults = Faults()
        self._devnets = {
            name: Devnet(name, state, self.clock, self.faults, slot_ms=slot_ms) for name in ("live", "test")
        }
        # A second node over the live cluster, with faults of its own: for settings that name two.
        self._second_node = self._devnets["live"].add_node("/sandbox/rpc-b", "rpc-b")
        self._trm = Trm(state, self.clock, self.faults, api_key=self._secrets.trm_api_key)
        self._prices = Prices(state, self.clock, self.faults)
        self._persona_webhook = PersonaWebhook(self.clock, self.faults, f"{self.app_url}/webhooks/persona")
        self._persona = Persona(state, self.clock, self.faults, self.url, self._persona_webhook)
        self._wallets = Wallets(self._devnets, state, merchant=merchant)
        self._store = Store(
            state,
            self.clock,
            self.faults,
            public_url=self.url,
            shopify_door_url=f"https://{HOST}:{ports.shopify}",
            tls_dir=self._tls,
            token=self._secrets.shop_token,
            app=App(self._secrets.client_id, self._secrets.client_secret, self.app_url, SCOPES),
            api_version=API_VERSION,
            shop=SHOP,
        )
        self._helius = Helius(
            self.clock,
            self.faults,
            self._devnets,
            url=f"{self.app_url}/webhooks/helius",
            fee_payers={name: str(address) for name, address in self._fee_payers.items()},
            authorizations={"live": self._secrets.helius, "test": self._secrets.test_helius},
        )
        self._parts: list[Part] = [
            *self._devnets.values(),
            self._trm,
            self._prices,
            self._persona,
            self._persona_webhook,
            self._store,
            self._helius,
        ]
        self.app = self._make_app()

    @property
    def url(self) -> str:
        """Origin of the outside world."""
        return f"http://{HOST}:{self._ports.world}"

    @property
    def app_url(self) -> str:
        """Origin of Settle's public door."""
        return f"http://{HOST}:{self._ports.app}"

    def shopify_tls(self) -> ssl.SSLContext:
        """TLS with which Shopify calls Settle's door."""
        context = ssl.create_default_context(cafile=self._tls / "ca.crt")
        context.load_cert_chain(self._tls / "shopify-client.crt", self._tls / "shopify-client.key")
        return context

    async def start(self) -> None:
        """Start every part, and put into the chain what must be there. Serve `app` from then on."""
        for part in self._parts:
            await part.start()
        for name, devnet in self._devnets.items():
            fee_payer = str(self._fee_payers[name])
            _, lamports = await devnet.balances(fee_payer)
            if lamports == 0:
                # Nothing, for the account's sake. It comes first, so that a fee payer with SOL means: all is done.
                await devnet.fund_usdc(self._merchant, 0)
                await devnet.airdrop(fee_payer, FEE_PAYER_LAMPORTS)

    async def stop(self) -> None:
        """Stop every part; whoever started some of them only may stop them all."""
        for part in reversed(self._parts):
            await part.stop()

    def environment(self, database_url: str) -> dict[str, str]:
        """The settings with which Settle's own processes join this world."""
        rpc, rpc_test = f"{self.url}/sandbox/rpc", f"{self.url}/sandbox/rpc-test"
        seed = {
            "shop": SHOP,
            "display_name": SHOP_NAME,
            "wallet": self._merchant,
            "token": self._secrets.shop_token,
        }
        return {
            "SETTLE_ENVIRONMENT": "sandbox",
            "SETTLE_DATABASE_URL": database_url,
            "SETTLE_PUBLIC_URL": self.app_url,
            "SETTLE_HOST": HOST,
            "SETTLE_PUBLIC_PORT": str(self._ports.app),
            "SETTLE_SHOPIFY_PORT": str(self._ports.shopify),
            "SETTLE_SHOPIFY_CERTIFICATE": str(self._tls / "server.crt"),
            "SETTLE_SHOPIFY_KEY": str(self._tls / "server.key"),
            "SETTLE_SHOPIFY_TRUST": str(self._tls / "trust"),
            "SETTLE_SHOPIFY_URL": f"{self.url}/shops/{{shop}}",
            "SETTLE_SHOPIFY_CLIENT_ID": self._secrets.client_id,
            "SETTLE_SHOPIFY_CLIENT_SECRETS": self._secrets.client_secret,
            "SETTLE_RPC_URLS": rpc,
            "SETTLE_USDC_MINT": self._devnets["live"].usdc_mint,
            "SETTLE_FEE_PAYER": str(self._fee_payer_files["live"]),
            "SETTLE_TEST_RPC_URLS": rpc_test,
            "SETTLE_TEST_USDC_MINT": self._devnets["test"].usdc_mint,
            "SETTLE_TEST_FEE_PAYER": str(self._fee_payer_files["test"]),
            "SETTLE_HELIUS_AUTHORIZATIONS": self._secrets.helius,
            "SETTLE_TEST_HELIUS_AUTHORIZATIONS": self._secrets.test_helius,
            "SETTLE_DERIVATION_SECRET": self._secrets.derivation,
            "SETTLE_TOKEN_KEYS": self._secrets.token_key,
            "SETTLE_TRM_URL": f"{self.url}/trm",
            "SETTLE_TRM_API_KEY": self._secrets.trm_api_key,
            "SETTLE_PRICE_URL": f"{self.url}/coingecko",
            "SETTLE_PRICE_SECOND_URL": f"{self.url}/coinbase",
            "SETTLE_PERSONA_URL": f"{self.url}/persona",
            "SETTLE_PERSONA_API_KEY": API_KEY,
            "SETTLE_PERSONA_TEMPLATE": TEMPLATE,
            "SETTLE_PERSONA_WEBHOOK_SECRETS": SECRET,
            "SETTLE_EXPLORER_URL": f"{self.url}/sandbox/explorer/{{kind}}/{{id}}",
            "SETTLE_TEST_EXPLORER_URL": f"{self.url}/sandbox/explorer-test/{{kind}}/{{id}}",
            "SETTLE_CLOCK_FILE": str(self.clock.path),
            "SETTLE_SANDBOX_URL": self.url,
            "SETTLE_SEED_MERCHANT": encode_json(seed),
            # Nobody attacks a sandbox, and its loads and tests pay without end from one machine.
            **dict.fromkeys(_LIMITS, str(10**6)),
            "SETTLE_SPEND_SHOP_LAMPORTS_MAX": str(10**12),
            "SETTLE_SPEND_LAMPORTS_MAX": str(10**12),
            # At the speed of this chain: the defaults are for slots of 400 ms.
            "SETTLE_POLL_INTERVAL_MS": str(_within(self._slot_ms, 100, 1_000)),
            "SETTLE_SNAPSHOT_REFRESH_MS": str(_within(2 * self._slot_ms, 100, 1_000)),
        }

    def write_environment(self, database_url: str) -> Path:
        """Write the settings to sandbox.env. Returns its path."""
        path = self.data / "sandbox.env"
        write_environment(path, self.environment(database_url))
        return path

    def _make_app(self) -> Starlette:
        routes: list[BaseRoute] = [
            *Control(self.clock, self.faults).routes,
            *self._wallets.routes,
            *self._trm.routes,
            *self._prices.routes,
            *self._persona.routes,
            *_behind(self.faults, "persona", self._persona.api_routes),
            *(route for net in self._devnets.values() for route in _behind(self.faults, net.target, net.routes)),
            *_behind(self.faults, "rpc-b", self._second_node),
            *_behind(self.faults, "trm", self._trm.api_routes),
            *_behind(self.faults, "prices", _behind(self.faults, "coingecko", self._prices.coingecko_routes)),
            *_behind(self.faults, "prices", _behind(self.faults, "coinbase", self._prices.coinbase_routes)),
            *_behind(self.faults, "shopify", self._store.api_routes),
            *_behind(self.faults, "oauth", self._store.oauth_routes),
            # Last, as the store's pages begin at the root.
            *self._store.routes,
        ]
        origins = [self.app_url, self.app_url.replace(HOST, "localhost")]
        middleware = [Middleware(_WalletsForPages, origins=origins)]
        return Starlette(routes=routes, middleware=middleware, exception_handlers={HTTPException: complain})


class _WalletsForPages:
    """Lets pages of these origins call the wallets: Settle's do in the sandbox, as the phone that nobody has."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._shared = CORSMiddleware(app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Only there: the devnet has its own answer to other origins, and nothing else is meant for them.
        is_wallet = scope.get("path", "").startswith(("/sandbox/wallets", "/sandbox/merchant"))
        await (self._shared if is_wallet else self._app)(scope, receive, send)


def _behind(faults: Faults, target: str, routes: Iterable[BaseRoute]) -> Iterable[BaseRoute]:
    """The routes, with the target's transport faults laid around each of them."""
    for route in routes:
        assert isinstance(route, Route | WebSocketRoute)
        route.app = FaultyTransport(route.app, faults, target)
        yield route


def _within(figure: int, least: int, most: int) -> int:
    return max(least, min(figure, most))
