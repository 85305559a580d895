"""What every JSON-RPC method is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.sandbox.devnet.cluster import Cluster
from app.sandbox.devnet.faucet import Faucet
from app.sandbox.devnet.node import Node, Sight
from app.sandbox.devnet.params import Params

API_VERSION = "3.1.8"


@dataclass(frozen=True)
class Call:
    """One call: who is asked, what it sees at this moment, and the parameters."""

    node: Node
    sight: Sight
    params: Params

    @property
    def cluster(self) -> Cluster:
        return self.node.cluster

    @property
    def faucet(self) -> Faucet:
        return self.node.faucet

    @staticmethod
    def at(slot: int, value: Any) -> dict[str, Any]:
        """An answer that says of which slot it speaks."""
        return {"context": {"apiVersion": API_VERSION, "slot": slot}, "value": value}


# The `result` of a call; raises RpcError for an `error`.
Method = Callable[[Call], Any]
