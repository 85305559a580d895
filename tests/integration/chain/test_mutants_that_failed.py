"""Transactions that landed and failed. Whatever the error looks like, nothing is paid."""

import random

import pytest
from solders.account import Account
from solders.compute_budget import set_compute_unit_limit
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from chain.addresses import token_account
from chain.programs import MEMO_PROGRAM, TOKEN_PROGRAM
from chain.reasons import Reason
from tests.conftest import Scale
from tests.integration.chain.mutants import USDC, Chain, Landed, Mutant, Payment, Told, each
from tests.integration.chain.node_errors import invented_error, known_errors

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATE_AT, FROZEN = 108, 2


def freeze(chain: Chain, address: Pubkey) -> None:
    """What Circle can do to any account."""
    account = chain.devnet.cluster.bank.read(address)
    assert account is not None
    data = bytearray(account.data)
    data[STATE_AT] = FROZEN
    chain.devnet.cluster.put_account(address, Account(account.lamports, bytes(data), account.owner))


async def the_order_is_already_paid(payment: Payment) -> Landed:
    await payment.land_plan(reference=Keypair().pubkey())
    return await payment.land_plan()


async def the_single_use_account_doubled(payment: Payment) -> Landed:
    parts = payment.instructions()
    return await payment.land_instructions([*parts[:3], parts[2], *parts[3:]])


async def the_single_use_account_prefunded(payment: Payment) -> Landed:
    await payment.chain.devnet.airdrop(str(payment.plan.single_use.address), payment.plan.rent_lamports)
    return await payment.land_plan()


async def too_little_usdc(payment: Payment) -> Landed:
    return await payment.land_plan(amount=101 * USDC)


async def other_decimals(payment: Payment) -> Landed:
    return await payment.land_plan(decimals=9)


async def another_mint_named(payment: Payment) -> Landed:
    other = await payment.chain.rich()
    data = bytes(36) + bytes(8) + bytes([6, 1]) + bytes(36)
    payment.chain.devnet.cluster.put_account(other.pubkey(), Account(10**9, data, TOKEN_PROGRAM))
    return await payment.land_plan(mint=other.pubkey())


async def a_frozen_customer(payment: Payment) -> Landed:
    freeze(payment.chain, payment.plan.source)
    return await payment.land_plan()


async def a_frozen_merchant(payment: Payment) -> Landed:
    freeze(payment.chain, payment.plan.destination)
    return await payment.land_plan()


async def a_customer_without_an_account(payment: Payment) -> Landed:
    other, mint = Keypair(), payment.plan.mint
    return await payment.land_plan(other, wallet=other.pubkey(), source=token_account(other.pubkey(), mint))


async def a_merchant_without_an_account(payment: Payment) -> Landed:
    return await payment.land_plan(destination=token_account(Keypair().pubkey(), payment.plan.mint))


async def a_source_of_somebody_else(payment: Payment) -> Landed:
    victim = Keypair().pubkey()
    await payment.chain.devnet.fund_usdc(str(victim), 100 * USDC)
    return await payment.land_plan(source=token_account(victim, payment.plan.mint))


async def too_little_computing(payment: Payment) -> Landed:
    parts = payment.instructions()
    return await payment.land_instructions([set_compute_unit_limit(200), *parts[1:]])


async def a_memo_that_is_no_text(payment: Payment) -> Landed:
    parts = payment.instructions()
    parts[3] = Instruction(MEMO_PROGRAM, b"\xff\xfe", [])
    return await payment.land_instructions(parts)


async def too_little_rent(payment: Payment) -> Landed:
    """A single-use account with less than its rent is one that the chain does not let be."""
    return await payment.land_plan(rent_lamports=1)


async def an_instruction_that_is_none(payment: Payment) -> Landed:
    return await payment.land_transfer(tag=200)


FAILURES = [
    the_order_is_already_paid,
    the_single_use_account_doubled,
    the_single_use_account_prefunded,
    too_little_usdc,
    other_decimals,
    another_mint_named,
    a_frozen_customer,
    a_frozen_merchant,
    a_customer_without_an_account,
    a_merchant_without_an_account,
    a_source_of_somebody_else,
    too_little_computing,
    a_memo_that_is_no_text,
    too_little_rent,
    an_instruction_that_is_none,
]
MUTANTS = [Mutant(make.__name__.replace("_", " "), Reason.LANDED_WITH_ERROR, make, fails=True) for make in FAILURES]


@pytest.mark.rule("V02")
@each(MUTANTS)
async def test_what_the_chain_itself_stopped_is_refused(payment: Payment, mutant: Mutant) -> None:
    await mutant.is_refused(payment)


async def test_a_failed_transaction_moves_nothing_but_the_fee(payment: Payment) -> None:
    landed = await too_little_usdc(payment)
    assert landed.settled.before == landed.settled.after


@pytest.mark.rule("V02")
async def test_every_error_that_is_known_is_an_error_in_status_and_transaction(told: Told) -> None:
    await told.are_not_paid(known_errors())


@pytest.mark.rule("V02")
async def test_no_generated_failure_is_paid(told: Told, scale: Scale) -> None:
    await told.are_not_paid([invented_error(random.Random(seed)) for seed in range(scale.pick(200, 1_000))])
