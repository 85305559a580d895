"""Transactions with another list of instructions, another message or another single-use account than was issued."""

from collections.abc import Callable

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import request_heap_frame, set_compute_unit_limit
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.system_program import (
    AdvanceNonceAccountParams,
    AllocateWithSeedParams,
    CreateAccountWithSeedParams,
    CreateLookupTableParams,
    ExtendLookupTableParams,
    TransferParams,
    advance_nonce_account,
    allocate_with_seed,
    create_account_with_seed,
    create_lookup_table,
    create_nonce_account,
    extend_lookup_table,
    transfer,
)
from spl.token.instructions import approve, create_idempotent_associated_token_account
from spl.token.models import ApproveParams

from chain.programs import MEMO_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM
from chain.reasons import Reason
from chain.verification import check_balance_shown, check_received
from tests.integration.chain.mutants import SOL, Landed, Mutant, Payment, each

pytestmark = pytest.mark.asyncio(loop_scope="module")

OLD_MEMO_PROGRAM = Pubkey.from_string("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo")
NONCE_AT, NONCE_SIZE = 40, 80
HEAP = request_heap_frame(32_768)

List = list[Instruction]


def listed(name: str, reason: Reason, change: Callable[[List, Payment], List]) -> Mutant:
    """The issued instructions, in another list."""

    async def make(payment: Payment) -> Landed:
        return await payment.land_instructions(change(payment.instructions(), payment))

    return Mutant(name, reason, make)


def memo(payment: Payment) -> Instruction:
    return Instruction(MEMO_PROGRAM, b"another memo", [payment.customer_signs()])


def an_allowance(payment: Payment) -> Instruction:
    """The customer lets somebody take the rest."""
    plan = payment.plan
    params = ApproveParams(
        program_id=TOKEN_PROGRAM, source=plan.source, delegate=payment.merchant.pubkey(), owner=plan.wallet, amount=1
    )
    return approve(params)


def a_gift(payment: Payment) -> Instruction:
    """Lamports of the fee payer for the customer."""
    plan = payment.plan
    return transfer(TransferParams(from_pubkey=plan.fee_payer, to_pubkey=plan.wallet, lamports=SOL))


def a_new_account(payment: Payment) -> Instruction:
    """Rent of the fee payer for an account of the customer's choice."""
    return create_idempotent_associated_token_account(payment.plan.fee_payer, Keypair().pubkey(), payment.plan.mint)


def roomy(parts: List) -> List:
    """The compute budget, with room for making an account."""
    return [set_compute_unit_limit(60_000), parts[1]]


def with_old_memo(parts: List, payment: Payment) -> List:
    return [*parts[:3], Instruction(OLD_MEMO_PROGRAM, parts[3].data, []), parts[4]]


ANOTHER_LIST = Reason.WRONG_INSTRUCTIONS
LISTED = [
    listed("no limit", ANOTHER_LIST, lambda i, _: i[1:]),
    listed("no price", ANOTHER_LIST, lambda i, _: [i[0], *i[2:]]),
    listed("no compute budget", ANOTHER_LIST, lambda i, _: i[2:]),
    listed("no single-use account", ANOTHER_LIST, lambda i, _: [*i[:2], *i[3:]]),
    listed("no memo", ANOTHER_LIST, lambda i, _: [*i[:3], i[4]]),
    listed("no transfer", ANOTHER_LIST, lambda i, p: [*i[:3], memo(p)]),
    listed("transfer alone", ANOTHER_LIST, lambda i, _: i[4:]),
    listed("memo before the single-use account", ANOTHER_LIST, lambda i, _: [*i[:2], i[3], i[2], i[4]]),
    listed("transfer before the memo", ANOTHER_LIST, lambda i, _: [*i[:3], i[4], i[3]]),
    listed("transfer before all", ANOTHER_LIST, lambda i, _: [i[4], *i[:4]]),
    listed("compute budget last", ANOTHER_LIST, lambda i, _: [*i[2:], *i[:2]]),
    listed("price before limit", Reason.WRONG_COMPUTE_BUDGET, lambda i, _: [i[1], i[0], *i[2:]]),
    listed(
        "heap instead of price", Reason.WRONG_COMPUTE_BUDGET, lambda i, _: [i[0], request_heap_frame(32768), *i[2:]]
    ),
    listed("heap instead of limit", Reason.WRONG_COMPUTE_BUDGET, lambda i, _: [request_heap_frame(32768), *i[1:]]),
    listed("account in the limit", Reason.WRONG_COMPUTE_BUDGET, lambda i, p: [named(i[0], p), *i[1:]]),
    listed("account in the price", Reason.WRONG_COMPUTE_BUDGET, lambda i, p: [i[0], named(i[1], p), *i[2:]]),
    listed("transfer doubled", ANOTHER_LIST, lambda i, _: [*i, i[4]]),
    listed("memo doubled", ANOTHER_LIST, lambda i, _: [*i[:4], i[3], i[4]]),
    listed("extra memo at the end", ANOTHER_LIST, lambda i, p: [*i, memo(p)]),
    listed("extra memo at the start", ANOTHER_LIST, lambda i, p: [memo(p), *i]),
    listed("extra heap", ANOTHER_LIST, lambda i, _: [HEAP, *i]),
    listed("extra allowance", ANOTHER_LIST, lambda i, p: [*i, an_allowance(p)]),
    listed("extra gift of lamports", ANOTHER_LIST, lambda i, p: [*i[:3], a_gift(p), *i[3:]]),
    listed("extra account", ANOTHER_LIST, lambda i, p: [*roomy(i), a_new_account(p), *i[2:]]),
    listed("memo of the old program", ANOTHER_LIST, with_old_memo),
]


def named(part: Instruction, payment: Payment) -> Instruction:
    """The instruction, with the customer among its accounts."""
    return Instruction(part.program_id, part.data, [payment.customer_signs()])


def in_its_place(payment: Payment, instruction: Instruction) -> List:
    parts = payment.instructions()
    return [*parts[:2], instruction, *parts[3:]]


def creation(payment: Payment, **changes: object) -> Instruction:
    """The creation of the single-use account with other figures."""
    single_use = payment.plan.single_use
    params = {
        "from_pubkey": payment.plan.fee_payer,
        "to_pubkey": single_use.address,
        "base": single_use.base,
        "seed": single_use.seed,
        "lamports": payment.plan.rent_lamports,
        "space": 0,
        "owner": SYSTEM_PROGRAM,
    }
    return create_account_with_seed(CreateAccountWithSeedParams(**params | changes))


async def of_another_order(payment: Payment) -> Landed:
    return await payment.land_plan(single_use=payment.single_use("another order"))


async def of_another_version(payment: Payment) -> Landed:
    return await payment.land_plan(single_use=payment.single_use("order", version=2))


async def with_the_customer_as_base(payment: Payment) -> Landed:
    single_use = payment.single_use("order", base=payment.plan.wallet)
    changed = creation(payment, base=single_use.base, to_pubkey=single_use.address)
    return await payment.land_instructions(in_its_place(payment, changed))


async def with_data(payment: Payment) -> Landed:
    return await payment.land_instructions(in_its_place(payment, creation(payment, space=8, lamports=SOL)))


async def of_another_program(payment: Payment) -> Landed:
    single_use = payment.plan.single_use
    there = Pubkey.create_with_seed(single_use.base, single_use.seed, TOKEN_PROGRAM)
    changed = creation(payment, to_pubkey=there, owner=TOKEN_PROGRAM)
    return await payment.land_instructions(in_its_place(payment, changed))


async def paid_by_the_customer(payment: Payment) -> Landed:
    await payment.chain.devnet.airdrop(str(payment.plan.wallet), SOL)
    changed = creation(payment, from_pubkey=payment.plan.wallet)
    return await payment.land_instructions(in_its_place(payment, changed))


async def with_one_account_more(payment: Payment) -> Landed:
    issued = creation(payment)
    more = Instruction(issued.program_id, issued.data, [*issued.accounts, payment.customer_signs()])
    return await payment.land_instructions(in_its_place(payment, more))


async def lamports_instead(payment: Payment) -> Landed:
    """The account is there afterwards, but a second transaction would land as well."""
    params = TransferParams(
        from_pubkey=payment.plan.fee_payer,
        to_pubkey=payment.plan.single_use.address,
        lamports=payment.plan.rent_lamports,
    )
    return await payment.land_instructions(in_its_place(payment, transfer(params)))


async def allocation_instead(payment: Payment) -> Landed:
    """Allocating nothing guards nothing: it lands again and again."""
    single_use = payment.plan.single_use
    params = AllocateWithSeedParams(
        address=single_use.address, base=single_use.base, seed=single_use.seed, space=0, owner=SYSTEM_PROGRAM
    )
    return await payment.land_instructions(in_its_place(payment, allocate_with_seed(params)))


async def with_another_fee_payer(payment: Payment) -> Landed:
    """Everything as issued, but somebody else paid for it: a foreign payment of exactly the amount."""
    foreign = await payment.chain.rich()
    single_use = payment.single_use("order", base=foreign.pubkey())
    return await payment.land_plan(foreign, fee_payer=foreign.pubkey(), single_use=single_use)


async def with_the_customer_as_fee_payer(payment: Payment) -> Landed:
    await payment.chain.devnet.airdrop(str(payment.plan.wallet), SOL)
    message = Message.new_with_blockhash(payment.instructions(), payment.plan.wallet, payment.plan.blockhash)
    return await payment.land(message)


async def with_a_third_signer(payment: Payment) -> Landed:
    third = Keypair()
    parts = payment.instructions()
    signer = AccountMeta(third.pubkey(), is_signer=True, is_writable=False)
    parts[3] = Instruction(parts[3].program_id, parts[3].data, [signer])
    return await payment.land_instructions(parts, third)


async def with_a_signing_reference(payment: Payment) -> Landed:
    reference = Keypair()
    meta = AccountMeta(reference.pubkey(), is_signer=True, is_writable=False)
    return await payment.land_transfer(reference, references=[meta])


async def with_a_durable_nonce(payment: Payment) -> Landed:
    """It would never expire: no block height makes it dead, so its rent could never safely come back."""
    chain, payer, nonce = payment.chain, payment.fee_payer, Keypair()
    rent = await chain.node.minimum_rent(NONCE_SIZE)
    made = create_nonce_account(payer.pubkey(), nonce.pubkey(), payer.pubkey(), rent)
    await chain.run(payer, list(made), nonce)
    [account] = (await chain.node.accounts([nonce.pubkey()], "confirmed")).accounts
    assert account is not None
    durable = type(payment.plan.blockhash)(account.data[NONCE_AT : NONCE_AT + 32])
    chain.devnet.advance_slots(400)
    advance = advance_nonce_account(
        AdvanceNonceAccountParams(nonce_pubkey=nonce.pubkey(), authorized_pubkey=payer.pubkey())
    )
    parts = [advance, *payment.instructions()]
    return await payment.land(Message.new_with_blockhash(parts, payer.pubkey(), durable))


async def versioned(payment: Payment) -> Landed:
    plan = payment.plan
    return await payment.land(MessageV0.try_compile(plan.fee_payer, payment.instructions(), [], plan.blockhash))


async def versioned_with_a_lookup_table(payment: Payment) -> Landed:
    """All accounts that need not sign stand in a table of the chain, not in the message."""
    plan, chain = payment.plan, payment.chain
    payer = await chain.rich()
    slot = (await chain.node.epoch_info("finalized")).slot
    owner = {"authority_address": payer.pubkey(), "payer_address": payer.pubkey()}
    create, table = create_lookup_table(CreateLookupTableParams(recent_slot=slot, **owner))
    addresses = [plan.reference, plan.mint, plan.source, plan.destination, plan.single_use.address]
    extend = extend_lookup_table(
        ExtendLookupTableParams(
            lookup_table_address=table,
            authority_address=payer.pubkey(),
            payer_address=payer.pubkey(),
            new_addresses=addresses,
        )
    )
    await chain.run(payer, [create, extend])
    chain.devnet.advance_slots(1)
    lookup = AddressLookupTableAccount(table, addresses)
    message = MessageV0.try_compile(plan.fee_payer, payment.instructions(), [lookup], plan.blockhash)
    assert len(message.account_keys) < 8
    return await payment.land(message)


MUTANTS = [
    *LISTED,
    Mutant("single-use account of another order", Reason.WRONG_SINGLE_USE, of_another_order),
    Mutant("single-use account of another version", Reason.WRONG_SINGLE_USE, of_another_version),
    Mutant("single-use account of another base", Reason.WRONG_SINGLE_USE, with_the_customer_as_base),
    Mutant("single-use account with data", Reason.WRONG_SINGLE_USE, with_data),
    Mutant("single-use account of another program", Reason.WRONG_SINGLE_USE, of_another_program),
    Mutant("single-use account paid by the customer", Reason.WRONG_SINGLE_USE, paid_by_the_customer),
    Mutant("single-use account and another", Reason.WRONG_SINGLE_USE, with_one_account_more),
    Mutant("lamports for the single-use account", Reason.WRONG_SINGLE_USE, lamports_instead),
    Mutant("allocation of the single-use account", Reason.WRONG_SINGLE_USE, allocation_instead),
    Mutant("foreign fee payer", Reason.WRONG_FEE_PAYER, with_another_fee_payer),
    Mutant("customer as fee payer", Reason.WRONG_FEE_PAYER, with_the_customer_as_fee_payer),
    Mutant("third signer", Reason.WRONG_SIGNERS, with_a_third_signer),
    Mutant("signing reference", Reason.WRONG_SIGNERS, with_a_signing_reference),
    Mutant("durable nonce", Reason.WRONG_INSTRUCTIONS, with_a_durable_nonce),
    Mutant("versioned message", Reason.VERSIONED_MESSAGE, versioned),
    Mutant("versioned message with a lookup table", Reason.VERSIONED_MESSAGE, versioned_with_a_lookup_table),
]


@pytest.mark.rule("V07")
@pytest.mark.rule("V23")
@each(MUTANTS)
async def test_what_was_put_together_otherwise_is_refused(payment: Payment, mutant: Mutant) -> None:
    await mutant.is_refused(payment)


@pytest.mark.rule("V18")
async def test_balances_are_found_behind_a_lookup_table(payment: Payment) -> None:
    """Where a key stands does not matter for the money: of all rules only the form of the message is broken."""
    landed = await versioned_with_a_lookup_table(payment)
    check_balance_shown(landed.settled, payment.expected)
    check_received(landed.settled, payment.expected)


@pytest.mark.rule("V24")
async def test_a_transaction_can_not_be_read_before_it_is_as_sure_as_required(payment: Payment) -> None:
    chain = payment.chain
    signature = await chain.send(payment.issued)
    assert await chain.node.transaction(signature, "confirmed") is None
    chain.devnet.advance_slots(1)
    assert await chain.node.transaction(signature, "confirmed") is not None
    assert await chain.node.transaction(signature, "finalized") is None
    chain.devnet.advance_slots(32)
    settled = await chain.node.transaction(signature, "finalized")
    assert settled is not None
    assert payment.reason(settled) is None
