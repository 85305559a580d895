"""The Shopify side of the outside world, put together."""

from pathlib import Path

from starlette.routing import BaseRoute

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store.admin import Admin
from app.sandbox.store.api import Api
from app.sandbox.store.books import Books
from app.sandbox.store.checkouts import Checkouts
from app.sandbox.store.control import Control
from app.sandbox.store.delivery import TIMEOUT, WAITS, Sender
from app.sandbox.store.follow_up_control import FollowUpControl
from app.sandbox.store.follow_ups import FollowUps
from app.sandbox.store.grants import Grants
from app.sandbox.store.mutations import build_root
from app.sandbox.store.oauth import App, Oauth
from app.sandbox.store.pages import Pages
from app.sandbox.store.sessions import Sessions
from app.sandbox.store.switches import KINDS, TARGET
from app.sandbox.store.throttle import Bucket
from app.sandbox.store.webhooks import Webhooks

SHOP = "sandbox.myshopify.com"
SCOPES = frozenset({"write_payment_gateways", "write_payment_sessions"})


class Store:
    """One shop, its checkout, and Shopify's payments API for it.

    `routes` are the shop's pages and the control calls; `api_routes` is the GraphQL endpoint, apart from them so that
    transport faults of target "shopify" can be laid around it alone, and `oauth_routes` the token endpoint, for those
    of target "oauth". State lives in store.sqlite3, grants.sqlite3 and webhooks.sqlite3 in `data`. `token` is what the
    app has for this shop, which installed it before this world began; it never ends.
    `public_url` is the origin of these routes, `shopify_door_url` that of the app's door, `tls_dir` what make_tls made.
    """

    def __init__(
        self,
        data: Path,
        clock: VirtualClock,
        faults: Faults,
        *,
        public_url: str,
        shopify_door_url: str,
        tls_dir: Path,
        token: str,
        app: App,
        api_version: str,
        shop: str = SHOP,
        scopes: frozenset[str] = SCOPES,
        session_timeout: float = TIMEOUT,
        session_waits: tuple[float, ...] = WAITS,
    ) -> None:
        faults.register(TARGET, KINDS)
        self._books = Books(data / "store.sqlite3")
        self._sender = Sender(
            self._books,
            clock,
            faults,
            door_url=shopify_door_url.rstrip("/"),
            tls_dir=tls_dir,
            timeout=session_timeout,
            waits=session_waits,
        )
        public_url = public_url.rstrip("/")
        sessions = Sessions(self._books, clock, faults, public_url)
        checkouts = Checkouts(
            self._books, self._sender, clock, faults, public_url=public_url, shop=shop, api_version=api_version
        )
        follow_ups = FollowUps(self._books, self._sender, clock, faults)
        root = build_root(self._books, sessions, follow_ups, clock, faults)
        self._grants = Grants(data / "grants.sqlite3", clock)
        self._grants.seed(shop, token, ",".join(sorted(scopes)))
        api = Api(faults, Bucket(clock, faults), root, self._grants)
        oauth = Oauth(app, self._grants, clock, faults, shop)
        self._webhooks = Webhooks(data / "webhooks.sqlite3", app, clock, faults, api_version)
        self.routes: list[BaseRoute] = [
            *Control(self._books, checkouts).routes,
            *FollowUpControl(self._books, follow_ups).routes,
            *oauth.routes,
            *Admin(self._books, self._grants, self._webhooks, shop).routes,
            *Pages(self._books, checkouts).routes,
        ]
        self.api_routes: list[BaseRoute] = api.routes
        self.oauth_routes: list[BaseRoute] = oauth.api_routes

    async def start(self) -> None:
        """Load the client certificate. Raises OSError or ssl.SSLError when the files of `tls_dir` are not usable."""
        await self._sender.start()
        await self._webhooks.start()

    async def stop(self) -> None:
        """Close the connections to the app; the books stay as they are."""
        await self._webhooks.stop()
        await self._sender.stop()
        self._books.close()
        self._grants.close()
