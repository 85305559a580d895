"""A refund that opens its payee's account, and what lands in its place when that is done otherwise than issued."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import pytest_asyncio
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from spl.token.instructions import create_idempotent_associated_token_account

from chain.addresses import token_account
from chain.payment_transaction import build_message
from chain.programs import ASSOCIATED_TOKEN_PROGRAM
from chain.reasons import Reason
from tests.integration.chain.mutants import SOL, USDC, Chain, Landed, Mutant, Payment, each
from tests.unit.chain.samples import sign

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPENING = 3


class Opening(Payment):
    """A refund whose payee has no token account: `customer` is the wallet that pays, `merchant` the payee."""

    def __init__(self, chain: Chain, blockhash: object) -> None:
        super().__init__(chain, blockhash)
        self.plan = replace(self.plan, opened_for=self.merchant.pubkey(), compute_unit_limit=60_000)
        self.issued = sign(build_message(self.plan), self.fee_payer, self.customer)

    @classmethod
    async def open(cls, chain: Chain) -> "Opening":
        opening = cls(chain, (await chain.node.latest_blockhash("confirmed")).hash)
        await chain.devnet.airdrop(str(opening.plan.fee_payer), 10 * SOL)
        await chain.devnet.airdrop(str(opening.customer.pubkey()), SOL)
        await chain.devnet.fund_usdc(str(opening.customer.pubkey()), 100 * USDC)
        return opening

    def opened(self, funder: Pubkey | None = None, owner: Pubkey | None = None) -> Instruction:
        """The instruction of the plan, with another funder or for somebody else."""
        funder, owner = funder or self.plan.wallet, owner or self.merchant.pubkey()
        return create_idempotent_associated_token_account(funder, owner, self.plan.mint)


@pytest_asyncio.fixture(loop_scope="module")
async def opening(chain: Chain) -> Opening:
    return await Opening.open(chain)


def instead(name: str, change: Callable[[Opening], Instruction], *, is_there: bool = False) -> Mutant:
    """Another instruction in its place; `is_there`: the payee has its account meanwhile."""

    async def make(payment: Payment) -> Landed:
        assert isinstance(payment, Opening)
        if is_there:
            await payment.chain.devnet.fund_usdc(str(payment.merchant.pubkey()), 0)
        instructions = payment.instructions()
        instructions[OPENING] = change(payment)
        return await payment.land_instructions(instructions)

    return Mutant(name, Reason.WRONG_ACCOUNT_OPENING, make)


def listed(name: str, change: Callable[[list[Instruction], Opening], list[Instruction]]) -> Mutant:
    """Another list of instructions; the payee has its account meanwhile."""

    async def make(payment: Payment) -> Landed:
        assert isinstance(payment, Opening)
        await payment.chain.devnet.fund_usdc(str(payment.merchant.pubkey()), 0)
        return await payment.land_instructions(change(payment.instructions(), payment))

    return Mutant(name, Reason.WRONG_INSTRUCTIONS, make)


def create(payment: Opening, data: bytes) -> Instruction:
    return Instruction(ASSOCIATED_TOKEN_PROGRAM, data, list(payment.instructions()[OPENING].accounts))


def with_one_more(payment: Opening) -> Instruction:
    given = payment.instructions()[OPENING]
    return Instruction(given.program_id, given.data, [*given.accounts, AccountMeta(Keypair().pubkey(), False, False)])


def a_gift(payment: Opening) -> Instruction:
    """The fee payer gives the wallet what the account costs."""
    plan = payment.plan
    return transfer(TransferParams(from_pubkey=plan.fee_payer, to_pubkey=plan.wallet, lamports=2_039_280))


async def another_funder(payment: Payment) -> Landed:
    assert isinstance(payment, Opening)
    funder = await payment.chain.rich()
    instructions = payment.instructions()
    instructions[OPENING] = payment.opened(funder=funder.pubkey())
    return await payment.land_instructions(instructions, funder)


def moved(instructions: list[Instruction], to: int) -> list[Instruction]:
    rest = instructions[:OPENING] + instructions[OPENING + 1 :]
    return [*rest[:to], instructions[OPENING], *rest[to:]]


MUTANTS = [
    instead("the fee payer pays for the payee's account", lambda payment: payment.opened(payment.plan.fee_payer)),
    instead("another one is opened", lambda payment: payment.opened(owner=Keypair().pubkey()), is_there=True),
    instead("the payer's own is opened", lambda payment: payment.opened(owner=payment.plan.wallet), is_there=True),
    instead("it may not be there already", lambda payment: create(payment, bytes([0]))),
    instead("it may not be there already, as of old", lambda payment: create(payment, b"")),
    instead("it names an account more", with_one_more),
    Mutant("somebody else pays for the payee's account", Reason.WRONG_SIGNERS, another_funder),
    listed("the payee's account is not opened", lambda steps, _: steps[:OPENING] + steps[OPENING + 1 :]),
    listed(
        "the payee's account is opened twice", lambda steps, _: [*steps[:OPENING], steps[OPENING], *steps[OPENING:]]
    ),
    listed("the payee's account is opened before the single-use account", lambda steps, _: moved(steps, 2)),
    listed("the payee's account is opened after the memo", lambda steps, _: moved(steps, 4)),
    listed("the fee payer gives back what it costs", lambda steps, payment: [*steps[:5], a_gift(payment), steps[5]]),
]


@each(MUTANTS)
@pytest.mark.rule("V25")
async def test_another_opening_is_not_the_refund(mutant: Mutant, opening: Opening) -> None:
    await mutant.is_refused(opening)


async def test_the_issued_one_is_the_refund(opening: Opening) -> None:
    settled = await opening.chain.land(opening.issued)
    assert opening.reason(settled) is None
    assert token_account(opening.merchant.pubkey(), opening.plan.mint) in settled.after


async def test_a_payment_that_opens_the_shops_account_is_not_the_payment(payment: Payment) -> None:
    """Nothing but a refund was issued so, and the customer would pay for the shop's account."""
    await payment.chain.devnet.airdrop(str(payment.plan.wallet), SOL)
    landed = await payment.land_plan(opened_for=payment.merchant.pubkey(), compute_unit_limit=60_000)
    assert payment.reason(landed.settled) is Reason.WRONG_INSTRUCTIONS
