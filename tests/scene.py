"""The whole system on a chain whose slots pass only when the test says so."""

import asyncio
import base64
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.clusters import ClusterParts
from app.payments.initiation import open_payment
from app.payments.issuing import offer_transaction
from app.records import Cluster
from app.sandbox.devnet import Devnet
from app.sandbox.wallet.signing import parse_transaction, sign
from app.shopify.payloads import read_payment_session
from app.system import System
from app.transactions.reclaim import Reclaimer
from app.watching.watcher import Watcher
from tests.box import Box, open_box
from tests.house import SHOP, VERSION, session_body
from tests.waiting import wait_until


@dataclass(frozen=True)
class Scene:
    """Reclaims wait for no full batch here, and for no margin of blocks."""

    box: Box
    system: System
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

    async def open(self, shop: str = SHOP, **changes: Any) -> dict[str, Any]:
        """A payment opened by this scene's own process."""
        session = read_payment_session(json.dumps(session_body(**changes)).encode())
        opened = await open_payment(self.system, shop, VERSION, session)
        return {"payment": opened.payment.id, "group": changes.get("group")}

    async def offer(self, checkout: dict[str, Any], wallet: str | None = None) -> tuple[str, str]:
        """The same of this scene's own process. Raises what offer_transaction raises."""
        wallet = wallet or await self.box.wallet()
        offer = await offer_transaction(self.system, checkout["payment"], wallet)
        return wallet, base64.b64encode(offer.transaction).decode()

    async def send(self, wallet: str, transaction: str) -> httpx.Response:
        """Send it in this slot; one slot later, when the wallet knows, return what it says."""
        landed = len(self.devnet.cluster._unrooted)
        call = self.box.outside.post(f"/sandbox/wallets/{wallet}/send", json={"transaction": transaction})
        task = asyncio.create_task(call)
        await wait_until(lambda: task.done() or len(self.devnet.cluster._unrooted) > landed, 30, "it is sent")
        self.devnet.advance_slots(1)
        return await task

    async def send_raw(self, wallet: str, transaction: str) -> dict[str, Any]:
        """Sign it as the wallet and send it past every check of wallet and node."""
        key = self.box.world._wallets._keys.key(wallet)
        assert key is not None
        signed = sign(parse_transaction(transaction), key)
        params = [base64.b64encode(bytes(signed)).decode(), {"encoding": "base64", "skipPreflight": True}]
        body = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": params}
        answer: dict[str, Any] = (await self.box.outside.post("/sandbox/rpc", json=body)).json()
        return answer

    async def look(self) -> None:
        """Let Settle look at everything that it issued, due or not."""
        async with self.system.database.acquire() as connection:
            await connection.execute(
                "UPDATE issued_transactions SET poll_at = $1 WHERE NOT final", self.system.clock.now()
            )
        await self.watcher.poll()
        await self.watcher.finish()

    async def settle(self) -> None:
        """Let what was sent become final, and Settle see it."""
        self.devnet.advance_slots(40)
        await self.look()

    async def die(self) -> None:
        """Let everything that was issued and not sent become dead, and Settle see it."""
        self.devnet.advance_slots(300)
        await self.look()

    async def refresh(self) -> None:
        """Let this process know the newest blockhash. The first fetch may be one that began before."""
        for _ in range(2):
            await self.parts.snapshots.refresh()

    async def reach_height(self, height: int) -> None:
        """Let slots pass until the finalized block height is this one."""
        now = await self.parts.node.epoch_info("finalized")
        self.devnet.advance_slots(height - now.block_height)

    async def pay(self) -> dict[str, Any]:
        checkout = await self.box.checkout()
        assert (await self.send(*await self.fetch(checkout))).status_code == 200
        return checkout

    async def reclaim_all(self) -> None:
        """Take back all rent that is due, until the chain shows that nothing is left."""
        while await self.reclaimer.reclaim():
            await self.settle()
            await self.reclaimer.follow()

    async def lamports(self, address: str | None = None) -> int:
        """Of today's fee payer, or of another address."""
        _, lamports = await self.devnet.balances(address or str(self.parts.fee_payer.address))
        return lamports

    async def last_valid(self) -> int:
        [row] = await self.box.house.rows("SELECT max(last_valid_block_height) AS height FROM issued_transactions")
        height: int = row["height"]
        return height

    async def value(self, query: str) -> Any:
        [row] = await self.box.house.rows(query)
        return row[0]

    @asynccontextmanager
    async def restarted(self, **changes: Any) -> AsyncIterator["Scene"]:
        """Another process of Settle, with other settings, on the same records and chain."""
        system = await System.open(dataclasses.replace(self.system.settings, **changes))
        try:
            yield _look_at(self.box, system)
        finally:
            await system.close()


def _look_at(box: Box, system: System) -> Scene:
    parts = system.clusters[Cluster.live]
    return Scene(box, system, parts, Watcher(system, parts), Reclaimer(system, parts))


@asynccontextmanager
async def open_scene(database_url: str, folder: Path, **changes: Any) -> AsyncIterator[Scene]:
    settings = {"reclaim_margin_blocks": 0, "reclaim_patience_seconds": 0, **changes}
    async with open_box(database_url, folder, slot_ms=0, worker=False, **settings) as box:
        yield _look_at(box, box.house.system)
