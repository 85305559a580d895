"""Transactions that do what they say, without error, and move other money than was issued."""

from dataclasses import replace

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from spl.token.instructions import (
    approve,
    create_idempotent_associated_token_account,
    initialize_account3,
    initialize_mint2,
    initialize_multisig2,
    mint_to,
    set_authority,
)
from spl.token.models import (
    ApproveParams,
    AuthorityType,
    InitializeAccount3Params,
    InitializeMint2Params,
    InitializeMultisig2Params,
    MintToParams,
    SetAuthorityParams,
)

from chain.addresses import token_account
from chain.programs import MINT_SIZE, TOKEN_ACCOUNT_SIZE, TOKEN_PROGRAM
from chain.reasons import Reason
from tests.integration.chain.mutants import USDC, Chain, Landed, Mutant, Payment, each

pytestmark = pytest.mark.asyncio(loop_scope="module")

MULTISIG_SIZE = 355


async def second_account(chain: Chain, owner: Pubkey) -> Pubkey:
    """A token account for USDC that is not the associated one."""
    payer = await chain.rich()
    new, create = await chain.make_account(payer, TOKEN_ACCOUNT_SIZE, TOKEN_PROGRAM)
    params = InitializeAccount3Params(program_id=TOKEN_PROGRAM, account=new.pubkey(), mint=chain.mint, owner=owner)
    await chain.run(payer, [create, initialize_account3(params)], new)
    return new.pubkey()


async def own_mint(payment: Payment, decimals: int) -> Pubkey:
    """Anybody's worthless mint, with a full account of the customer and an empty one of the merchant."""
    payer = await payment.chain.rich()
    mint, create = await payment.chain.make_account(payer, MINT_SIZE, TOKEN_PROGRAM)
    init = InitializeMint2Params(
        decimals=decimals, program_id=TOKEN_PROGRAM, mint=mint.pubkey(), mint_authority=payer.pubkey()
    )
    customer, merchant = payment.plan.wallet, payment.merchant.pubkey()
    fill = MintToParams(
        program_id=TOKEN_PROGRAM,
        mint=mint.pubkey(),
        dest=token_account(customer, mint.pubkey()),
        mint_authority=payer.pubkey(),
        amount=2**63,
    )
    accounts = [
        create_idempotent_associated_token_account(payer.pubkey(), owner, mint.pubkey())
        for owner in (customer, merchant)
    ]
    await payment.chain.run(payer, [create, initialize_mint2(init), *accounts, mint_to(fill)], mint)
    return mint.pubkey()


async def delegate(payment: Payment, to: Pubkey, source: Pubkey | None = None, owner: Keypair | None = None) -> None:
    """Let somebody else move money from an account, by default the customer's."""
    owner = owner or payment.customer
    params = ApproveParams(
        program_id=TOKEN_PROGRAM,
        source=source or payment.plan.source,
        delegate=to,
        owner=owner.pubkey(),
        amount=50 * USDC,
    )
    await payment.chain.run(payment.fee_payer, [approve(params)], owner)


async def worthless(payment: Payment, decimals: int, amount: int) -> Landed:
    mint = await own_mint(payment, decimals)
    accounts = [token_account(owner, mint) for owner in (payment.plan.wallet, payment.merchant.pubkey())]
    return await payment.land_plan(
        mint=mint, decimals=decimals, amount=amount, source=accounts[0], destination=accounts[1]
    )


async def worthless_of_the_same_decimals(payment: Payment) -> Landed:
    return await worthless(payment, 6, payment.plan.amount)


async def worthless_of_other_decimals(payment: Payment) -> Landed:
    return await worthless(payment, 9, payment.plan.amount)


async def worthless_of_other_decimals_for_the_same_figure(payment: Payment) -> Landed:
    return await worthless(payment, 9, payment.plan.amount * 1000)


async def to_the_account_of_somebody_else(payment: Payment) -> Landed:
    thief = Keypair().pubkey()
    await payment.chain.devnet.fund_usdc(str(thief), 0)
    return await payment.land_plan(destination=token_account(thief, payment.plan.mint))


async def to_another_account_of_the_merchant(payment: Payment) -> Landed:
    return await payment.land_plan(destination=await second_account(payment.chain, payment.merchant.pubkey()))


async def back_to_the_customer(payment: Payment) -> Landed:
    return await payment.land_plan(destination=payment.plan.source)


async def from_another_account_of_the_customer(payment: Payment) -> Landed:
    other = await second_account(payment.chain, payment.plan.wallet)
    await payment.land_plan(destination=other, single_use=payment.single_use("filling the other"), memo="")
    return await payment.land_plan(source=other)


async def from_a_victim_who_trusts_the_customer(payment: Payment) -> Landed:
    victim = Keypair()
    await payment.chain.devnet.fund_usdc(str(victim.pubkey()), 100 * USDC)
    source = token_account(victim.pubkey(), payment.plan.mint)
    await delegate(payment, payment.plan.wallet, source, victim)
    return await payment.land_plan(source=source)


async def the_fee_payers_money(payment: Payment) -> Landed:
    """The customer is only named as reference, and signs; ours is what pays."""
    fee_payer = payment.plan.fee_payer
    await payment.chain.devnet.fund_usdc(str(fee_payer), 100 * USDC)
    return await payment.land_transfer(
        source=token_account(fee_payer, payment.plan.mint),
        authority=fee_payer,
        references=[payment.customer_signs()],
    )


async def the_fee_payers_money_and_signature_alone(payment: Payment) -> Landed:
    fee_payer = payment.plan.fee_payer
    await payment.chain.devnet.fund_usdc(str(fee_payer), 100 * USDC)
    return await payment.land_transfer(source=token_account(fee_payer, payment.plan.mint), authority=fee_payer)


async def the_fee_payer_as_delegate_of_the_customer(payment: Payment) -> Landed:
    await delegate(payment, payment.plan.fee_payer)
    return await payment.land_transfer(authority=payment.plan.fee_payer, references=[payment.customer_signs()])


async def a_multisig_that_the_customer_is_part_of(payment: Payment) -> Landed:
    plan, chain = payment.plan, payment.chain
    payer = await chain.rich()
    multisig, create = await chain.make_account(payer, MULTISIG_SIZE, TOKEN_PROGRAM)
    init = InitializeMultisig2Params(program_id=TOKEN_PROGRAM, m=1, multisig=multisig.pubkey(), signers=[plan.wallet])
    give = SetAuthorityParams(
        program_id=TOKEN_PROGRAM,
        account=plan.source,
        authority=AuthorityType.ACCOUNT_OWNER,
        current_authority=plan.wallet,
        new_authority=multisig.pubkey(),
    )
    await chain.run(payer, [create, initialize_multisig2(init), set_authority(give)], multisig, payment.customer)
    return await payment.land_transfer(authority=multisig.pubkey(), signs=False, references=[payment.customer_signs()])


async def by_another_wallet(payment: Payment) -> Landed:
    other = Keypair()
    await payment.chain.devnet.fund_usdc(str(other.pubkey()), 100 * USDC)
    source = token_account(other.pubkey(), payment.plan.mint)
    return await payment.land_plan(other, wallet=other.pubkey(), source=source)


async def by_a_delegate_of_the_customer(payment: Payment) -> Landed:
    other = Keypair()
    await delegate(payment, other.pubkey())
    return await payment.land_plan(other, wallet=other.pubkey())


async def by_the_merchant_to_himself(payment: Payment) -> Landed:
    merchant = payment.merchant
    await payment.chain.devnet.fund_usdc(str(merchant.pubkey()), 100 * USDC)
    return await payment.land_plan(merchant, wallet=merchant.pubkey(), source=payment.plan.destination)


async def by_the_merchant_from_another_of_his_accounts(payment: Payment) -> Landed:
    merchant = payment.merchant
    other = await second_account(payment.chain, merchant.pubkey())
    await payment.land_plan(destination=other, single_use=payment.single_use("filling the other"), memo="")
    return await payment.land_plan(merchant, wallet=merchant.pubkey(), source=other)


def amount(units: int) -> Mutant:
    """As many base units more or less than issued."""

    async def make(payment: Payment) -> Landed:
        return await payment.land_transfer(amount=payment.plan.amount + units)

    return Mutant(f"amount {units:+d}", Reason.WRONG_AMOUNT, make)


async def a_hundredth(payment: Payment) -> Landed:
    return await payment.land_transfer(amount=payment.plan.amount // 100)


async def all_that_the_customer_has(payment: Payment) -> Landed:
    return await payment.land_transfer(amount=100 * USDC)


async def an_unchecked_transfer(payment: Payment) -> Landed:
    """Tag 3 without mint and decimals: the chain does not say what is moved."""
    plan = payment.plan
    keys = [(plan.source, False, True), (plan.destination, False, True), (plan.wallet, True, False)]
    accounts = [AccountMeta(*key) for key in [*keys, (plan.mint, False, False), (plan.reference, False, False)]]
    bare = Instruction(TOKEN_PROGRAM, bytes([3]) + plan.amount.to_bytes(8, "little"), accounts)
    return await payment.land_instructions([*payment.instructions()[:4], bare])


async def an_approval_instead_of_a_transfer(payment: Payment) -> Landed:
    return await payment.land_transfer(tag=13)


async def a_transfer_with_a_tail(payment: Payment) -> Landed:
    return await payment.land_transfer(tail=b"\0")


async def without_reference(payment: Payment) -> Landed:
    return await payment.land_transfer(references=[])


async def with_two_references(payment: Payment) -> Landed:
    reference = AccountMeta(payment.plan.reference, is_signer=False, is_writable=False)
    more = AccountMeta(Keypair().pubkey(), is_signer=False, is_writable=False)
    return await payment.land_transfer(references=[reference, more])


async def with_another_reference(payment: Payment) -> Landed:
    return await payment.land_plan(reference=Keypair().pubkey())


async def with_the_memo_of_another_payment(payment: Payment) -> Landed:
    return await payment.land_plan(memo="4uQeVj5tqViQh7yWWGStvk")


async def with_an_empty_memo(payment: Payment) -> Landed:
    return await payment.land_plan(memo="")


async def with_a_memo_in_other_letters(payment: Payment) -> Landed:
    return await payment.land_plan(memo=payment.plan.memo.swapcase())


async def with_a_longer_memo(payment: Payment) -> Landed:
    return await payment.land_plan(memo=payment.plan.memo + " ")


async def with_a_memo_that_the_customer_signs(payment: Payment) -> Landed:
    parts = payment.instructions()
    parts[3] = Instruction(parts[3].program_id, parts[3].data, [payment.customer_signs()])
    return await payment.land_instructions(parts)


MUTANTS = [
    *map(amount, (-12_340_000, -1, 1, 12_340_000)),
    Mutant("a hundredth", Reason.WRONG_AMOUNT, a_hundredth),
    Mutant("all that the customer has", Reason.WRONG_AMOUNT, all_that_the_customer_has),
    Mutant("other mint, same decimals", Reason.WRONG_MINT, worthless_of_the_same_decimals),
    Mutant("other mint, other decimals", Reason.WRONG_MINT, worthless_of_other_decimals),
    Mutant("other mint, same figure", Reason.WRONG_MINT, worthless_of_other_decimals_for_the_same_figure),
    Mutant("account of somebody else", Reason.WRONG_DESTINATION, to_the_account_of_somebody_else),
    Mutant("other account of the merchant", Reason.WRONG_DESTINATION, to_another_account_of_the_merchant),
    Mutant("back to the customer", Reason.WRONG_DESTINATION, back_to_the_customer),
    Mutant("other account of the customer", Reason.WRONG_SOURCE, from_another_account_of_the_customer),
    Mutant("delegated account of a victim", Reason.WRONG_SOURCE, from_a_victim_who_trusts_the_customer),
    Mutant("fee payer as source", Reason.WRONG_SOURCE, the_fee_payers_money),
    Mutant("fee payer as source and only signer", Reason.WRONG_SIGNERS, the_fee_payers_money_and_signature_alone),
    Mutant("fee payer as delegate", Reason.WRONG_WALLET, the_fee_payer_as_delegate_of_the_customer),
    Mutant("multisig as authority", Reason.WRONG_WALLET, a_multisig_that_the_customer_is_part_of),
    Mutant("other wallet", Reason.WRONG_SIGNERS, by_another_wallet),
    Mutant("delegate of the customer", Reason.WRONG_SIGNERS, by_a_delegate_of_the_customer),
    Mutant("merchant self-transfer", Reason.WRONG_SIGNERS, by_the_merchant_to_himself),
    Mutant("merchant's other account", Reason.WRONG_SIGNERS, by_the_merchant_from_another_of_his_accounts),
    Mutant("unchecked transfer", Reason.WRONG_TRANSFER, an_unchecked_transfer),
    Mutant("approval", Reason.WRONG_TRANSFER, an_approval_instead_of_a_transfer),
    Mutant("transfer with a tail", Reason.WRONG_TRANSFER, a_transfer_with_a_tail),
    Mutant("no reference", Reason.WRONG_TRANSFER, without_reference),
    Mutant("two references", Reason.WRONG_TRANSFER, with_two_references),
    Mutant("other reference", Reason.WRONG_REFERENCE, with_another_reference),
    Mutant("other memo", Reason.WRONG_MEMO, with_the_memo_of_another_payment),
    Mutant("no text in the memo", Reason.WRONG_MEMO, with_an_empty_memo),
    Mutant("memo in other letters", Reason.WRONG_MEMO, with_a_memo_in_other_letters),
    Mutant("longer memo", Reason.WRONG_MEMO, with_a_longer_memo),
    Mutant("signed memo", Reason.WRONG_MEMO, with_a_memo_that_the_customer_signs),
]


async def test_the_issued_payment_itself_lands_and_is_verified(payment: Payment) -> None:
    landed = await payment.land_plan()
    assert landed.signature == payment.signature
    assert payment.reason(landed.settled) is None


@each(MUTANTS)
async def test_what_moves_other_money_is_refused(payment: Payment, mutant: Mutant) -> None:
    await mutant.is_refused(payment)


async def test_a_merchant_who_is_the_customer_lands_a_payment_that_moves_nothing(payment: Payment) -> None:
    """The wallet is refused before issuing; had it been issued, nothing received is what would give it away."""
    merchant = payment.merchant
    payment.customer = merchant
    await payment.chain.devnet.fund_usdc(str(merchant.pubkey()), 100 * USDC)
    payment.plan = replace(payment.plan, wallet=merchant.pubkey(), source=payment.plan.destination)
    landed = await payment.land_plan()
    assert landed.settled.error is None
    assert payment.reason(landed.settled) is Reason.WRONG_RECEIVED_AMOUNT
