"""What a landed transaction says of itself, for whoever has no record of it (rule V26 of chain/RULES.md).

Nothing is proven by being said. A claim tells which record to look for; then the transaction is verified as any other.
"""

import struct
from dataclasses import dataclass

from solders.hash import Hash
from solders.message import Message
from solders.pubkey import Pubkey

from chain.errors import WrongInstructions, WrongMemo, WrongSigners, WrongSingleUse
from chain.fees import transaction_fee
from chain.payment_transaction import SIGNATURES
from chain.settled import SettledTransaction
from chain.single_use import SingleUse
from chain.verification import (
    COMPUTE_UNIT_LIMIT_DATA,
    COMPUTE_UNIT_PRICE_DATA,
    ISSUED_PROGRAMS,
    LAMPORTS_SPACE,
    OPENING_PROGRAMS,
    TRANSFER_CHECKED_DATA,
    check_compute_budget,
    check_legacy,
    check_no_error,
    check_transfer,
)

_TAG_BASE_SEED_LENGTH = struct.Struct("<4x32sQ")


@dataclass(frozen=True, slots=True)
class Claim:
    """`amount` in base units; `fee_lamports` is what it cost, `rent_lamports` what it locked."""

    fee_payer: Pubkey
    wallet: Pubkey
    single_use: SingleUse
    memo: str
    reference: Pubkey
    amount: int
    opens_destination: bool
    blockhash: Hash
    rent_lamports: int
    fee_lamports: int


def read_claim(transaction: SettledTransaction) -> Claim:
    """Read what a transaction says that has the shape of those we issue. Raises the Unverified that it breaks."""
    check_no_error(transaction, None)
    check_legacy(transaction, None)
    if transaction.required_signatures != SIGNATURES:
        raise WrongSigners(found=", ".join(map(str, transaction.keys[: transaction.required_signatures])))
    programs = tuple(step.program for step in transaction.steps)
    if programs not in (ISSUED_PROGRAMS, OPENING_PROGRAMS):
        raise WrongInstructions(found=", ".join(map(str, programs)))
    check_compute_budget(transaction, None)
    check_transfer(transaction, None)
    limit, price, creation = transaction.steps[:3]
    memo, transfer = transaction.steps[-2:]
    single_use, rent = _read_creation(creation.data)
    _, amount, _ = TRANSFER_CHECKED_DATA.unpack(transfer.data)
    _, units = COMPUTE_UNIT_LIMIT_DATA.unpack(limit.data)
    _, unit_price = COMPUTE_UNIT_PRICE_DATA.unpack(price.data)
    try:
        text = memo.data.decode()
    except UnicodeDecodeError:
        raise WrongMemo(expected="text") from None
    return Claim(
        fee_payer=transaction.keys[0],
        wallet=transaction.keys[1],
        single_use=single_use,
        memo=text,
        reference=transfer.accounts[4],
        amount=amount,
        opens_destination=programs == OPENING_PROGRAMS,
        blockhash=Message.from_bytes(transaction.message).recent_blockhash,
        rent_lamports=rent,
        fee_lamports=transaction_fee(SIGNATURES, units, unit_price),
    )


def _read_creation(data: bytes) -> tuple[SingleUse, int]:
    """The account that a `create_account_with_seed` makes, and what it puts there. Raises WrongSingleUse."""
    try:
        base, length = _TAG_BASE_SEED_LENGTH.unpack_from(data)
        seed = data[_TAG_BASE_SEED_LENGTH.size : _TAG_BASE_SEED_LENGTH.size + length]
        lamports, _ = LAMPORTS_SPACE.unpack_from(data, _TAG_BASE_SEED_LENGTH.size + length)
        return SingleUse.derive(Pubkey.from_bytes(base), seed.decode()), lamports
    except (struct.error, UnicodeDecodeError, ValueError):
        raise WrongSingleUse(expected="none") from None
