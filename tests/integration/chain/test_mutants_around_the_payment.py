"""Other people's transactions, accounts that changed hands, and money that goes back at once."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from spl.token.instructions import approve, close_account, set_authority
from spl.token.instructions import transfer as token_transfer
from spl.token.models import ApproveParams, AuthorityType, CloseAccountParams, SetAuthorityParams
from spl.token.models import TransferParams as TokenTransferParams

from chain.addresses import token_account
from chain.programs import MEMO_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM
from chain.reasons import Reason
from tests.integration.chain.mutants import USDC, Landed, Mutant, Payment, each
from tests.unit.chain.samples import sign

pytestmark = pytest.mark.asyncio(loop_scope="module")


def pull_back(payment: Payment, owner: Pubkey) -> Instruction:
    """What came goes back to the customer."""
    plan = payment.plan
    params = TokenTransferParams(
        program_id=TOKEN_PROGRAM, source=plan.destination, dest=plan.source, owner=owner, amount=plan.amount
    )
    return token_transfer(params)


async def merchant_trusts_the_customer(payment: Payment) -> None:
    """From now on the customer's signature alone moves the merchant's money."""
    merchant, plan = payment.merchant.pubkey(), payment.plan
    params = ApproveParams(
        program_id=TOKEN_PROGRAM,
        source=plan.destination,
        delegate=plan.wallet,
        owner=merchant,
        amount=1000 * USDC,
    )
    await payment.chain.devnet.fund_usdc(str(merchant), 50 * USDC)
    await payment.chain.run(payment.fee_payer, [approve(params)], payment.merchant)


async def pulled_back_by_the_merchant(payment: Payment) -> Landed:
    back = pull_back(payment, payment.merchant.pubkey())
    return await payment.land_instructions([*payment.instructions(), back], payment.merchant)


async def pulled_back_by_the_customer(payment: Payment) -> Landed:
    await merchant_trusts_the_customer(payment)
    return await payment.land_instructions([*payment.instructions(), pull_back(payment, payment.plan.wallet)])


async def pulled_out_before(payment: Payment) -> Landed:
    await merchant_trusts_the_customer(payment)
    parts = payment.instructions()
    return await payment.land_instructions([*parts[:4], pull_back(payment, payment.plan.wallet), parts[4]])


async def pulled_back_in_a_batch(payment: Payment) -> Landed:
    """Tag 255 of the Token program holds several instructions in one."""
    await merchant_trusts_the_customer(payment)
    there, back = payment.transfer(references=[]), pull_back(payment, payment.plan.wallet)
    data = bytes([255]) + b"".join(
        bytes([len(part.accounts), len(part.data)]) + bytes(part.data) for part in (there, back)
    )
    batch = Instruction(TOKEN_PROGRAM, data, [*there.accounts, *back.accounts])
    return await payment.land_instructions([*payment.instructions()[:4], batch])


async def pulled_back_and_closed(payment: Payment) -> Landed:
    merchant = payment.merchant.pubkey()
    params = CloseAccountParams(
        program_id=TOKEN_PROGRAM, account=payment.plan.destination, dest=merchant, owner=merchant
    )
    parts = [*payment.instructions(), pull_back(payment, merchant), close_account(params)]
    return await payment.land_instructions(parts, payment.merchant)


def given_away(payment: Payment, account: Pubkey, owner: Pubkey) -> Instruction:
    params = SetAuthorityParams(
        program_id=TOKEN_PROGRAM,
        account=account,
        authority=AuthorityType.ACCOUNT_OWNER,
        current_authority=owner,
        new_authority=Keypair().pubkey(),
    )
    return set_authority(params)


async def to_an_account_given_away_before(payment: Payment) -> Landed:
    given = given_away(payment, payment.plan.destination, payment.merchant.pubkey())
    await payment.chain.run(payment.fee_payer, [given], payment.merchant)
    return await payment.land_plan()


async def to_an_account_given_away_at_once(payment: Payment) -> Landed:
    given = given_away(payment, payment.plan.destination, payment.merchant.pubkey())
    return await payment.land_instructions([*payment.instructions(), given], payment.merchant)


async def somebody_else(payment: Payment) -> Keypair:
    """A stranger with SOL and USDC."""
    stranger = await payment.chain.rich()
    await payment.chain.devnet.fund_usdc(str(stranger.pubkey()), 100 * USDC)
    return stranger


async def stranger_lands(payment: Payment, stranger: Keypair, *parts: Instruction) -> Landed:
    message = Message.new_with_blockhash(list(parts), stranger.pubkey(), payment.plan.blockhash)
    transaction = sign(message, stranger)
    return Landed(await payment.chain.land(transaction), str(transaction.signatures[0]))


async def a_foreign_payment_of_exactly_the_amount(payment: Payment) -> Landed:
    """The issued instructions to the letter, from a stranger to himself as fee payer."""
    stranger = await somebody_else(payment)
    source = token_account(stranger.pubkey(), payment.plan.mint)
    parts = payment.instructions()
    single_use = payment.single_use("order", base=stranger.pubkey())
    foreign = payment.instructions(fee_payer=stranger.pubkey(), single_use=single_use)[2]
    paying = payment.transfer(source=source, authority=stranger.pubkey())
    return await stranger_lands(payment, stranger, *parts[:2], foreign, parts[3], paying)


async def a_plain_payment_of_exactly_the_amount(payment: Payment) -> Landed:
    """What a wallet does with a transfer request: memo and reference are public."""
    stranger = await somebody_else(payment)
    source = token_account(stranger.pubkey(), payment.plan.mint)
    memo = Instruction(MEMO_PROGRAM, payment.plan.memo.encode(), [])
    return await stranger_lands(payment, stranger, memo, payment.transfer(source=source, authority=stranger.pubkey()))


async def a_reference_squatted_in_a_memo(payment: Payment) -> Landed:
    stranger = await payment.chain.rich()
    reference = AccountMeta(payment.plan.reference, is_signer=False, is_writable=False)
    own = AccountMeta(stranger.pubkey(), is_signer=True, is_writable=True)
    memo = Instruction(MEMO_PROGRAM, payment.plan.memo.encode(), [own])
    lamports_to_himself = Instruction(SYSTEM_PROGRAM, bytes([2, 0, 0, 0]) + bytes(8), [own, own, reference])
    return await stranger_lands(payment, stranger, memo, lamports_to_himself)


async def a_reference_squatted_in_a_transfer_of_one_unit(payment: Payment) -> Landed:
    stranger = await somebody_else(payment)
    source = token_account(stranger.pubkey(), payment.plan.mint)
    return await stranger_lands(
        payment, stranger, payment.transfer(source=source, authority=stranger.pubkey(), amount=1)
    )


async def a_reference_squatted_by_a_payment_to_the_squatter(payment: Payment) -> Landed:
    stranger = await somebody_else(payment)
    source = token_account(stranger.pubkey(), payment.plan.mint)
    paying = payment.transfer(source=source, authority=stranger.pubkey(), destination=source)
    return await stranger_lands(payment, stranger, paying)


async def the_payment_of_a_sibling(payment: Payment) -> Landed:
    """Another session of the same group: the same single-use account, another memo, reference and amount."""
    return await payment.land_plan(memo="of the sibling", reference=Keypair().pubkey(), amount=5 * USDC)


async def the_reclaim_of_the_rent(payment: Payment) -> Landed:
    """The fee payer signs other things too."""
    message = Message.new_with_blockhash(payment.instructions()[:2], payment.plan.fee_payer, payment.plan.blockhash)
    transaction = sign(message, payment.fee_payer)
    return Landed(await payment.chain.land(transaction), str(transaction.signatures[0]))


MUTANTS = [
    Mutant("pull-back by the merchant", Reason.WRONG_SIGNERS, pulled_back_by_the_merchant),
    Mutant("pull-back by the customer", Reason.WRONG_INSTRUCTIONS, pulled_back_by_the_customer),
    Mutant("pulled out before", Reason.WRONG_INSTRUCTIONS, pulled_out_before),
    Mutant("pull-back in a batch", Reason.WRONG_TRANSFER, pulled_back_in_a_batch),
    Mutant("pull-back and account closed", Reason.WRONG_SIGNERS, pulled_back_and_closed),
    Mutant("account given away before", Reason.BALANCE_WRONG_OWNER, to_an_account_given_away_before),
    Mutant("account given away at once", Reason.WRONG_SIGNERS, to_an_account_given_away_at_once),
    Mutant("foreign exact payment", Reason.WRONG_FEE_PAYER, a_foreign_payment_of_exactly_the_amount),
    Mutant("foreign plain payment", Reason.WRONG_FEE_PAYER, a_plain_payment_of_exactly_the_amount),
    Mutant("reference squatted, memo", Reason.WRONG_FEE_PAYER, a_reference_squatted_in_a_memo),
    Mutant("reference squatted, one unit", Reason.WRONG_FEE_PAYER, a_reference_squatted_in_a_transfer_of_one_unit),
    Mutant("reference squatted, own", Reason.WRONG_FEE_PAYER, a_reference_squatted_by_a_payment_to_the_squatter),
    Mutant("payment of a sibling", Reason.WRONG_MEMO, the_payment_of_a_sibling),
    Mutant("fee payer doing something else", Reason.WRONG_SIGNERS, the_reclaim_of_the_rent),
]


@each(MUTANTS)
async def test_what_others_do_is_refused(payment: Payment, mutant: Mutant) -> None:
    await mutant.is_refused(payment)


async def test_a_pull_back_leaves_the_merchant_without_the_money(payment: Payment) -> None:
    """The mutants are real: money that went back is money that is not there."""
    before = (await payment.chain.devnet.balances(str(payment.merchant.pubkey())))[0]
    await pulled_back_in_a_batch(payment)
    assert (await payment.chain.devnet.balances(str(payment.merchant.pubkey())))[0] == before + 50 * USDC


async def test_a_payment_among_foreign_ones_is_still_found_by_its_id(payment: Payment) -> None:
    await a_foreign_payment_of_exactly_the_amount(payment)
    await a_reference_squatted_in_a_transfer_of_one_unit(payment)
    assert payment.reason(await payment.chain.land(payment.issued), payment.signature) is None
