"""A node: one way to look at the cluster, with faults of its own."""

from dataclasses import dataclass
from typing import Any

from app.sandbox.devnet.cluster import Cluster
from app.sandbox.devnet.commitment import FIRST_SLOT, View
from app.sandbox.devnet.faucet import Faucet
from app.sandbox.faults import Faults

# What a validator keeps in its status cache, and the lag from which on it calls itself unhealthy.
STATUS_CACHE_SLOTS = 300
UNHEALTHY_SLOTS = 128

NODE_FAULTS = {
    "behind": "answer heights, blockhashes, statuses and history as of this many slots ago (default 150)",
    "null_status": "getSignatureStatuses answers null for every signature",
    "false_error": "getSignatureStatuses says of everything that landed that it failed",
    "null_transaction": "getTransaction answers null",
    "forged": "getTransaction shows every token account with one base unit more than it got",
    "skip_history": "know only the transactions of this many newest slots (default 300), also when asked for history",
    "swallow": "sendTransaction answers the signature, and the transaction never lands",
    "priority_fee": "getRecentPrioritizationFees answers this many micro-lamports per unit (default 10000)",
    "silent": "the websocket takes subscriptions and notifies of nothing",
}


@dataclass(frozen=True)
class Node:
    """What one JSON-RPC endpoint stands on. `target` is its name in the fault switches; None is never at fault."""

    cluster: Cluster
    faucet: Faucet
    faults: Faults
    target: str | None
    slot_ms: int

    def fault(self, name: str) -> bool:
        """Whether this fault strikes now; a strike counts."""
        return self.target is not None and self.faults.take(self.target, name) is not None

    def figure(self, name: str, default: int) -> int | None:
        """The figure of a fault that strikes now; None when it is off."""
        fault = self.faults.take(self.target, name) if self.target is not None else None
        return None if fault is None else _number(fault.value, default)

    def is_on(self, name: str) -> bool:
        """Whether a fault that describes a state is on; nothing is counted."""
        return self.target is not None and bool(self.faults.peek(self.target, name))

    def look(self) -> "Sight":
        """What the node sees at this moment; one request looks once."""
        lag = self.figure("behind", 150) or 0
        view = self.cluster.view
        kept = self.figure("skip_history", STATUS_CACHE_SLOTS)
        oldest = FIRST_SLOT if kept is None else max(FIRST_SLOT, view.processed - kept + 1)
        return Sight(view.behind(lag) if lag else view, lag, oldest)


@dataclass(frozen=True)
class Sight:
    """The newest slots a node knows, how far that is behind the cluster, and the oldest slot of its history."""

    view: View
    lag: int
    oldest: int

    @property
    def is_unhealthy(self) -> bool:
        return self.lag >= UNHEALTHY_SLOTS


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
