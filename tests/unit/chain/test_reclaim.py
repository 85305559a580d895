"""Reclaims and moves, as messages: who signs, where it all goes, and what is refused."""

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import decode_transfer, decode_transfer_with_seed
from solders.transaction import Transaction

from chain.fee_payer import KeyFileFeePayer
from chain.funds import sign_move
from chain.payment_transaction import SignedTransaction
from chain.programs import SYSTEM_PROGRAM
from chain.reclaim import (
    ACCOUNTS_PER_FORMER_RECLAIM,
    ACCOUNTS_PER_RECLAIM,
    Locked,
    accounts_per_reclaim,
    build_reclaim,
    may_reclaim,
    sign_reclaim,
)
from chain.single_use import SingleUse

PACKET_BYTES = 1_232
TODAY, FORMER = (KeyFileFeePayer(Keypair.from_seed(bytes([number]) * 32)) for number in (1, 2))
BLOCKHASH = Hash.default()


def accounts(base: KeyFileFeePayer, count: int) -> list[Locked]:
    """Seeds are as long as ours are: 22 characters."""
    return [Locked(SingleUse.derive(base.address, f"seed-{number:017}"), 890_880 + number) for number in range(count)]


def read(signed: SignedTransaction) -> Transaction:
    """The transaction, whose signatures are all there and fit."""
    transaction = Transaction.from_bytes(signed.wire)
    transaction.verify()
    assert str(transaction.signatures[0]) == signed.signature
    return transaction


def signers(transaction: Transaction) -> list[Pubkey]:
    return transaction.message.account_keys[: transaction.message.header.num_required_signatures]


@pytest.mark.rule("R03")
@pytest.mark.parametrize(
    ("base", "most", "expected"),
    [(TODAY, ACCOUNTS_PER_RECLAIM, [TODAY]), (FORMER, ACCOUNTS_PER_FORMER_RECLAIM, [TODAY, FORMER])],
)
async def test_a_full_reclaim_moves_all_to_todays_fee_payer_and_fits_into_a_packet(base, most, expected):
    assert accounts_per_reclaim(TODAY.address, base.address) == most
    locked = accounts(base, most)
    signed = await sign_reclaim(TODAY, base, locked, BLOCKHASH)
    transaction = read(signed)
    assert signers(transaction) == [key.address for key in expected]
    assert transaction.message.recent_blockhash == BLOCKHASH
    # One more would not fit.
    assert PACKET_BYTES - 120 < len(signed.wire) <= PACKET_BYTES
    moves = [decode_transfer_with_seed(_instruction(transaction, number)) for number in range(most)]
    for account, move in zip(locked, moves, strict=True):
        assert move == {
            "from_pubkey": account.single_use.address,
            "from_base": base.address,
            "from_seed": account.single_use.seed,
            "from_owner": SYSTEM_PROGRAM,
            "to_pubkey": TODAY.address,
            "lamports": account.lamports,
        }


def _instruction(transaction: Transaction, number: int) -> Instruction:
    """One of its instructions, as it was before it was compiled."""
    message = transaction.message
    compiled = message.instructions[number]
    keys = message.account_keys
    metas = [AccountMeta(keys[index], message.is_signer(index), is_writable=False) for index in compiled.accounts]
    return Instruction(keys[compiled.program_id_index], compiled.data, metas)


@pytest.mark.rule("R03")
@pytest.mark.parametrize(
    ("locked", "problem"),
    [
        ([], "one base, not of 0"),
        (accounts(TODAY, 1) + accounts(FORMER, 1), "one base, not of 2"),
        (accounts(TODAY, ACCOUNTS_PER_RECLAIM + 1), "1 to 9 accounts"),
        (accounts(FORMER, ACCOUNTS_PER_FORMER_RECLAIM + 1), "1 to 8 accounts"),
        ([Locked(accounts(TODAY, 1)[0].single_use, 0)], "is empty"),
        ([Locked(accounts(TODAY, 1)[0].single_use, -1)], "is empty"),
    ],
)
def test_what_is_no_reclaim_is_not_built(locked, problem):
    with pytest.raises(ValueError, match=problem):
        build_reclaim(TODAY.address, locked, BLOCKHASH)


async def test_one_lamport_is_taken_and_another_base_is_not_signed_for():
    single_use = accounts(TODAY, 1)[0].single_use
    read(await sign_reclaim(TODAY, TODAY, [Locked(single_use, 1)], BLOCKHASH))
    with pytest.raises(ValueError, match="not the base of all"):
        await sign_reclaim(TODAY, FORMER, accounts(TODAY, 1), BLOCKHASH)


@pytest.mark.rule("R01")
@pytest.mark.parametrize(("height", "allowed"), [(362, False), (363, True)])
def test_the_greatest_height_counts_with_the_margin(height, allowed):
    assert may_reclaim([100, 330, 200], height, 32) is allowed


async def test_a_move_leaves_nothing_behind_but_its_own_fee():
    transaction = read(await sign_move(FORMER, TODAY.address, 5_001, BLOCKHASH))
    assert signers(transaction) == [FORMER.address]
    assert len(transaction.message.instructions) == 1
    move = decode_transfer(_instruction(transaction, 0))
    assert move == {"from_pubkey": FORMER.address, "to_pubkey": TODAY.address, "lamports": 1}
    with pytest.raises(ValueError, match="5000 lamports"):
        await sign_move(FORMER, TODAY.address, 5_000, BLOCKHASH)
