"""Taking back the rent of single-use accounts: many in one transaction that only the fee payer signs.

An account may be emptied only when nothing issued for it can land any more (the rules R of chain/RULES.md): an emptied
one is gone, and a transaction that is still valid would create it again and pay a second time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferWithSeedParams, transfer_with_seed

from chain.fee_payer import FeePayer
from chain.payment_transaction import SignedTransaction
from chain.programs import SYSTEM_PROGRAM
from chain.single_use import SingleUse

# So many fit into the 1,232 bytes that the network takes in one packet.
ACCOUNTS_PER_RECLAIM = 9
SIGNATURES = 1


@dataclass(frozen=True, slots=True)
class Locked:
    """A single-use account and all the lamports in it."""

    single_use: SingleUse
    lamports: int


def may_reclaim(last_valid_block_heights: Iterable[int], finalized_height: int, margin_blocks: int) -> bool:
    """Whether nothing that was ever issued for a group can land any more.

    `last_valid_block_heights`: of everything issued for it, in all its sessions, versions and bases. Raises ValueError
    when there is none: then nobody knows.
    """
    return finalized_height > max(last_valid_block_heights) + margin_blocks


def build_reclaim(fee_payer: Pubkey, locked: Sequence[Locked], blockhash: Hash) -> Message:
    """The message that moves everything in these accounts to the fee payer.

    Raises ValueError for no account or more than 9, for one with another base, and for an empty one.
    """
    if not 0 < len(locked) <= ACCOUNTS_PER_RECLAIM:
        raise ValueError(f"a reclaim takes 1 to {ACCOUNTS_PER_RECLAIM} accounts")
    return Message.new_with_blockhash([_empty(fee_payer, account) for account in locked], fee_payer, blockhash)


async def sign_reclaim(fee_payer: FeePayer, locked: Sequence[Locked], blockhash: Hash) -> SignedTransaction:
    """Build and sign; nothing is missing then. Raises what build_reclaim raises."""
    message = bytes(build_reclaim(fee_payer.address, locked, blockhash))
    signature = await fee_payer.sign(message)
    return SignedTransaction(str(signature), b"".join((bytes([SIGNATURES]), bytes(signature), message)))


def _empty(fee_payer: Pubkey, account: Locked) -> Instruction:
    if account.single_use.base != fee_payer:
        raise ValueError(f"{account.single_use.address} has another base than {fee_payer}")
    if account.lamports <= 0:
        raise ValueError(f"{account.single_use.address} is empty")
    return transfer_with_seed(
        TransferWithSeedParams(
            from_pubkey=account.single_use.address,
            from_base=fee_payer,
            from_seed=account.single_use.seed,
            from_owner=SYSTEM_PROGRAM,
            to_pubkey=fee_payer,
            lamports=account.lamports,
        )
    )
