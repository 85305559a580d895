"""The ring of recent blockhashes: one for every block, the newest 300 kept, each valid for 150 blocks after its own."""

import secrets

from solders.hash import Hash

KEPT = 300
VALID_BLOCKS = 150


class Blockhashes:
    """Which blockhash belongs to which slot."""

    def __init__(self, known: dict[int, str]) -> None:
        self._by_slot = dict(known)
        self._slots = {blockhash: slot for slot, blockhash in known.items()}

    def extend(self, first: int, last: int) -> dict[int, str]:
        """Make blockhashes for the slots first..last and forget what fell out of the ring; the new ones by slot."""
        fresh = {slot: str(Hash(secrets.token_bytes(32))) for slot in range(max(first, last - KEPT + 1), last + 1)}
        for slot, blockhash in fresh.items():
            self._by_slot[slot] = blockhash
            self._slots[blockhash] = slot
        for slot in [slot for slot in self._by_slot if slot <= last - KEPT]:
            del self._slots[self._by_slot.pop(slot)]
        return fresh

    def at(self, slot: int) -> str:
        """The blockhash of a slot, or the oldest one kept when the slot is older."""
        return self._by_slot.get(slot) or self._by_slot[min(self._by_slot)]

    def hash_at(self, slot: int) -> Hash:
        """The same, as it goes into a message."""
        return Hash.from_string(self.at(slot))

    def slot_of(self, blockhash: str) -> int | None:
        """The slot of a blockhash that is still in the ring."""
        return self._slots.get(blockhash)

    def is_valid(self, blockhash: str, slot: int) -> bool:
        """Whether a transaction with this blockhash may execute in this slot."""
        made = self._slots.get(blockhash)
        return made is not None and 0 <= slot - made <= VALID_BLOCKS
