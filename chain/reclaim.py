"""Taking back the rent of single-use accounts: many in one transaction that only our own keys sign.

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

# So many fit into the 1,232 bytes that the network takes in one packet: more when no second key signs.
ACCOUNTS_PER_RECLAIM = 9
ACCOUNTS_PER_FORMER_RECLAIM = 8


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


def accounts_per_reclaim(fee_payer: Pubkey, base: Pubkey) -> int:
    """How many accounts of a base one transaction of this fee payer can empty."""
    return ACCOUNTS_PER_RECLAIM if base == fee_payer else ACCOUNTS_PER_FORMER_RECLAIM


def build_reclaim(fee_payer: Pubkey, locked: Sequence[Locked], blockhash: Hash) -> Message:
    """The message that moves everything in these accounts to the fee payer.

    Raises ValueError for no account or more than fit, for accounts of several bases, and for an empty one.
    """
    bases = {account.single_use.base for account in locked}
    if len(bases) != 1:
        raise ValueError(f"a reclaim empties accounts of one base, not of {len(bases)}")
    if len(locked) > (most := accounts_per_reclaim(fee_payer, *bases)):
        raise ValueError(f"a reclaim takes 1 to {most} accounts")
    return Message.new_with_blockhash([_empty(fee_payer, account) for account in locked], fee_payer, blockhash)


async def sign_reclaim(
    fee_payer: FeePayer, base: FeePayer, locked: Sequence[Locked], blockhash: Hash
) -> SignedTransaction:
    """Build and sign; nothing is missing then. `base`: the key of the accounts' base, maybe the fee payer itself.

    Raises what build_reclaim raises, and ValueError when `base` is not the base of the accounts.
    """
    if any(account.single_use.base != base.address for account in locked):
        raise ValueError(f"{base.address} is not the base of all accounts")
    message = bytes(build_reclaim(fee_payer.address, locked, blockhash))
    signers = [fee_payer] if base.address == fee_payer.address else [fee_payer, base]
    signatures = [await signer.sign(message) for signer in signers]
    wire = b"".join((bytes([len(signatures)]), *map(bytes, signatures), message))
    return SignedTransaction(str(signatures[0]), wire)


def _empty(fee_payer: Pubkey, account: Locked) -> Instruction:
    if account.lamports <= 0:
        raise ValueError(f"{account.single_use.address} is empty")
    return transfer_with_seed(
        TransferWithSeedParams(
            from_pubkey=account.single_use.address,
            from_base=account.single_use.base,
            from_seed=account.single_use.seed,
            from_owner=SYSTEM_PROGRAM,
            to_pubkey=fee_payer,
            lamports=account.lamports,
        )
    )
