from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.message import Message
from solders.signature import Signature
from solders.transaction import Transaction
from spl.token.instructions import decode_transfer_checked

from chain.errors import OwnAddress
from chain.fee_payer import KeyFileFeePayer
from chain.payment_transaction import build_message, issue_transaction
from chain.programs import COMPUTE_BUDGET_PROGRAM, MEMO_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM
from chain.single_use import SingleUse
from tests.unit.chain.samples import (
    AMOUNT,
    CUSTOMER,
    DESTINATION,
    FEE_PAYER,
    MERCHANT,
    MINT,
    PLAN,
    REFERENCE,
    SINGLE_USE,
    SOURCE,
    a_key,
    instructions_of,
)

U64 = 2**64 - 1


@pytest.mark.rule("B01")
def test_the_message_is_legacy_and_signed_by_fee_payer_and_customer_only():
    message = build_message(PLAN)
    assert isinstance(message, Message)
    assert message.signer_keys() == [FEE_PAYER.pubkey(), CUSTOMER.pubkey()]
    assert message.header.num_readonly_signed_accounts == 1


@pytest.mark.rule("B02")
def test_the_instructions_stand_in_the_agreed_order():
    programs = [step.program_id for step in instructions_of(build_message(PLAN))]
    assert programs == [COMPUTE_BUDGET_PROGRAM, COMPUTE_BUDGET_PROGRAM, SYSTEM_PROGRAM, MEMO_PROGRAM, TOKEN_PROGRAM]


@pytest.mark.rule("B09")
def test_the_transfer_is_last_and_carries_one_reference_that_neither_signs_nor_is_written():
    transfer = instructions_of(build_message(PLAN))[-1]
    assert [meta.pubkey for meta in transfer.accounts] == [SOURCE, MINT, DESTINATION, CUSTOMER.pubkey(), REFERENCE]
    assert not transfer.accounts[-1].is_signer
    assert not transfer.accounts[-1].is_writable
    decoded = decode_transfer_checked(transfer)
    assert (decoded.amount, decoded.decimals) == (AMOUNT, 6)


def test_the_memo_names_no_account():
    memo = instructions_of(build_message(PLAN))[3]
    assert (memo.accounts, memo.data.decode()) == ([], PLAN.memo)


@pytest.mark.rule("B03")
def test_a_base_other_than_the_fee_payer_is_refused():
    single_use = SingleUse.derive(a_key("other"), SINGLE_USE.seed)
    with pytest.raises(ValueError, match="base"):
        build_message(replace(PLAN, single_use=single_use))


@pytest.mark.rule("B12")
def test_the_fee_payer_as_customer_is_refused_even_when_nobody_checked_before():
    with pytest.raises(OwnAddress):
        build_message(replace(PLAN, wallet=FEE_PAYER.pubkey()))


def test_a_transfer_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        build_message(replace(PLAN, amount=0))


@pytest.mark.rule("B07")
async def test_the_id_is_the_fee_payers_signature_and_the_customers_place_is_empty():
    issued = await issue_transaction(PLAN, KeyFileFeePayer(FEE_PAYER))
    transaction = Transaction.from_bytes(issued.wire)
    assert transaction.message == build_message(PLAN)
    assert [str(transaction.signatures[0]), transaction.signatures[1]] == [issued.signature, Signature.default()]
    assert transaction.signatures[0].verify(FEE_PAYER.pubkey(), bytes(transaction.message))


async def test_a_plan_for_another_fee_payer_is_not_signed():
    with pytest.raises(ValueError, match="another fee payer"):
        await issue_transaction(PLAN, KeyFileFeePayer(CUSTOMER))


@pytest.mark.rule("B08")
@given(
    amount=st.integers(1, U64),
    rent_lamports=st.integers(0, U64),
    compute_unit_limit=st.integers(0, 2**32 - 1),
    compute_unit_price=st.integers(0, U64),
)
async def test_no_figure_makes_a_transaction_larger(amount, rent_lamports, compute_unit_limit, compute_unit_price):
    figures = {"amount": amount, "rent_lamports": rent_lamports, "compute_unit_price": compute_unit_price}
    plan = replace(PLAN, compute_unit_limit=compute_unit_limit, **figures)
    issued = await issue_transaction(plan, KeyFileFeePayer(FEE_PAYER))
    assert len(issued.wire) == len((await issue_transaction(PLAN, KeyFileFeePayer(FEE_PAYER))).wire) <= 800


@pytest.mark.rule("B08")
async def test_a_transaction_of_more_than_800_bytes_is_not_handed_out():
    usual = len((await issue_transaction(PLAN, KeyFileFeePayer(FEE_PAYER))).wire)
    longest = PLAN.memo + "m" * (800 - usual)
    issued = await issue_transaction(replace(PLAN, memo=longest), KeyFileFeePayer(FEE_PAYER))
    assert len(issued.wire) == 800
    with pytest.raises(ValueError, match="800"):
        await issue_transaction(replace(PLAN, memo=longest + "m"), KeyFileFeePayer(FEE_PAYER))


@pytest.mark.parametrize("opened_for", [None, MERCHANT])
def test_nothing_is_written_but_what_pays_and_what_is_paid(opened_for):
    """What a transaction writes, no other can touch at the same time: the mint is everybody's."""
    message = build_message(replace(PLAN, opened_for=opened_for))
    written = {meta.pubkey for step in instructions_of(message) for meta in step.accounts if meta.is_writable}
    payer = set() if opened_for is None else {CUSTOMER.pubkey()}
    assert written == {FEE_PAYER.pubkey(), SINGLE_USE.address, SOURCE, DESTINATION} | payer
