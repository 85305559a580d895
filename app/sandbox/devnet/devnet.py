"""The devnet put together: a cluster, its nodes, the passing of time."""

import asyncio
import logging
from pathlib import Path

from solders.pubkey import Pubkey
from starlette.routing import BaseRoute, Route, WebSocketRoute

from app.sandbox.clock import VirtualClock
from app.sandbox.devnet.cluster import Cluster
from app.sandbox.devnet.explorer import Explorer
from app.sandbox.devnet.faucet import Faucet
from app.sandbox.devnet.node import NODE_FAULTS, Node
from app.sandbox.devnet.rpc import HttpDoor
from app.sandbox.devnet.vanishing import Vanishing
from app.sandbox.devnet.websocket import WebSocketDoor
from app.sandbox.faults import Faults

log = logging.getLogger(__name__)

CLUSTER_FAULTS = {
    "hold_finality": "nothing is finalized while this is on",
    "vanish": "a confirmed transaction is gone before it is final: its signature, or how many slots after it was "
    "confirmed the next one goes (default half of the slots to finality)",
}


class NodeDoors:
    """The routes of one node."""

    def __init__(self, node: Node, path: str) -> None:
        self._socket = WebSocketDoor(node)
        node.cluster.watchers.append(self._socket)
        http = HttpDoor(node)
        self.path = path
        self.routes: list[BaseRoute] = [
            Route(path, http.handle, methods=["POST", "OPTIONS"]),
            WebSocketRoute(path, self._socket.handle),
            WebSocketRoute(f"{path}/ws", self._socket.handle),
        ]

    def close(self) -> None:
        self._socket.close()


class Devnet:
    """One local cluster with one JSON-RPC node at `/sandbox/rpc` (for the name "live") or `/sandbox/rpc-{name}`.

    With `slot_ms` 0 slots pass by `advance_slots` only. All of it is kept in one file under `data`.
    """

    def __init__(
        self,
        name: str,
        data: Path,
        clock: VirtualClock,
        faults: Faults,
        *,
        slot_ms: int,
        finality_slots: int = 32,
        confirmed_slots: int = 1,
    ) -> None:
        self.target = "rpc" if name == "live" else f"rpc-{name}"
        self._faults = faults
        self._slot_ms = slot_ms
        self._ticker: asyncio.Task[None] | None = None
        faults.register(self.target, NODE_FAULTS | CLUSTER_FAULTS)
        path = data / f"devnet-{name}.sqlite"
        self.cluster = Cluster(path, clock, finality_slots=finality_slots, confirmed_slots=confirmed_slots)
        self.cluster.is_finality_held = lambda: bool(faults.peek(self.target, "hold_finality"))
        self.cluster.pick_vanishing = Vanishing(faults, self.target, finality_slots // 2).pick
        self.faucet = Faucet(self.cluster)
        self._doors = [NodeDoors(self._node(self.target), f"/sandbox/{self.target}")]
        # It asks a node of its own: people look while nodes are at fault.
        explorer = Explorer(self._node(None), f"/sandbox/explorer{'' if name == 'live' else f'-{name}'}")
        self.routes = [*self._doors[0].routes, *explorer.routes]
        clock.listeners.append(self.advance)

    def _node(self, target: str | None) -> Node:
        return Node(self.cluster, self.faucet, self._faults, target, self._slot_ms)

    def add_node(self, path: str, target: str | None = None) -> list[BaseRoute]:
        """Another node over the same cluster, at this path; the routes to serve.

        With a `target` it has fault switches of its own, so that nodes can disagree; without, it is never at fault.
        """
        if target is not None:
            self._faults.register(target, NODE_FAULTS)
        self._doors.append(NodeDoors(self._node(target), path))
        return self._doors[-1].routes

    @property
    def usdc_mint(self) -> str:
        return str(self.faucet.mint)

    async def start(self) -> None:
        """Let time pass."""
        if self._slot_ms and self._ticker is None:
            self._ticker = asyncio.create_task(self._tick(), name=f"slots of {self.target}")

    async def stop(self) -> None:
        """Stop time, end the websockets, close the file."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
            self._ticker = None
        for doors in self._doors:
            doors.close()
        self.cluster.ledger.close()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        begun, passed = loop.time(), 0
        while True:
            await asyncio.sleep(begun + (passed + 1) * self._slot_ms / 1000 - loop.time())
            due = int((loop.time() - begun) * 1000) // self._slot_ms - passed
            passed += due
            try:
                self.advance_slots(due)
            except Exception:
                log.exception("the slots of %s could not advance", self.target)

    def advance(self, seconds: int) -> None:
        """Let the slots of this much time pass at once. With the ticker off, time passes without slots."""
        if self._slot_ms:
            self.advance_slots(seconds * 1000 // self._slot_ms)

    def advance_slots(self, slots: int) -> None:
        """Let this many slots pass at once."""
        self.cluster.advance_slots(slots)

    async def airdrop(self, address: str, lamports: int) -> str:
        """Give SOL; the signature. Raises RpcError."""
        return self.faucet.airdrop(Pubkey.from_string(address), lamports).signature

    async def fund_usdc(self, address: str, base_units: int) -> str:
        """Give USDC, with the token account when it is missing; the signature. Raises RpcError."""
        return self.faucet.fund_usdc(Pubkey.from_string(address), base_units).signature

    async def balances(self, address: str) -> tuple[int, int]:
        """USDC in base units, and lamports, as of now."""
        return self.faucet.balances(Pubkey.from_string(address))
