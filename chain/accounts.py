"""Accounts as a node shows them, and the token accounts in them."""

import msgspec
from solders.pubkey import Pubkey

from chain.programs import (
    MINT_DECIMALS_OFFSET,
    MINT_INITIALIZED_OFFSET,
    MINT_SIZE,
    TOKEN_ACCOUNT_FROZEN,
    TOKEN_ACCOUNT_SIZE,
    TOKEN_ACCOUNT_STATE_OFFSET,
)


class Account(msgspec.Struct, frozen=True):
    """`owner` is the program that may change it."""

    address: Pubkey
    lamports: int
    owner: Pubkey
    data: bytes


class AccountsView(msgspec.Struct, frozen=True):
    """Accounts at one slot, in the order in which they were asked for; None where there is none."""

    slot: int
    accounts: list[Account | None]


class TokenAccount(msgspec.Struct, frozen=True):
    """What a token account of the classic Token program says; `amount` in base units."""

    mint: Pubkey
    owner: Pubkey
    amount: int
    state: int

    @property
    def is_frozen(self) -> bool:
        return self.state == TOKEN_ACCOUNT_FROZEN


def read_token_account(data: bytes) -> TokenAccount | None:
    """The token account in an account's data, or None when it holds none (another size, or not initialized)."""
    if len(data) != TOKEN_ACCOUNT_SIZE or data[TOKEN_ACCOUNT_STATE_OFFSET] == 0:
        return None
    return TokenAccount(
        mint=Pubkey(data[:32]),
        owner=Pubkey(data[32:64]),
        amount=int.from_bytes(data[64:72], "little"),
        state=data[TOKEN_ACCOUNT_STATE_OFFSET],
    )


def read_mint_decimals(data: bytes) -> int | None:
    """The decimals of the mint in an account's data, or None when it holds none."""
    if len(data) != MINT_SIZE or data[MINT_INITIALIZED_OFFSET] != 1:
        return None
    return data[MINT_DECIMALS_OFFSET]
