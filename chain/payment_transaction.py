"""The one transaction that Settle issues: single-use account, memo, transfer. Its caller chooses only who pays.

A refund may have to open the payee's token account again before the memo. Then the wallet that pays funds it, never the
fee payer.
"""

import struct
from dataclasses import dataclass

import msgspec
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import CreateAccountWithSeedParams, create_account_with_seed

from chain.errors import OwnAddress
from chain.fee_payer import FeePayer
from chain.programs import (
    ASSOCIATED_TOKEN_PROGRAM,
    CREATE_IDEMPOTENT_TAG,
    MAX_TRANSACTION_BYTES,
    MEMO_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    TRANSFER_CHECKED_TAG,
)
from chain.single_use import SingleUse

SIGNATURES = 2
_EMPTY_SIGNATURE = bytes(64)
_TRANSFER_CHECKED = struct.Struct("<BQB")


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """Everything that a transaction says. Amounts in base units of the mint, `compute_unit_price` in micro-lamports.

    `source` and `destination` are token accounts, `wallet` is the one that pays: the customer, or for a refund the
    merchant. `rent_lamports` is what an account of 0 bytes must hold. `opened_for`: the owner of `destination`, when
    there is no such account yet.
    """

    fee_payer: Pubkey
    single_use: SingleUse
    rent_lamports: int
    wallet: Pubkey
    source: Pubkey
    destination: Pubkey
    mint: Pubkey
    decimals: int
    amount: int
    memo: str
    reference: Pubkey
    blockhash: Hash
    compute_unit_limit: int
    compute_unit_price: int
    opened_for: Pubkey | None = None


class SignedTransaction(msgspec.Struct, frozen=True):
    """`signature` (base58) is the transaction's id; `wire` lacks only the customer's signature."""

    signature: str
    wire: bytes


def build_message(plan: TransferPlan) -> Message:
    """The legacy message of a plan.

    Raises OwnAddress when the customer is the fee payer (one signature would do, and it would be ours), ValueError for
    a plan that can not be meant: another base than the fee payer, nothing to pay.
    """
    if plan.wallet == plan.fee_payer:
        raise OwnAddress
    if plan.single_use.base != plan.fee_payer:
        raise ValueError("the base of the single-use account must be the fee payer, or a third signature is needed")
    if plan.amount <= 0:
        raise ValueError("a transfer moves at least one base unit")
    instructions = [
        set_compute_unit_limit(plan.compute_unit_limit),
        set_compute_unit_price(plan.compute_unit_price),
        _create_single_use(plan),
        *([] if plan.opened_for is None else [_open_destination(plan, plan.opened_for)]),
        Instruction(MEMO_PROGRAM, plan.memo.encode(), []),
        _transfer_checked(plan),
    ]
    return Message.new_with_blockhash(instructions, plan.fee_payer, plan.blockhash)


async def issue_transaction(plan: TransferPlan, fee_payer: FeePayer) -> SignedTransaction:
    """Build and sign a plan; the customer's signature stays empty.

    Raises what build_message raises, ValueError when the fee payer is another one or the transaction is larger than 800
    bytes.
    """
    if fee_payer.address != plan.fee_payer:
        raise ValueError("the plan names another fee payer")
    message = bytes(build_message(plan))
    signature = await fee_payer.sign(message)
    wire = unsign(message, signature)
    if len(wire) > MAX_TRANSACTION_BYTES:
        raise ValueError(f"the transaction has {len(wire)} bytes, at most {MAX_TRANSACTION_BYTES} are allowed")
    return SignedTransaction(str(signature), wire)


def unsign(message: bytes, signature: Signature) -> bytes:
    """The wire format of a message that only the fee payer has signed."""
    return b"".join((bytes([SIGNATURES]), bytes(signature), _EMPTY_SIGNATURE, message))


def _create_single_use(plan: TransferPlan) -> Instruction:
    return create_account_with_seed(
        CreateAccountWithSeedParams(
            from_pubkey=plan.fee_payer,
            to_pubkey=plan.single_use.address,
            base=plan.single_use.base,
            seed=plan.single_use.seed,
            lamports=plan.rent_lamports,
            space=0,
            owner=SYSTEM_PROGRAM,
        )
    )


def _open_destination(plan: TransferPlan, owner: Pubkey) -> Instruction:
    """Idempotent: should somebody else open it meanwhile, it costs nothing, and the transfer lands all the same."""
    return Instruction(
        ASSOCIATED_TOKEN_PROGRAM,
        bytes([CREATE_IDEMPOTENT_TAG]),
        [
            AccountMeta(plan.wallet, is_signer=True, is_writable=True),
            AccountMeta(plan.destination, is_signer=False, is_writable=True),
            AccountMeta(owner, is_signer=False, is_writable=False),
            AccountMeta(plan.mint, is_signer=False, is_writable=False),
            AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
            AccountMeta(TOKEN_PROGRAM, is_signer=False, is_writable=False),
        ],
    )


def _transfer_checked(plan: TransferPlan) -> Instruction:
    return Instruction(
        TOKEN_PROGRAM,
        _TRANSFER_CHECKED.pack(TRANSFER_CHECKED_TAG, plan.amount, plan.decimals),
        [
            AccountMeta(plan.source, is_signer=False, is_writable=True),
            AccountMeta(plan.mint, is_signer=False, is_writable=False),
            AccountMeta(plan.destination, is_signer=False, is_writable=True),
            AccountMeta(plan.wallet, is_signer=True, is_writable=False),
            AccountMeta(plan.reference, is_signer=False, is_writable=False),
        ],
    )
