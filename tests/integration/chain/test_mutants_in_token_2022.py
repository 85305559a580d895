"""Money of the other token program: fees on the way, delegates for ever, hooks. All of it is refused."""

from dataclasses import dataclass, replace

import pytest
from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    get_associated_token_address,
    initialize_mint2,
    mint_to,
)
from spl.token.models import InitializeMint2Params, MintToParams

from chain.errors import DestinationWrongProgram
from chain.preflight import Transfer, addresses_of, check_accounts
from chain.reasons import Reason
from tests.integration.chain.mutants import USDC, Landed, Mutant, Payment, each

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
# Behind the 165 bytes that accounts and mints share stand one byte of kind, then type, length and value of each
# extension.
EXTENSIONS_AT = 166
DELEGATED_TO = Keypair()


@dataclass(frozen=True)
class Extension:
    """An extension of a mint: how many bytes it has, and the instruction data that sets it."""

    size: int
    data: bytes


def some(key: Pubkey) -> bytes:
    return b"\x01" + bytes(key)


NO_KEY = bytes(32)
# 1 percent on each transfer, without an upper limit that would matter.
TRANSFER_FEE = Extension(108, bytes([26, 0, 0, 0]) + (100).to_bytes(2, "little") + (2**62).to_bytes(8, "little"))
PERMANENT_DELEGATE = Extension(32, bytes([35]) + bytes(DELEGATED_TO.pubkey()))
# A program that does nothing, and that is there in every transaction.
HOOK = Extension(64, bytes([36, 0]) + NO_KEY + bytes(COMPUTE_BUDGET))


@dataclass(frozen=True)
class Money:
    """A mint of Token-2022, the customer's account full of it, and the merchant's."""

    mint: Pubkey
    source: Pubkey
    destination: Pubkey


async def make_money(payment: Payment, *extensions: Extension) -> Money:
    chain, payer = payment.chain, await payment.chain.rich()
    size = EXTENSIONS_AT + sum(4 + extension.size for extension in extensions) if extensions else 82
    new, create = await chain.make_account(payer, size, TOKEN_2022)
    mint = new.pubkey()
    written = AccountMeta(mint, is_signer=False, is_writable=True)
    extend = [Instruction(TOKEN_2022, extension.data, [written]) for extension in extensions]
    init = InitializeMint2Params(decimals=6, program_id=TOKEN_2022, mint=mint, mint_authority=payer.pubkey())
    await chain.run(payer, [create, *extend, initialize_mint2(init)], new)
    owners = (payment.plan.wallet, payment.merchant.pubkey())
    source, destination = (get_associated_token_address(owner, mint, TOKEN_2022) for owner in owners)
    fill = MintToParams(program_id=TOKEN_2022, mint=mint, dest=source, mint_authority=payer.pubkey(), amount=100 * USDC)
    make = [create_idempotent_associated_token_account(payer.pubkey(), owner, mint, TOKEN_2022) for owner in owners]
    await chain.run(payer, [*make, mint_to(fill)])
    return Money(mint, source, destination)


async def pay_with(payment: Payment, money: Money, *more: AccountMeta, **changes: object) -> Landed:
    """A payment that would be good, were it not for the program that keeps the money."""
    payment.plan = replace(
        payment.plan,
        mint=money.mint,
        source=money.source,
        destination=money.destination,
        compute_unit_limit=200_000,
    )
    reference = AccountMeta(payment.plan.reference, is_signer=False, is_writable=False)
    return await payment.land_transfer(program=TOKEN_2022, references=[reference, *more], **changes)


async def with_plain_money(payment: Payment) -> Landed:
    return await pay_with(payment, await make_money(payment))


async def with_a_transfer_fee(payment: Payment) -> Landed:
    return await pay_with(payment, await make_money(payment, TRANSFER_FEE))


async def with_a_permanent_delegate(payment: Payment) -> Landed:
    return await pay_with(payment, await make_money(payment, PERMANENT_DELEGATE))


async def with_a_hook(payment: Payment) -> Landed:
    hook = AccountMeta(COMPUTE_BUDGET, is_signer=False, is_writable=False)
    return await pay_with(payment, await make_money(payment, HOOK), hook)


async def with_a_hook_that_is_not_named(payment: Payment) -> Landed:
    return await pay_with(payment, await make_money(payment, HOOK))


async def taken_by_the_permanent_delegate(payment: Payment) -> Landed:
    """The delegate empties the merchant's account in the same transaction."""
    money = await make_money(payment, PERMANENT_DELEGATE)
    landed = await pay_with(payment, money)
    assert landed.settled.error is None
    payment.plan = replace(payment.plan, single_use=payment.single_use("the same once more"))
    back = payment.transfer(
        program=TOKEN_2022,
        source=money.destination,
        destination=money.source,
        authority=DELEGATED_TO.pubkey(),
        references=[],
    )
    parts = [*payment.instructions()[:4], payment.transfer(program=TOKEN_2022), back]
    return await payment.land_instructions(parts, DELEGATED_TO)


async def to_the_classic_program(payment: Payment) -> Landed:
    """The money of one program, the instruction of the other: the chain itself refuses."""
    money = await make_money(payment)
    return await payment.land_transfer(mint=money.mint, source=money.source, destination=money.destination)


MUTANTS = [
    Mutant("plain Token-2022", Reason.WRONG_INSTRUCTIONS, with_plain_money),
    Mutant("transfer fee", Reason.WRONG_INSTRUCTIONS, with_a_transfer_fee),
    Mutant("permanent delegate", Reason.WRONG_INSTRUCTIONS, with_a_permanent_delegate),
    Mutant("hook", Reason.WRONG_INSTRUCTIONS, with_a_hook),
    Mutant("hook without its account", Reason.LANDED_WITH_ERROR, with_a_hook_that_is_not_named, fails=True),
    Mutant("taken by the permanent delegate", Reason.WRONG_SIGNERS, taken_by_the_permanent_delegate),
    Mutant("Token-2022 by the classic program", Reason.LANDED_WITH_ERROR, to_the_classic_program, fails=True),
]


@each(MUTANTS)
async def test_money_of_token_2022_is_refused_even_where_it_was_issued(payment: Payment, mutant: Mutant) -> None:
    """The plan itself names the mint, so that nothing but the program is left to refuse."""
    await mutant.is_refused(payment)


async def test_of_money_with_a_fee_less_arrives_than_was_sent(payment: Payment) -> None:
    """The mutant is real: the difference is what the merchant would have lost."""
    landed = await with_a_transfer_fee(payment)
    destination, amount = payment.plan.destination, payment.plan.amount
    arrived = landed.settled.after[destination].amount - landed.settled.before[destination].amount
    assert (arrived, landed.settled.after[destination].program) == (amount - amount // 100, TOKEN_2022)


@pytest.mark.rule("V21")
@pytest.mark.parametrize("extensions", [(), (TRANSFER_FEE,), (PERMANENT_DELEGATE,), (HOOK,)])
async def test_such_an_account_is_refused_before_anything_is_issued(payment: Payment, extensions) -> None:
    money = await make_money(payment, *extensions)
    transfer = Transfer(
        wallet=payment.plan.wallet,
        source=money.source,
        payee_wallet=payment.merchant.pubkey(),
        destination=money.destination,
        single_use=payment.plan.single_use.address,
        mint=money.mint,
        decimals=6,
        amount=payment.plan.amount,
    )
    view = await payment.chain.node.accounts(addresses_of(transfer), "confirmed")
    with pytest.raises(DestinationWrongProgram):
        check_accounts(transfer, view.accounts)
