"""The chains we work on: for each cluster its nodes, mint, fee payers and cached chain state."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from prometheus_client import Counter
from solders.pubkey import Pubkey

from app import metrics
from app.fee_payers import FeePayers, load_fee_payers
from app.logs import get_logger
from app.records import Cluster
from app.settings import Settings, SettingsInvalid, variable
from chain.errors import NodeError
from chain.fee_payer import FeePayer
from chain.node import Node
from chain.pool import Pool
from chain.snapshot import SnapshotCache


@dataclass
class Purse:
    """What this process last saw of today's fee payer: its lamports, and a transaction's fee. None: nothing yet."""

    lamports: int | None = None
    last_fee: int | None = None


@dataclass(frozen=True)
class ClusterParts:
    """Everything that belongs to one cluster; nothing of it is shared with another."""

    cluster: Cluster
    mint: Pubkey
    fee_payers: FeePayers
    node: Pool
    snapshots: SnapshotCache
    purse: Purse = field(default_factory=Purse)
    # Set when something of this cluster is to be looked at before the watcher's next poll.
    hinted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def fee_payer(self) -> FeePayer:
        """Today's: it pays for the orders that are opened now."""
        return self.fee_payers.current

    async def close(self) -> None:
        await self.node.close()


async def _make(cluster: Cluster, settings: Settings, rpc_urls: tuple[str, ...], mint: str) -> ClusterParts:
    fee_payers = await load_fee_payers(cluster, settings)
    node = make_pool(cluster, rpc_urls, settings.rpc_timeout_seconds)
    snapshots = SnapshotCache(
        node,
        refresh_seconds=settings.snapshot_refresh_ms / 1000,
        fee_addresses=(fee_payers.current.address,),
        max_compute_unit_price=settings.compute_unit_price_max,
    )
    return ClusterParts(cluster, parse_mint(cluster, mint), fee_payers, node, snapshots)


def parse_mint(cluster: Cluster, text: str) -> Pubkey:
    """The mint's address. Raises SettingsInvalid."""
    try:
        return Pubkey.from_string(text)
    except ValueError:
        name = variable("usdc_mint" if cluster is Cluster.live else "test_usdc_mint")
        raise SettingsInvalid(problem=f"{name} is not the address of a mint") from None


def make_pool(cluster: Cluster, rpc_urls: tuple[str, ...], timeout_seconds: float) -> Pool:
    """The nodes of a cluster; every call is counted, every fault and every change of health is also logged."""

    @cache
    def counter(method: str, outcome: str) -> Counter:
        return metrics.rpc_calls_total.labels(method, outcome)

    def count(method: str, outcome: str) -> None:
        counter(method, outcome).inc()

    def tell_fault(name: str, method: str, error: NodeError) -> None:
        metrics.node_faults_total.labels(cluster=cluster, node=name, reason=error.reason).inc()
        get_logger().warning("node_fault", cluster=cluster, node=name, method=method, problem=error.message)

    def tell_health(name: str, is_well: bool) -> None:
        metrics.node_well.labels(cluster=cluster, node=name).set(is_well)
        get_logger().warning("node_well" if is_well else "node_unwell", cluster=cluster, node=name)

    nodes = [Node(url, timeout_seconds, on_call=count) for url in rpc_urls]
    pool = Pool(nodes, on_fault=tell_fault, on_health=tell_health)
    for member in pool.members:
        metrics.node_well.labels(cluster=cluster, node=member.name).set(1)
    return pool


async def make_clusters(settings: Settings) -> Mapping[Cluster, ClusterParts]:
    """The live cluster, and the test cluster where it is configured.

    Raises SettingsInvalid, FeePayerKeyInvalid, FeePayerUnavailable.
    """
    clusters = {Cluster.live: await _make(Cluster.live, settings, settings.rpc_urls, settings.usdc_mint)}
    if settings.test_rpc_urls:
        clusters[Cluster.test] = await _make(Cluster.test, settings, settings.test_rpc_urls, settings.test_usdc_mint)
        keys = [{key.address for key in parts.fee_payers.at_hand} for parts in clusters.values()]
        if shared := set.intersection(*keys):
            raise SettingsInvalid(problem=f"the key of {shared.pop()} is given for both clusters")
    return clusters
