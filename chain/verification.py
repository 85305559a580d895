"""Whether a settled transaction is the one that was issued: the rules V of chain/RULES.md, one function each.

The fee payer's signature covers the message, so after `check_signed_by_fee_payer` the later checks of the message can
not fail for a transaction of ours. They stand for the day when the fee payer signs something else, or its key is not
ours alone any more.
"""

import struct
from dataclasses import dataclass

from solders.pubkey import Pubkey
from solders.signature import Signature

from chain.errors import (
    BalanceMissing,
    BalanceWrongMint,
    BalanceWrongOwner,
    BalanceWrongProgram,
    LandedWithError,
    NotSignedByFeePayer,
    VersionedMessage,
    WrongAccountOpening,
    WrongAmount,
    WrongComputeBudget,
    WrongDecimals,
    WrongDestination,
    WrongFeePayer,
    WrongInstructions,
    WrongMemo,
    WrongMint,
    WrongReceivedAmount,
    WrongReference,
    WrongSignature,
    WrongSigners,
    WrongSingleUse,
    WrongSource,
    WrongTransfer,
    WrongWallet,
)
from chain.payment_transaction import TransferPlan
from chain.programs import (
    ASSOCIATED_TOKEN_PROGRAM,
    COMPUTE_BUDGET_PROGRAM,
    COMPUTE_UNIT_LIMIT_TAG,
    COMPUTE_UNIT_PRICE_TAG,
    CREATE_ACCOUNT_WITH_SEED_TAG,
    CREATE_IDEMPOTENT_TAG,
    MEMO_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    TRANSFER_CHECKED_TAG,
)
from chain.settled import SettledTransaction, TokenBalance
from chain.single_use import SingleUse

ISSUED_PROGRAMS = (COMPUTE_BUDGET_PROGRAM, COMPUTE_BUDGET_PROGRAM, SYSTEM_PROGRAM, MEMO_PROGRAM, TOKEN_PROGRAM)
OPENING_PROGRAMS = (*ISSUED_PROGRAMS[:3], ASSOCIATED_TOKEN_PROGRAM, *ISSUED_PROGRAMS[3:])
_REQUIRED_SIGNATURES = 2
COMPUTE_UNIT_LIMIT_DATA = struct.Struct("<BI")
COMPUTE_UNIT_PRICE_DATA = struct.Struct("<BQ")
TRANSFER_CHECKED_DATA = struct.Struct("<BQB")
_TRANSFER_ACCOUNTS = 5
_SEED_LENGTH = struct.Struct("<Q")
LAMPORTS_SPACE = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class Expected:
    """What was issued. `destination_owner` is the payee's wallet; `amount` is the issued one, in base units.

    `opens_destination`: the transaction opens the payee's token account first.
    """

    signature: str
    fee_payer: Pubkey
    single_use: SingleUse
    wallet: Pubkey
    source: Pubkey
    destination: Pubkey
    destination_owner: Pubkey
    mint: Pubkey
    decimals: int
    amount: int
    memo: str
    reference: Pubkey
    opens_destination: bool

    @classmethod
    def of(cls, plan: TransferPlan, signature: str, destination_owner: Pubkey) -> "Expected":
        """What to expect of a plan that was issued under this signature."""
        return cls(
            signature=signature,
            fee_payer=plan.fee_payer,
            single_use=plan.single_use,
            wallet=plan.wallet,
            source=plan.source,
            destination=plan.destination,
            destination_owner=destination_owner,
            mint=plan.mint,
            decimals=plan.decimals,
            amount=plan.amount,
            memo=plan.memo,
            reference=plan.reference,
            opens_destination=plan.opened_for is not None,
        )


def verify_settled(transaction: SettledTransaction, expected: Expected) -> None:
    """Raise the Unverified that says how the transaction differs from what was issued; return when it is the one.

    The commitment it was read at is the caller's affair.
    """
    for check in CHECKS:
        check(transaction, expected)


def check_signature(transaction: SettledTransaction, expected: Expected) -> None:
    found = str(transaction.signatures[0]) if transaction.signatures else None
    if found != expected.signature:
        raise WrongSignature(found=found, expected=expected.signature)


def check_no_error(transaction: SettledTransaction, _expected: object) -> None:
    if transaction.error is not None:
        raise LandedWithError(error=transaction.error)


def check_fee_payer(transaction: SettledTransaction, expected: Expected) -> None:
    found = transaction.keys[0] if transaction.keys else None
    if found != expected.fee_payer:
        raise WrongFeePayer(found=found, expected=expected.fee_payer)


def check_signed_by_fee_payer(transaction: SettledTransaction, expected: Expected) -> None:
    """A node can tell us any message; only the fee payer can have signed it."""
    if not Signature.from_string(expected.signature).verify(expected.fee_payer, transaction.message):
        raise NotSignedByFeePayer


def check_legacy(transaction: SettledTransaction, _expected: object) -> None:
    if not transaction.is_legacy:
        raise VersionedMessage


def check_signers(transaction: SettledTransaction, expected: Expected) -> None:
    signers = transaction.keys[: transaction.required_signatures]
    if len(signers) != _REQUIRED_SIGNATURES or signers[1] != expected.wallet:
        raise WrongSigners(found=", ".join(map(str, signers)))


def check_instructions(transaction: SettledTransaction, expected: Expected) -> None:
    """Exactly two for the compute budget, single-use account, memo, transfer; and the opening, when it was issued."""
    programs = tuple(step.program for step in transaction.steps)
    if programs != (OPENING_PROGRAMS if expected.opens_destination else ISSUED_PROGRAMS):
        raise WrongInstructions(found=", ".join(map(str, programs)))


def check_compute_budget(transaction: SettledTransaction, _expected: object) -> None:
    """A limit, then a price. Their figures are not part of the payment."""
    limit, price = transaction.steps[:2]
    if (
        limit.accounts
        or price.accounts
        or len(limit.data) != COMPUTE_UNIT_LIMIT_DATA.size
        or limit.data[0] != COMPUTE_UNIT_LIMIT_TAG
        or len(price.data) != COMPUTE_UNIT_PRICE_DATA.size
        or price.data[0] != COMPUTE_UNIT_PRICE_TAG
    ):
        raise WrongComputeBudget


def check_single_use(transaction: SettledTransaction, expected: Expected) -> None:
    """The third instruction creates our account, from our base and seed, without data."""
    step = transaction.steps[2]
    single_use = expected.single_use
    seed = single_use.seed.encode()
    head = CREATE_ACCOUNT_WITH_SEED_TAG.to_bytes(4, "little") + bytes(single_use.base)
    head += _SEED_LENGTH.pack(len(seed)) + seed
    rest = step.data[len(head) :]
    if (
        step.accounts != (expected.fee_payer, single_use.address)
        or not step.data.startswith(head)
        or len(rest) != LAMPORTS_SPACE.size + len(bytes(SYSTEM_PROGRAM))
        or LAMPORTS_SPACE.unpack_from(rest)[1] != 0
        or rest[LAMPORTS_SPACE.size :] != bytes(SYSTEM_PROGRAM)
    ):
        raise WrongSingleUse(expected=single_use.address)


def check_opening(transaction: SettledTransaction, expected: Expected) -> None:
    """The payee's token account is opened for the payee, and the wallet that pays funds it."""
    if not expected.opens_destination:
        return
    step = transaction.steps[3]
    accounts = (
        expected.wallet,
        expected.destination,
        expected.destination_owner,
        expected.mint,
        SYSTEM_PROGRAM,
        TOKEN_PROGRAM,
    )
    if step.accounts != accounts or step.data != bytes([CREATE_IDEMPOTENT_TAG]):
        raise WrongAccountOpening(expected=expected.destination)


def check_memo(transaction: SettledTransaction, expected: Expected) -> None:
    step = transaction.steps[-2]
    if step.accounts or step.data != expected.memo.encode():
        raise WrongMemo(expected=expected.memo)


def check_transfer(transaction: SettledTransaction, _expected: object) -> None:
    """The last instruction is a transferChecked with source, mint, destination, authority and one reference."""
    step = transaction.steps[-1]
    if (
        len(step.data) != TRANSFER_CHECKED_DATA.size
        or step.data[0] != TRANSFER_CHECKED_TAG
        or len(step.accounts) != _TRANSFER_ACCOUNTS
    ):
        raise WrongTransfer


def check_mint(transaction: SettledTransaction, expected: Expected) -> None:
    found = transaction.steps[-1].accounts[1]
    if found != expected.mint:
        raise WrongMint(found=found, expected=expected.mint)


def check_source(transaction: SettledTransaction, expected: Expected) -> None:
    found = transaction.steps[-1].accounts[0]
    if found != expected.source:
        raise WrongSource(found=found, expected=expected.source)


def check_destination(transaction: SettledTransaction, expected: Expected) -> None:
    found = transaction.steps[-1].accounts[2]
    if found != expected.destination:
        raise WrongDestination(found=found, expected=expected.destination)


def check_wallet(transaction: SettledTransaction, expected: Expected) -> None:
    found = transaction.steps[-1].accounts[3]
    if found != expected.wallet:
        raise WrongWallet(found=found, expected=expected.wallet)


def check_reference(transaction: SettledTransaction, expected: Expected) -> None:
    found = transaction.steps[-1].accounts[4]
    if found != expected.reference:
        raise WrongReference(found=found, expected=expected.reference)


def check_amount(transaction: SettledTransaction, expected: Expected) -> None:
    _, found, _ = TRANSFER_CHECKED_DATA.unpack(transaction.steps[-1].data)
    if found != expected.amount:
        raise WrongAmount(found=found, expected=expected.amount)


def check_decimals(transaction: SettledTransaction, expected: Expected) -> None:
    _, _, found = TRANSFER_CHECKED_DATA.unpack(transaction.steps[-1].data)
    if found != expected.decimals:
        raise WrongDecimals(found=found, expected=expected.decimals)


def check_balance_shown(transaction: SettledTransaction, expected: Expected) -> None:
    if expected.destination not in transaction.after:
        raise BalanceMissing(expected=expected.destination)


def check_balance_mint(transaction: SettledTransaction, expected: Expected) -> None:
    for balance in _destination_balances(transaction, expected):
        if balance.mint != expected.mint:
            raise BalanceWrongMint(found=balance.mint, expected=expected.mint)


def check_balance_owner(transaction: SettledTransaction, expected: Expected) -> None:
    for balance in _destination_balances(transaction, expected):
        if balance.owner != expected.destination_owner:
            raise BalanceWrongOwner(found=balance.owner, expected=expected.destination_owner)


def check_balance_program(transaction: SettledTransaction, expected: Expected) -> None:
    for balance in _destination_balances(transaction, expected):
        if balance.program != TOKEN_PROGRAM:
            raise BalanceWrongProgram(found=balance.program, expected=TOKEN_PROGRAM)


def check_received(transaction: SettledTransaction, expected: Expected) -> None:
    """An account that had no balance before had 0."""
    before = transaction.before.get(expected.destination)
    found = transaction.after[expected.destination].amount - (before.amount if before else 0)
    if found != expected.amount:
        raise WrongReceivedAmount(found=found, expected=expected.amount)


def _destination_balances(transaction: SettledTransaction, expected: Expected) -> list[TokenBalance]:
    found = (balances.get(expected.destination) for balances in (transaction.before, transaction.after))
    return [balance for balance in found if balance is not None]


# In this order: a later check may rely on what the earlier ones made sure of.
CHECKS = (
    check_signature,
    check_no_error,
    check_fee_payer,
    check_signed_by_fee_payer,
    check_legacy,
    check_signers,
    check_instructions,
    check_compute_budget,
    check_single_use,
    check_opening,
    check_memo,
    check_transfer,
    check_mint,
    check_source,
    check_destination,
    check_wallet,
    check_reference,
    check_amount,
    check_decimals,
    check_balance_shown,
    check_balance_mint,
    check_balance_owner,
    check_balance_program,
    check_received,
)
