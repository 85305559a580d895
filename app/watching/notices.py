"""Notices: what a node's websocket names is looked at in the same moment, instead of at the next poll."""

import asyncio
from collections.abc import Sequence

from solders.pubkey import Pubkey

from app import metrics
from app.clusters import ClusterParts
from app.logs import get_logger
from app.records import Cluster, WatchKind
from app.settings import Settings
from app.system import System
from app.transactions.issued import open_fee_payers
from app.watching.hints import take_hint
from chain.errors import NodeError
from chain.programs import MAX_STATUSES_PER_CALL
from chain.subscription import LogsListener, follow_logs, websocket_url

_LIVE = """
SELECT i.id, i.signature FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
WHERE i.fate = 'live' AND g.cluster = $1 AND i.id > $2 ORDER BY i.id LIMIT $3
"""
# Signatures kept while the database does not answer; beyond that the other watchers find them.
KEPT_MAX = 10_000
RETRY_SECONDS = 1


def _find_urls(settings: Settings, cluster: Cluster) -> Sequence[str]:
    if cluster is Cluster.live:
        return settings.rpc_websocket_urls or [websocket_url(url) for url in settings.rpc_urls]
    return settings.test_rpc_websocket_urls or [websocket_url(url) for url in settings.test_rpc_urls]


class Notices:
    """Listens for one cluster: one websocket, one subscription for each fee payer that has something open."""

    def __init__(self, system: System, parts: ClusterParts) -> None:
        self._system = system
        self._parts = parts
        self._named: set[str] = set()
        self._arrived = asyncio.Event()
        metrics.websocket_open.labels(cluster=parts.cluster).set(0)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set; returns at once where this is switched off."""
        settings = self._system.settings
        if not settings.watch_websocket:
            return
        urls = _find_urls(settings, self._parts.cluster)
        listener = LogsListener(self._find_addresses, self._open, self._name, self._note_fault)
        tasks = [
            asyncio.create_task(follow_logs(urls, listener, settings.rpc_timeout_seconds)),
            asyncio.create_task(self._pass_on()),
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)
        for task in tasks:
            # Neither ends by itself: an error of one is a bug, and ends the worker.
            if not task.cancelled():
                task.result()

    async def catch_up(self) -> None:
        """Look once at everything that is open: what landed while nobody listened is named by nobody any more.

        Raises NodeError.
        """
        after = 0
        while True:
            async with self._system.database.acquire() as connection:
                rows = await connection.fetch(_LIVE, self._parts.cluster, after, MAX_STATUSES_PER_CALL)
            if rows:
                after = rows[-1]["id"]
                view = await self._parts.node.signature_statuses([row["signature"] for row in rows])
                landed = [row["signature"] for row, status in zip(rows, view.statuses, strict=True) if status]
                if landed:
                    await take_hint(self._system, self._parts, landed, WatchKind.websocket)
            if len(rows) < MAX_STATUSES_PER_CALL:
                return

    async def _find_addresses(self) -> Sequence[Pubkey]:
        found = {str(self._parts.fee_payer.address)}
        async with self._system.database.operational("find_fee_payers"), self._system.database.acquire() as connection:
            found |= await open_fee_payers(connection, self._parts.cluster)
        return [Pubkey.from_string(address) for address in sorted(found)]

    async def _open(self) -> None:
        metrics.websocket_open.labels(cluster=self._parts.cluster).set(1)
        get_logger().info("websocket_open", cluster=self._parts.cluster)
        async with self._system.database.operational("catch_up"):
            await self.catch_up()

    def _name(self, signature: str) -> None:
        if len(self._named) < KEPT_MAX:
            self._named.add(signature)
            self._arrived.set()

    async def _pass_on(self) -> None:
        """Hand on what was named, all that came meanwhile at once."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            named, self._named = self._named, set()
            async with self._system.database.operational("notices"):
                await take_hint(self._system, self._parts, sorted(named), WatchKind.websocket)
                named = set()
            if named:
                # Kept for when the database answers again.
                self._named |= named
                self._arrived.set()
                await asyncio.sleep(RETRY_SECONDS)

    def _note_fault(self, host: str, error: NodeError) -> None:
        cluster = self._parts.cluster
        metrics.websocket_open.labels(cluster=cluster).set(0)
        metrics.node_faults_total.labels(cluster=cluster, node=f"websocket:{host}", reason=error.reason).inc()
        get_logger().warning("websocket_lost", cluster=cluster, node=host, problem=error.message)
