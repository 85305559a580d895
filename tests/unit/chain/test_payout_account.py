"""Who has signed for a payout wallet is read from what landed, and from nothing that a node says beside it."""

from base64 import b64encode

import pytest
from solders.compute_budget import set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey

from chain.errors import TransactionVersionUnsupported
from chain.payout_account import build_found_message, derive_reference, find_signer, find_signers, wire_of
from chain.programs import MEMO_PROGRAM
from tests.unit.chain.samples import CUSTOMER, MINT, Chain, answer_for, good_transaction, instructions_of, read

MEMO = "I show pay.example.com that this wallet is mine"
WALLET = CUSTOMER.pubkey()
REFERENCE = derive_reference("nonce")
BLOCKHASH = Hash.hash(b"recent")


def landed(message: bytes, signature: bytes, error: object = None):
    answer = answer_for(good_transaction())
    answer["transaction"] = [b64encode(wire_of(message, signature)).decode(), "base64"]
    answer["meta"] |= {"err": error, "preTokenBalances": [], "postTokenBalances": []}
    return read(answer)


def signed(message: bytes, key: Keypair = CUSTOMER, error: object = None):
    return landed(message, bytes(key.sign_message(message)), error)


def build(memo: str = MEMO) -> bytes:
    return build_found_message(WALLET, MINT, memo, REFERENCE, BLOCKHASH)


def test_who_signed_and_paid_is_found_by_the_memo():
    assert find_signer(signed(build()), MEMO) == WALLET


def test_a_wallet_may_add_instructions_and_take_another_blockhash():
    ours = instructions_of(Message.from_bytes(build()))
    message = Message.new_with_blockhash([set_compute_unit_price(5), *ours], WALLET, Hash.hash(b"newer"))
    assert find_signer(signed(bytes(message)), MEMO) == WALLET


@pytest.mark.parametrize("memo", ["", MEMO + " ", MEMO.upper(), MEMO[:-1]])
def test_another_memo_is_another_occasion(memo: str):
    assert find_signer(signed(build(memo)), MEMO) is None


def test_a_transaction_that_failed_shows_nothing():
    assert find_signer(signed(build(), error={"InstructionError": [1, "Custom"]}), MEMO) is None


def test_a_node_that_makes_a_signature_up_is_not_believed():
    assert find_signer(signed(build(), key=Keypair()), MEMO) is None
    assert find_signer(landed(build(), bytes(64)), MEMO) is None


def test_whose_key_only_stands_in_the_transaction_has_not_paid_for_it():
    stranger = Keypair()
    memo = Instruction(MEMO_PROGRAM, MEMO.encode(), [])
    mention = Instruction(Pubkey.default(), b"", [AccountMeta(WALLET, is_signer=False, is_writable=False)])
    message = bytes(Message.new_with_blockhash([memo, mention], stranger.pubkey(), BLOCKHASH))
    assert find_signer(signed(message, stranger), MEMO) == stranger.pubkey()


def test_nobody_needs_to_sign_but_the_wallet_and_nothing_of_its_leaves_it():
    message = Message.from_bytes(build())
    assert message.header.num_required_signatures == 1
    transfer = message.instructions[-1]
    assert bytes(transfer.data) == bytes([2, 0, 0, 0]) + bytes(8)
    assert [message.account_keys[index] for index in bytes(transfer.accounts)] == [WALLET, WALLET, REFERENCE]


OTHER = Keypair.from_seed(b"bystander".ljust(32))


def by(key: Keypair):
    return signed(build_found_message(key.pubkey(), MINT, MEMO, REFERENCE, BLOCKHASH), key)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], []),
        (["ours"], [WALLET]),
        (["ours", "ours again"], [WALLET]),
        (["other", "ours"], [OTHER.pubkey(), WALLET]),
        (["gone", "newer", "foreign", "ours"], [WALLET]),
        (["foreign"] * 4 + ["ours"], []),
    ],
    ids=str,
)
async def test_signers_are_found_once_each_the_first_one_first(history: list[str], expected: list[Pubkey]):
    transactions = {
        "ours": by(CUSTOMER),
        "ours again": by(CUSTOMER),
        "other": by(OTHER),
        "foreign": signed(build("something else")),
        "gone": None,
        "newer": TransactionVersionUnsupported(method="getTransaction"),
    }
    chain = Chain(REFERENCE, [(name, None) for name in history], transactions)
    assert await find_signers(chain, REFERENCE, MEMO, 4) == expected


async def test_what_failed_is_not_looked_at():
    chain = Chain(REFERENCE, [("failed", "{}")] * 9 + [("ours", None)], {"ours": by(CUSTOMER)})
    assert await find_signers(chain, REFERENCE, MEMO, 4) == [WALLET]
