"""Who filled a single-use address: one of our own transactions, or somebody else.

Our records say so, as long as they are whole. After a restore they may lack a transaction that paid, and to leave the
address then would let the order be paid twice. So before it is left the chain is asked, too.
"""

from enum import Enum, auto

from solders.pubkey import Pubkey

from chain.errors import TransactionVersionUnsupported
from chain.node import HistoryLine, Questions
from chain.programs import MAX_HISTORY_PER_CALL


class Occupant(Enum):
    """What the chain shows."""

    OURS = auto()
    STRANGER = auto()
    # The history is too long, too short, or not told whole.
    UNKNOWN = auto()


async def find_occupant(node: Questions, address: Pubkey, base: Pubkey) -> Occupant:
    """Who made the account at a single-use address of this base. Raises NodeError.

    The first transaction there that did not fail has made it: an account of no lamports does not exist, and while it
    has some, ours can only fail. Only ours has the base's signature.
    """
    lines = await node.history(address, commitment="confirmed")
    first = next((line for line in reversed(lines) if line.error is None), None)
    if first is None or len(lines) >= MAX_HISTORY_PER_CALL:
        return Occupant.UNKNOWN
    return await _judge(node, first, base)


async def _judge(node: Questions, line: HistoryLine, base: Pubkey) -> Occupant:
    try:
        transaction = await node.transaction(line.signature, "confirmed")
    except TransactionVersionUnsupported:
        # Ours are legacy.
        return Occupant.STRANGER
    if transaction is None:
        return Occupant.UNKNOWN
    signers = transaction.keys[: transaction.required_signatures]
    return Occupant.OURS if base in signers else Occupant.STRANGER
