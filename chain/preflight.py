"""What is looked at before a transaction is issued: could it land? Each reason not to is told kindly, and early."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from solders.pubkey import Pubkey

from chain.accounts import Account, TokenAccount, read_token_account
from chain.errors import (
    DestinationFrozen,
    DestinationMissing,
    DestinationWrongMint,
    DestinationWrongOwner,
    DestinationWrongProgram,
    NoTokenAccount,
    OrderAlreadyBeingPaid,
    TokenAccountFrozen,
    TokenAccountWrongMint,
    TokenAccountWrongOwner,
    TokenAccountWrongProgram,
    TooLittleUsdc,
)
from chain.programs import TOKEN_PROGRAM


class Transfer(msgspec.Struct, frozen=True):
    """The transfer about to be issued. `merchant` is the wallet that owns `destination`; `amount` in base units."""

    wallet: Pubkey
    source: Pubkey
    merchant: Pubkey
    destination: Pubkey
    single_use: Pubkey
    mint: Pubkey
    decimals: int
    amount: int


def addresses_of(transfer: Transfer) -> list[Pubkey]:
    """The accounts to ask a node for, in the order in which check_accounts takes them."""
    return [transfer.source, transfer.destination, transfer.single_use]


def check_accounts(transfer: Transfer, accounts: Sequence[Account | None]) -> None:
    """Raise the Refused that says why this transfer can not land.

    The order's own state comes first, then the shop's account, then the customer's: nobody is sent to buy USDC for an
    order that can not be paid.
    """
    source, destination, single_use = accounts
    check_single_use(single_use)
    check_destination(destination, transfer)
    check_source(source, transfer)


def check_single_use(account: Account | None) -> None:
    """Raises OrderAlreadyBeingPaid when the single-use account exists. Existence refuses; it never proves a payment."""
    if account is not None:
        raise OrderAlreadyBeingPaid


def check_destination(account: Account | None, transfer: Transfer) -> None:
    """Raises a Destination... error when the merchant's token account can not receive."""
    if account is None:
        raise DestinationMissing
    token = _read(account)
    if token is None:
        raise DestinationWrongProgram
    if token.mint != transfer.mint:
        raise DestinationWrongMint
    if token.owner != transfer.merchant:
        raise DestinationWrongOwner
    if token.is_frozen:
        raise DestinationFrozen


def check_source(account: Account | None, transfer: Transfer) -> None:
    """Raises a TokenAccount... error, NoTokenAccount or TooLittleUsdc when the customer's token account can not pay."""
    if account is None:
        raise NoTokenAccount(needed=display_amount(transfer.amount, transfer.decimals))
    token = _read(account)
    if token is None:
        raise TokenAccountWrongProgram
    if token.mint != transfer.mint:
        raise TokenAccountWrongMint
    if token.owner != transfer.wallet:
        raise TokenAccountWrongOwner
    if token.is_frozen:
        raise TokenAccountFrozen
    if token.amount < transfer.amount:
        raise TooLittleUsdc(
            needed=display_amount(transfer.amount, transfer.decimals),
            there=display_amount(token.amount, transfer.decimals),
        )


def display_amount(base_units: int, decimals: int) -> str:
    """Base units as people write them: at least two decimals, no more zeros than that."""
    digits = f"{Decimal(base_units).scaleb(-decimals):.{max(decimals, 2)}f}"
    whole, fraction = digits.split(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _read(account: Account) -> TokenAccount | None:
    return read_token_account(account.data) if account.owner == TOKEN_PROGRAM else None
