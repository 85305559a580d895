"""The whole system on a chain whose slots pass only when the test says so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from app.clusters import ClusterParts
from app.payments.reclaim import Reclaimer
from app.payments.watcher import Watcher
from app.records import Cluster
from app.sandbox.devnet import Devnet
from tests.box import Box, open_box
from tests.waiting import wait_until


@dataclass(frozen=True)
class Scene:
    """Reclaims wait for no full batch here, and for no margin of blocks."""

    box: Box
    parts: ClusterParts
    watcher: Watcher
    reclaimer: Reclaimer

    @property
    def devnet(self) -> Devnet:
        return self.box.world._devnets["live"]

    async def fetch(self, checkout: dict[str, Any]) -> tuple[str, str]:
        """A new wallet with a transaction that it has not sent yet."""
        wallet = await self.box.wallet()
        answer = await self.box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
        assert answer.status_code == 200, answer.text
        return wallet, answer.json()["transaction"]

    async def send(self, wallet: str, transaction: str) -> httpx.Response:
        """Send it in this slot; one slot later, when the wallet knows, return what it says."""
        landed = len(self.devnet.cluster._unrooted)
        call = self.box.outside.post(f"/sandbox/wallets/{wallet}/send", json={"transaction": transaction})
        task = asyncio.create_task(call)
        await wait_until(lambda: task.done() or len(self.devnet.cluster._unrooted) > landed, 30, "it is sent")
        self.devnet.advance_slots(1)
        return await task

    async def settle(self) -> None:
        """Let what was sent become final, and Settle see it."""
        self.devnet.advance_slots(40)
        await self.watcher.poll()
        await self.watcher.finish()

    async def reach_height(self, height: int) -> None:
        """Let slots pass until the finalized block height is this one."""
        now = await self.parts.node.epoch_info("finalized")
        self.devnet.advance_slots(height - now.block_height)

    async def pay(self) -> dict[str, Any]:
        checkout = await self.box.checkout()
        assert (await self.send(*await self.fetch(checkout))).status_code == 200
        return checkout

    async def lamports(self) -> int:
        _, lamports = await self.devnet.balances(str(self.parts.fee_payer.address))
        return lamports

    async def last_valid(self) -> int:
        [row] = await self.box.house.rows("SELECT max(last_valid_block_height) AS height FROM issued_transactions")
        height: int = row["height"]
        return height

    async def value(self, query: str) -> Any:
        [row] = await self.box.house.rows(query)
        return row[0]


@pytest_asyncio.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    settings = {"reclaim_margin_blocks": 0, "reclaim_patience_seconds": 0}
    async with open_box(database_url, tmp_path, slot_ms=0, worker=False, **settings) as box:
        parts = box.house.system.clusters[Cluster.live]
        system = box.house.system
        yield Scene(box, parts, Watcher(system, parts), Reclaimer(system, parts))
