from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.signature import Signature

from chain import errors
from chain.payment_transaction import build_message
from chain.programs import SYSTEM_PROGRAM, TOKEN_PROGRAM
from chain.single_use import SingleUse
from chain.verification import CHECKS, verify_settled
from tests.unit.chain.samples import (
    AMOUNT,
    BEFORE,
    CUSTOMER,
    DESTINATION,
    FEE_PAYER,
    MERCHANT,
    MINT,
    PLAN,
    a_key,
    answer_for,
    balance,
    expected_for,
    good_transaction,
    instructions_of,
    read,
    sign,
)

GOOD = good_transaction()
EXPECTED = expected_for(GOOD)
THIEF = Keypair.from_seed(b"thief".ljust(32))


def refused(error, answer, expected):
    with pytest.raises(errors.Unverified) as raised:
        verify_settled(read(answer), expected)
    assert type(raised.value) is error
    assert raised.value.message


def refused_message(error, message, *signers):
    """A message that everybody signed and that landed under the issued id is refused for this reason."""
    transaction = sign(message, *(signers or (FEE_PAYER, CUSTOMER)))
    refused(error, answer_for(transaction), replace(EXPECTED, signature=str(transaction.signatures[0])))


def refused_plan(error, **changes):
    refused_message(error, build_message(replace(PLAN, **changes)))


def refused_instructions(error, change, *signers):
    instructions = instructions_of(build_message(PLAN))
    changed = change(instructions)
    refused_message(
        error, Message.new_with_blockhash(changed, FEE_PAYER.pubkey(), PLAN.blockhash), FEE_PAYER, CUSTOMER, *signers
    )


def with_data(instruction, data):
    return Instruction(instruction.program_id, data, instruction.accounts)


def test_the_issued_transaction_is_verified():
    verify_settled(read(answer_for(GOOD)), EXPECTED)


def test_an_account_without_a_balance_before_had_nothing():
    answer = answer_for(GOOD)
    answer["meta"]["preTokenBalances"] = []
    index = GOOD.message.account_keys.index(DESTINATION)
    answer["meta"]["postTokenBalances"] = [balance(index, AMOUNT)]
    verify_settled(read(answer), EXPECTED)


@pytest.mark.rule("V01")
def test_another_signature_is_refused():
    refused(errors.WrongSignature, answer_for(GOOD), replace(EXPECTED, signature=str(Signature.new_unique())))
    transaction = replace(read(answer_for(GOOD)), signatures=())
    with pytest.raises(errors.WrongSignature):
        verify_settled(transaction, EXPECTED)


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
shapes = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@pytest.mark.rule("V02")
@given(shapes.filter(lambda err: err is not None))
def test_an_error_of_any_shape_is_refused(err):
    answer = answer_for(GOOD)
    answer["meta"]["err"] = err
    refused(errors.LandedWithError, answer, EXPECTED)


@pytest.mark.rule("V03")
def test_another_fee_payer_is_refused():
    single_use = SingleUse.derive(THIEF.pubkey(), PLAN.single_use.seed)
    message = build_message(replace(PLAN, fee_payer=THIEF.pubkey(), single_use=single_use))
    refused_message(errors.WrongFeePayer, message, THIEF, CUSTOMER)


@pytest.mark.rule("V04")
def test_a_message_that_the_fee_payer_did_not_sign_is_refused():
    other = sign(build_message(replace(PLAN, memo="another memo")), FEE_PAYER, CUSTOMER)
    other.signatures = GOOD.signatures
    refused(errors.NotSignedByFeePayer, answer_for(other), EXPECTED)


@pytest.mark.rule("V05")
def test_a_versioned_message_is_refused():
    instructions = instructions_of(build_message(PLAN))
    refused_message(
        errors.VersionedMessage, MessageV0.try_compile(FEE_PAYER.pubkey(), instructions, [], PLAN.blockhash)
    )


@pytest.mark.rule("V06")
def test_another_or_a_third_or_a_missing_signer_is_refused():
    def with_third(instructions):
        memo = instructions[3]
        third = Instruction(
            memo.program_id, memo.data, [AccountMeta(THIEF.pubkey(), is_signer=True, is_writable=False)]
        )
        return [*instructions[:3], third, instructions[4]]

    refused_instructions(errors.WrongSigners, with_third, THIEF)
    refused_message(errors.WrongSigners, build_message(replace(PLAN, wallet=THIEF.pubkey())), FEE_PAYER, THIEF)
    refused_instructions(errors.WrongSigners, lambda instructions: instructions[:4])


def a_transfer_back(_instructions):
    data = bytes([3]) + AMOUNT.to_bytes(8, "little")
    accounts = [
        AccountMeta(DESTINATION, is_signer=False, is_writable=True),
        AccountMeta(PLAN.source, is_signer=False, is_writable=True),
        AccountMeta(CUSTOMER.pubkey(), is_signer=True, is_writable=False),
    ]
    return Instruction(TOKEN_PROGRAM, data, accounts)


@pytest.mark.rule("V07")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda i: [*i, a_transfer_back(i)], id="pull-back at the end"),
        pytest.param(lambda i: [*i[:3], a_transfer_back(i), *i[3:]], id="extra in the middle"),
        pytest.param(lambda i: [a_transfer_back(i), *i], id="extra at the start"),
        pytest.param(lambda i: [*i[:2], *i[3:]], id="no single-use account"),
        pytest.param(lambda i: [*i[:3], i[4]], id="no memo"),
        pytest.param(lambda i: [*i[:2], i[3], i[2], i[4]], id="memo first"),
        pytest.param(lambda i: [*i[:3], i[4], i[3]], id="transfer before memo"),
        pytest.param(lambda i: [*i, i[4]], id="transfer doubled"),
        pytest.param(lambda i: [*i[:3], i[2], *i[3:]], id="single-use doubled"),
        pytest.param(lambda i: [*i[:4], i[3], i[4]], id="memo doubled"),
        pytest.param(lambda i: [*i[2:], *i[:2]], id="compute budget last"),
        pytest.param(lambda i: i[1:], id="no limit"),
        pytest.param(lambda i: i[2:], id="no compute budget"),
        pytest.param(lambda i: [i[0], *i], id="a third for the compute budget"),
        pytest.param(lambda i: [i[4]], id="transfer alone"),
    ],
)
def test_any_other_list_of_instructions_is_refused(change):
    refused_instructions(errors.WrongInstructions, change)


@pytest.mark.rule("V23")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda i: [i[1], i[0]], id="price before limit"),
        pytest.param(lambda i: [i[0], i[0]], id="limit twice"),
        pytest.param(lambda i: [i[1], i[1]], id="price twice"),
        pytest.param(lambda i: [with_data(i[0], b"\x01" + i[0].data[1:]), i[1]], id="heap instead of limit"),
        pytest.param(lambda i: [i[0], with_data(i[1], b"\x04" + i[1].data[1:])], id="something instead of price"),
        pytest.param(lambda i: [with_data(i[0], i[0].data + b"\0"), i[1]], id="limit with a tail"),
        pytest.param(lambda i: [i[0], with_data(i[1], i[1].data[:-1])], id="price cut short"),
        pytest.param(lambda i: [with_data(i[0], b""), i[1]], id="empty limit"),
        pytest.param(lambda i: [i[0], with_data(i[1], b"")], id="empty price"),
        pytest.param(lambda i: [named(i[0]), i[1]], id="limit with an account"),
        pytest.param(lambda i: [i[0], named(i[1])], id="price with an account"),
    ],
)
def test_any_other_compute_budget_is_refused(change):
    refused_instructions(errors.WrongComputeBudget, lambda i: [*change(i), *i[2:]])


def named(instruction):
    """The instruction, with the customer among its accounts."""
    customer = AccountMeta(CUSTOMER.pubkey(), is_signer=True, is_writable=False)
    return Instruction(instruction.program_id, instruction.data, [customer])


@pytest.mark.parametrize("figures", [{"compute_unit_limit": 1}, {"compute_unit_price": 2**64 - 1}])
def test_the_figures_of_the_compute_budget_may_be_any(figures):
    transaction = sign(build_message(replace(PLAN, **figures)), FEE_PAYER, CUSTOMER)
    verify_settled(read(answer_for(transaction)), replace(EXPECTED, signature=str(transaction.signatures[0])))


def changed_single_use(change):
    return lambda i: [*i[:2], with_data(i[2], change(bytearray(i[2].data))), *i[3:]]


def put(position, raw):
    def change(data):
        data[position : position + len(raw)] = raw
        return bytes(data)

    return change


SEED_AT = 4 + 32 + 8
LAMPORTS_AT = SEED_AT + 22


@pytest.mark.rule("V08")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put(0, b"\x00"), id="create without seed"),
        pytest.param(put(0, b"\x09"), id="allocate with seed"),
        pytest.param(put(4, bytes(a_key("base"))), id="another base"),
        pytest.param(put(SEED_AT, b"_"), id="another seed"),
        pytest.param(put(SEED_AT - 8, b"\x15"), id="another length of the seed"),
        pytest.param(put(LAMPORTS_AT + 8, b"\x01"), id="with data"),
        pytest.param(put(LAMPORTS_AT + 15, b"\x01"), id="with very much data"),
        pytest.param(put(LAMPORTS_AT + 16, bytes(TOKEN_PROGRAM)), id="another owner"),
        pytest.param(lambda data: bytes(data[:-1]), id="cut short"),
        pytest.param(lambda data: bytes(data) + b"\0", id="with a tail"),
        pytest.param(lambda data: bytes(data[:LAMPORTS_AT]), id="nothing behind the seed"),
        pytest.param(lambda data: bytes(data[:4]), id="tag alone"),
        pytest.param(lambda _data: b"", id="empty"),
    ],
)
def test_any_other_single_use_instruction_is_refused(change):
    refused_instructions(errors.WrongSingleUse, changed_single_use(change))


@pytest.mark.rule("V08")
def test_a_single_use_account_paid_by_or_made_at_another_address_is_refused():
    create = instructions_of(build_message(PLAN))[2]
    payer, created = create.accounts
    customer_pays = AccountMeta(CUSTOMER.pubkey(), is_signer=True, is_writable=True)
    elsewhere = AccountMeta(a_key("elsewhere"), is_signer=False, is_writable=True)
    more = [payer, created, customer_pays]
    for accounts in ([customer_pays, created], [payer, elsewhere], [created, payer], [payer], [], more):
        changed = Instruction(SYSTEM_PROGRAM, create.data, accounts)
        refused_instructions(errors.WrongSingleUse, lambda i, changed=changed: [*i[:2], changed, *i[3:]])


def test_the_rent_may_be_any():
    transaction = sign(build_message(replace(PLAN, rent_lamports=89_088)), FEE_PAYER, CUSTOMER)
    verify_settled(read(answer_for(transaction)), replace(EXPECTED, signature=str(transaction.signatures[0])))


@pytest.mark.rule("V09")
@pytest.mark.parametrize("memo", ["", "Zx3vJ0hQm2rT8kLw5nYb1a", PLAN.memo + "x", PLAN.memo[:-1]])
def test_another_memo_is_refused(memo):
    refused_plan(errors.WrongMemo, memo=memo)


@pytest.mark.rule("V09")
def test_a_memo_with_a_signer_is_refused():
    signed = AccountMeta(CUSTOMER.pubkey(), is_signer=True, is_writable=False)
    refused_instructions(errors.WrongMemo, lambda i: [*i[:3], Instruction(i[3].program_id, i[3].data, [signed]), i[4]])


@pytest.mark.rule("V10")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: with_data(t, bytes([3]) + t.data[1:9]), id="plain transfer"),
        pytest.param(lambda t: with_data(t, bytes([13]) + t.data[1:]), id="approveChecked"),
        pytest.param(lambda t: with_data(t, t.data + b"\0"), id="with a tail"),
        pytest.param(lambda t: with_data(t, b""), id="empty"),
        pytest.param(lambda t: Instruction(TOKEN_PROGRAM, t.data, t.accounts[:4]), id="no reference"),
        pytest.param(lambda t: Instruction(TOKEN_PROGRAM, t.data, [*t.accounts, t.accounts[4]]), id="two references"),
    ],
)
def test_any_other_last_instruction_is_refused(change):
    refused_instructions(errors.WrongTransfer, lambda i: [*i[:-1], change(i[-1])])


@pytest.mark.rule("V11")
def test_another_source_is_refused():
    refused_plan(errors.WrongSource, source=a_key("other source"))


@pytest.mark.rule("V12")
def test_another_mint_is_refused():
    refused_plan(errors.WrongMint, mint=a_key("other mint"))


@pytest.mark.rule("V13")
def test_another_destination_is_refused():
    refused_plan(errors.WrongDestination, destination=a_key("other destination"))


@pytest.mark.rule("V14")
def test_a_transfer_authorized_by_somebody_else_is_refused():
    """The customer signs as reference, but the fee payer's own authority moves the money."""

    def change(instructions):
        [source, mint, destination, _, _] = instructions[-1].accounts
        fee_payer, customer = (
            AccountMeta(key, is_signer=True, is_writable=False) for key in (FEE_PAYER.pubkey(), CUSTOMER.pubkey())
        )
        accounts = [source, mint, destination, fee_payer, customer]
        return [*instructions[:-1], Instruction(TOKEN_PROGRAM, instructions[-1].data, accounts)]

    refused_instructions(errors.WrongWallet, change)


@pytest.mark.rule("V15")
def test_another_reference_is_refused():
    refused_plan(errors.WrongReference, reference=a_key("other reference"))


@pytest.mark.rule("V16")
@pytest.mark.parametrize("amount", [AMOUNT - 1, AMOUNT + 1, 1, 2 * AMOUNT, 2**64 - 1])
def test_another_amount_is_refused_whatever_the_balances_say(amount):
    refused_plan(errors.WrongAmount, amount=amount)


@pytest.mark.rule("V17")
@pytest.mark.parametrize("decimals", [0, 5, 7, 9])
def test_other_decimals_are_refused(decimals):
    refused_plan(errors.WrongDecimals, decimals=decimals)


def refused_balances(error, before, after):
    index = GOOD.message.account_keys.index(DESTINATION)
    answer = answer_for(GOOD)
    answer["meta"]["preTokenBalances"] = [balance(index, BEFORE, **before)] if before is not None else []
    answer["meta"]["postTokenBalances"] = [balance(index, BEFORE + AMOUNT, **after)] if after is not None else []
    refused(error, answer, EXPECTED)


@pytest.mark.rule("V18")
@pytest.mark.parametrize("before", [{}, None])
def test_a_balance_that_is_not_shown_is_refused(before):
    refused_balances(errors.BalanceMissing, before, None)


CHANGED = [
    pytest.param(errors.BalanceWrongMint, {"mint": str(a_key("fake"))}, marks=pytest.mark.rule("V19")),
    pytest.param(errors.BalanceWrongOwner, {"owner": str(THIEF.pubkey())}, marks=pytest.mark.rule("V20")),
    pytest.param(errors.BalanceWrongProgram, {"programId": str(a_key("2022"))}, marks=pytest.mark.rule("V21")),
]


@pytest.mark.parametrize(("error", "change"), CHANGED)
def test_an_account_of_another_kind_is_refused_before_and_after(error, change):
    refused_balances(error, change, change)
    refused_balances(error, {}, change)
    refused_balances(error, change, {})


@pytest.mark.rule("V22")
@pytest.mark.parametrize("received", [0, -1, AMOUNT - 1, AMOUNT + 1, 2 * AMOUNT, 1 - BEFORE])
def test_another_received_amount_is_refused(received):
    refused(errors.WrongReceivedAmount, answer_for(GOOD, received), EXPECTED)


@pytest.mark.rule("V22")
def test_the_whole_balance_after_is_no_receipt():
    index = GOOD.message.account_keys.index(DESTINATION)
    answer = answer_for(GOOD)
    answer["meta"]["preTokenBalances"] = [balance(index, AMOUNT)]
    answer["meta"]["postTokenBalances"] = [balance(index, AMOUNT)]
    refused(errors.WrongReceivedAmount, answer, EXPECTED)


@pytest.mark.rule("V18")
def test_keys_from_lookup_tables_are_counted_after_the_static_ones_writable_first():
    answer = answer_for(GOOD)
    count = len(GOOD.message.account_keys)
    writable, readonly = a_key("loaded writable"), a_key("loaded readonly")
    answer["meta"]["loadedAddresses"] = {"writable": [str(writable)], "readonly": [str(readonly)]}
    answer["meta"]["postTokenBalances"] += [balance(count, 1), balance(count + 1, 2)]
    after = read(answer).after
    assert (after[writable].amount, after[readonly].amount) == (1, 2)
    assert after[DESTINATION].amount == BEFORE + AMOUNT


@given(st.integers(0, len(bytes(GOOD)) - 1), st.integers(1, 255), st.booleans())
def test_no_broken_transaction_breaks_the_reader_or_passes(position, change, cut):
    """Whatever a node hands out: it is unreadable or unverified, and nothing worse."""
    raw = bytearray(bytes(GOOD))
    raw[position] ^= change
    answer = answer_for(GOOD)
    answer["transaction"][0] = b64encode(raw[:position] if cut else raw).decode()
    customers_signature = range(65, 129)
    if position in customers_signature and not cut:
        verify_settled(read(answer), EXPECTED)
    else:
        with pytest.raises((errors.Unverified, ValueError, IndexError)):
            verify_settled(read(answer), EXPECTED)


def test_every_check_has_its_own_reason():
    kinds = {kind.reason for kind in errors.Unverified.__subclasses__()}
    assert len(kinds) == len(errors.Unverified.__subclasses__()) == len(CHECKS)


def test_the_sample_merchant_holds_the_sample_mint():
    assert EXPECTED.destination_owner == MERCHANT
    assert EXPECTED.mint == MINT
