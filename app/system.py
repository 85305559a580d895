"""Everything a door or a worker needs, made once per process from the settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Self

import httpx

from app.arrivals import Arrivals
from app.clock import Clock, make_clock
from app.clusters import ClusterParts, make_clusters
from app.database import Database
from app.identity.persona import Persona
from app.identity.provider import IdentityProvider, Vouching
from app.keyring import KeyRing
from app.merchants import MerchantDirectory
from app.payments.intake import Intake
from app.prices.board import PriceBoard
from app.prices.coinbase import Coinbase
from app.prices.coingecko import CoinGecko
from app.prices.panel import Limits, Panel
from app.prices.source import PriceSource
from app.records import Cluster, InboxSource
from app.refunds.intake import RefundIntake
from app.screening.screener import Screener
from app.screening.trm import TrmScreener
from app.settings import Settings
from app.shopify.client import ShopifyClient
from app.shopify.oauth import OauthClient
from app.shopify.tokens import ShopTokens


@dataclass(frozen=True)
class System:
    settings: Settings
    clock: Clock
    database: Database
    clusters: Mapping[Cluster, ClusterParts]
    merchants: MerchantDirectory
    intake: Intake
    refunds: RefundIntake
    webhooks: Arrivals
    screener: Screener
    prices: PriceBoard
    shopify: ShopifyClient
    oauth: OauthClient
    tokens: ShopTokens
    keyring: KeyRing
    identity: IdentityProvider
    _http: tuple[httpx.AsyncClient, ...]

    @classmethod
    async def open(cls, settings: Settings, *, on_query: Callable[[str], None] | None = None) -> Self:
        """Connect to the database and make the clients; nothing outside is called yet. `on_query`: see Database."""
        clock = make_clock(settings.clock_file)
        # Before the database, so that bad settings leave no connection open.
        clusters = await make_clusters(settings)
        database = await Database.connect(
            settings.database_url,
            max_size=settings.database_pool_size,
            command_timeout_seconds=settings.database_timeout_seconds,
            on_query=on_query,
        )
        # One client per host, each with its own limits; nothing here retries by itself.
        trm = _client(settings.trm_url, settings.trm_timeout_seconds)
        prices = [_client(url, 10) for url in (settings.price_url, settings.price_second_url) if url]
        persona = _client(settings.persona_url, settings.identity_timeout_seconds)
        shopify = _client("", settings.shopify_timeout_seconds)
        keyring = KeyRing(settings.token_keys)
        oauth = OauthClient(
            shopify,
            settings.shopify_url,
            settings.shopify_client_id,
            settings.shopify_client_secrets[0],
            settings.shopify_timeout_seconds,
        )
        return cls(
            settings=settings,
            clock=clock,
            database=database,
            clusters=clusters,
            merchants=MerchantDirectory(database, clusters, keyring),
            intake=Intake(database),
            refunds=RefundIntake(database, timedelta(seconds=settings.shopify_answer_grace_seconds)),
            webhooks=Arrivals(database, clock, InboxSource.shopify),
            screener=TrmScreener(trm, settings.trm_api_key, settings.trm_risk_level, settings.trm_timeout_seconds),
            prices=_make_board(settings, clock, prices),
            shopify=ShopifyClient(shopify, clock, settings.shopify_url, settings.shopify_timeout_seconds),
            oauth=oauth,
            tokens=ShopTokens(database, oauth, keyring, clock, settings.token_margin_seconds),
            keyring=keyring,
            identity=_make_identity(settings, persona),
            _http=(trm, *prices, shopify, persona),
        )

    async def close(self) -> None:
        for client in self._http:
            await client.aclose()
        for cluster in self.clusters.values():
            await cluster.close()
        await self.database.close()


def _make_identity(settings: Settings, client: httpx.AsyncClient) -> IdentityProvider:
    if settings.identity_provider == "none":
        return Vouching()
    return Persona(
        client,
        settings.persona_api_key,
        settings.persona_template,
        settings.identity_timeout_seconds,
        settings.persona_completed_is_enough,
    )


def _make_board(settings: Settings, clock: Clock, clients: Sequence[httpx.AsyncClient]) -> PriceBoard:
    """The prices of CoinGecko, and of Coinbase where there is a second client."""
    sources: list[PriceSource] = [CoinGecko(clients[0]), *(Coinbase(client, clock) for client in clients[1:])]
    limits = Limits(
        age=timedelta(seconds=settings.price_age_seconds),
        apart_share=Decimal(settings.price_apart_percent) / 100,
        jump_share=Decimal(settings.price_jump_percent) / 100,
        memory=timedelta(seconds=settings.price_memory_seconds),
        patience=timedelta(milliseconds=settings.price_patience_ms),
    )
    return PriceBoard(
        Panel(sources, clock, limits),
        clock,
        cache_seconds=settings.price_cache_seconds,
        age_seconds=settings.price_age_seconds,
    )


def _client(base_url: str, timeout_seconds: float) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
    return httpx.AsyncClient(base_url=base_url, timeout=timeout_seconds, limits=limits, trust_env=False)
