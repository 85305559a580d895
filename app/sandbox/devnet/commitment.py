"""Commitment: how sure the cluster is of a slot, and what a node shows of it.

A transaction is `processed` in the slot it executes in, `confirmed` some slots later and `finalized` once rooted. A
`View` is one node's word on the three newest slots; a node that lags has an older view of the same cluster.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Commitment = Literal["processed", "confirmed", "finalized"]
LEVELS: tuple[Commitment, ...] = get_args(Commitment)

SLOTS_PER_EPOCH = 432_000
# The first slot of a new ledger, and how many of the slots before it had no block: heights are not slots.
FIRST_SLOT = 400_000_001
SKIPPED_SLOTS = 21_600_000


def block_height(slot: int) -> int:
    """The number of blocks up to this slot."""
    return slot - SKIPPED_SLOTS


@dataclass(frozen=True)
class View:
    """The newest slot of each commitment, as one node sees it."""

    processed: int
    confirmed: int
    finalized: int

    def slot(self, commitment: Commitment) -> int:
        """The newest slot that has this commitment."""
        return {"processed": self.processed, "confirmed": self.confirmed, "finalized": self.finalized}[commitment]

    def level(self, slot: int) -> Commitment | None:
        """The commitment of what landed in this slot; None when the node has not come that far."""
        if slot <= self.finalized:
            return "finalized"
        if slot <= self.confirmed:
            return "confirmed"
        return "processed" if slot <= self.processed else None

    def behind(self, slots: int) -> "View":
        """The same cluster as it was this many slots ago."""
        return View(*(max(FIRST_SLOT, slot - slots) for slot in (self.processed, self.confirmed, self.finalized)))
