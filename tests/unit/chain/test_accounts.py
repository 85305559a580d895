"""A token account is read from exactly the bytes that hold it."""

import pytest

from chain.accounts import TokenAccount, read_mint_decimals, read_token_account
from chain.programs import MINT_DECIMALS_OFFSET, MINT_INITIALIZED_OFFSET, MINT_SIZE, TOKEN_ACCOUNT_SIZE
from chain.programs import TOKEN_ACCOUNT_STATE_OFFSET as STATE
from tests.unit.chain.samples import MERCHANT, MINT


@pytest.mark.parametrize("amount", [0, 1, 2**56, 2**64 - 1])
def test_an_amount_is_eight_bytes_and_what_follows_is_none_of_it(amount):
    data = bytearray(TOKEN_ACCOUNT_SIZE)
    data[:32], data[32:64], data[64:72] = bytes(MINT), bytes(MERCHANT), amount.to_bytes(8, "little")
    # That there is a delegate.
    data[72], data[STATE] = 1, 1
    assert read_token_account(bytes(data)) == TokenAccount(mint=MINT, owner=MERCHANT, amount=amount, state=1)


def test_a_mints_decimals_are_those_of_one_that_was_made():
    data = bytearray(MINT_SIZE)
    data[MINT_DECIMALS_OFFSET] = 6
    assert read_mint_decimals(bytes(data)) is None
    data[MINT_INITIALIZED_OFFSET] = 1
    assert read_mint_decimals(bytes(data)) == 6
    assert read_mint_decimals(bytes(data) + b"0") is None
