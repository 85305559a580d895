"""What a landed transaction says of itself is read from it whole, and only from one of the shape of ours."""

from dataclasses import replace

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.system_program import CreateAccountWithSeedParams, TransferParams, create_account_with_seed, transfer

from chain import errors
from chain.claim import Claim, read_claim
from chain.payment_transaction import build_message
from chain.programs import MEMO_PROGRAM, SYSTEM_PROGRAM
from tests.unit.chain.samples import (
    AMOUNT,
    CUSTOMER,
    FEE_PAYER,
    MERCHANT,
    PLAN,
    REFERENCE,
    SINGLE_USE,
    answer_for,
    good_transaction,
    instructions_of,
    read,
    sign,
)

PRICED = replace(PLAN, compute_unit_limit=12_345, compute_unit_price=2_000_000)


def landed(message, *signers, **meta):
    answer = answer_for(sign(message, *(signers or (FEE_PAYER, CUSTOMER))))
    answer["meta"] |= meta
    return read(answer)


def changed(place, instruction):
    """The good message with another instruction at this place."""
    instructions = instructions_of(build_message(PLAN))
    instructions[place] = instruction
    return Message.new_with_blockhash(instructions, FEE_PAYER.pubkey(), PLAN.blockhash)


def with_data(place, data):
    old = instructions_of(build_message(PLAN))[place]
    return landed(changed(place, Instruction(old.program_id, data, old.accounts)))


def refused(error, transaction):
    with pytest.raises(errors.Unverified) as raised:
        read_claim(transaction)
    assert type(raised.value) is error


def creation():
    return bytes(instructions_of(build_message(PLAN))[2].data)


def test_everything_that_it_says_is_read():
    # Of 12,345 units at 2 lamports each, beside two signatures.
    assert read_claim(landed(build_message(PRICED))) == Claim(
        fee_payer=FEE_PAYER.pubkey(),
        wallet=CUSTOMER.pubkey(),
        single_use=SINGLE_USE,
        memo=PLAN.memo,
        reference=REFERENCE,
        amount=AMOUNT,
        opens_destination=False,
        blockhash=PLAN.blockhash,
        rent_lamports=890_880,
        fee_lamports=10_000 + 24_690,
    )


def test_whether_it_opens_an_account_is_told_by_its_instructions():
    assert read_claim(landed(build_message(replace(PLAN, opened_for=MERCHANT)))).opens_destination is True
    assert read_claim(read(answer_for(good_transaction()))).opens_destination is False


def test_the_account_that_it_made_is_the_one_of_the_base_that_it_names():
    other = Keypair.from_seed(b"other".ljust(32))
    data = creation().replace(bytes(FEE_PAYER.pubkey()), bytes(other.pubkey()))
    claim = read_claim(with_data(2, data))
    assert claim.single_use.base == other.pubkey()
    assert claim.single_use.address != SINGLE_USE.address


def test_what_failed_claims_nothing():
    refused(errors.LandedWithError, landed(build_message(PLAN), err={"InstructionError": [2, {"Custom": 0}]}))


def test_a_versioned_message_claims_nothing():
    refused(errors.VersionedMessage, replace(landed(build_message(PLAN)), is_legacy=False))


@pytest.mark.parametrize("required", [1, 3])
def test_it_has_two_signers(required):
    refused(errors.WrongSigners, replace(landed(build_message(PLAN)), required_signatures=required))


def test_other_instructions_claim_nothing():
    to = TransferParams(from_pubkey=FEE_PAYER.pubkey(), to_pubkey=MERCHANT, lamports=1)
    move = Message.new_with_blockhash([transfer(to)], FEE_PAYER.pubkey(), PLAN.blockhash)
    refused(errors.WrongSigners, landed(move, FEE_PAYER))
    refused(errors.WrongInstructions, landed(changed(0, transfer(to))))
    good = landed(build_message(PLAN))
    refused(errors.WrongInstructions, replace(good, steps=good.steps[:-1]))


def test_a_compute_budget_of_another_shape_claims_nothing():
    refused(errors.WrongComputeBudget, with_data(0, b"\x02"))
    refused(errors.WrongComputeBudget, with_data(1, b"\x03"))


@pytest.mark.parametrize("kept", [0, 43, 60, 73])
def test_an_account_creation_that_is_cut_off_claims_nothing(kept):
    refused(errors.WrongSingleUse, with_data(2, creation()[:kept]))


def test_a_seed_that_is_no_text_or_none_at_all_claims_nothing():
    data = creation()
    at = data.index(SINGLE_USE.seed.encode())
    refused(errors.WrongSingleUse, with_data(2, data[:at] + b"\xff" + data[at + 1 :]))
    empty = create_account_with_seed(
        CreateAccountWithSeedParams(
            from_pubkey=FEE_PAYER.pubkey(), to_pubkey=SINGLE_USE.address, base=FEE_PAYER.pubkey(), seed="",
            lamports=1, space=0, owner=SYSTEM_PROGRAM,
        )
    )  # fmt: skip
    refused(errors.WrongSingleUse, with_data(2, bytes(empty.data)))


def test_a_memo_that_is_no_text_claims_nothing():
    refused(errors.WrongMemo, landed(changed(3, Instruction(MEMO_PROGRAM, b"\xff\xfe", []))))


def test_a_transfer_of_another_shape_claims_nothing():
    old = instructions_of(build_message(PLAN))[-1]
    refused(errors.WrongTransfer, with_data(4, bytes(old.data)[:-1]))
    more = [*old.accounts, AccountMeta(MERCHANT, is_signer=False, is_writable=False)]
    refused(errors.WrongTransfer, landed(changed(4, Instruction(old.program_id, bytes(old.data), more))))
