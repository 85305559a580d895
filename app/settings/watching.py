"""Settings of the watchers."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Watching:
    """Watching the chain: who tells us what landed, and when it counts."""

    watch_polling: Annotated[
        bool,
        about(
            "Ask nodes for issued signatures again and again. Off, to save calls: what no other watcher names is asked "
            "for when its blockhash has run out."
        ),
    ] = True
    watch_websocket: Annotated[
        bool,
        about(
            "Hear by websocket what happens to the fee payers: seconds become moments. Off: for nodes that have none."
        ),
    ] = True
    rpc_websocket_urls: Annotated[
        tuple[str, ...],
        about("Websockets of the live cluster's nodes; empty: at the addresses of SETTLE_RPC_URLS.", secret=True),
    ] = ()
    test_rpc_websocket_urls: Annotated[tuple[str, ...], about("The same of the test cluster.", secret=True)] = ()
    watch_sweep: Annotated[
        bool,
        about(
            "Read the fee payers' history now and then: what an outage hid is found, and what our books do not have."
        ),
    ] = True
    sweep_interval_seconds: Annotated[
        int, about("How often it is read; at a worker's start it is read in any case.", ge=1, le=86_400)
    ] = 300
    reconcile_seconds: Annotated[
        int, about("How often a worker compares books, chain and Shopify.", ge=1, le=86_400)
    ] = 600
    reconcile_rows: Annotated[
        int, about("Of each sort of damage, so much is repaired or listed in one round at most.", ge=1, le=10_000)
    ] = 200
    reconcile_days: Annotated[
        int,
        about(
            "How old a finished transaction is compared with the chain; the nodes must know so far back.",
            ge=1,
            le=3_650,
        ),
    ] = 30
    watch_webhook: Annotated[
        bool, about("Take Helius' webhooks, where an authorization is set for them. Off: /webhooks/helius answers 404.")
    ] = True
    helius_authorizations: Annotated[
        tuple[str, ...],
        about(
            "What Helius sends in `Authorization` with webhooks of the live cluster (its authHeader); several while it "
            "is changed. Empty: none are taken.",
            secret=True,
        ),
    ] = ()
    test_helius_authorizations: Annotated[
        tuple[str, ...], about("The same for webhooks of the test cluster; other values.", secret=True)
    ] = ()
    poll_interval_ms: Annotated[
        int, about("How often issued signatures are polled while they are young.", ge=50, le=60_000)
    ] = 1_000
    dead_margin_blocks: Annotated[
        int, about("Blocks past the last valid one before a transaction can be called dead.", ge=0)
    ] = 32
    reuse_blocks: Annotated[
        int, about("The same wallet gets its transaction again while this many blocks are left.", ge=1, le=140)
    ] = 60
    finalized_above_usdc: Annotated[
        Decimal, about("Payments above this many USDC count as paid at `finalized` only.")
    ] = Decimal(200)
