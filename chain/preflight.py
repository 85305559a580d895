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
    PayeeAccountFrozen,
    PayeeAccountUnusable,
    RefundAlreadyBeingPaid,
    Refused,
    TokenAccountFrozen,
    TokenAccountWrongMint,
    TokenAccountWrongOwner,
    TokenAccountWrongProgram,
    TooLittleSol,
    TooLittleUsdc,
)
from chain.programs import SOL_DECIMALS, TOKEN_PROGRAM


class Payee(msgspec.Struct, frozen=True):
    """How it is said that somebody can not be paid. `missing` None: an account that is not there can be opened."""

    already_being_paid: type[Refused]
    missing: type[Refused] | None
    wrong_program: type[Refused]
    wrong_mint: type[Refused]
    wrong_owner: type[Refused]
    frozen: type[Refused]


SHOP = Payee(
    OrderAlreadyBeingPaid,
    DestinationMissing,
    DestinationWrongProgram,
    DestinationWrongMint,
    DestinationWrongOwner,
    DestinationFrozen,
)
CUSTOMER = Payee(
    RefundAlreadyBeingPaid,
    None,
    PayeeAccountUnusable,
    PayeeAccountUnusable,
    PayeeAccountUnusable,
    PayeeAccountFrozen,
)


class Transfer(msgspec.Struct, frozen=True):
    """The transfer about to be issued. `payee_wallet` owns `destination`; `amount` in base units."""

    wallet: Pubkey
    source: Pubkey
    payee_wallet: Pubkey
    destination: Pubkey
    single_use: Pubkey
    mint: Pubkey
    decimals: int
    amount: int
    payee: Payee = SHOP


def addresses_of(transfer: Transfer) -> list[Pubkey]:
    """The accounts to ask a node for, in the order in which check_accounts takes them."""
    return [transfer.source, transfer.destination, transfer.single_use]


def check_accounts(transfer: Transfer, accounts: Sequence[Account | None]) -> bool:
    """Raise the Refused that says why this transfer can not land. True: the payee's token account must be opened first.

    The order's own state comes first, then the payee's account, then the payer's: nobody is sent to buy USDC for what
    can not be paid.
    """
    source, destination, single_use = accounts
    check_single_use(single_use, transfer.payee)
    must_open = check_destination(destination, transfer)
    check_source(source, transfer)
    return must_open


def check_single_use(account: Account | None, payee: Payee = SHOP) -> None:
    """Raises the payee's `already_being_paid` when the account exists. Existence refuses; it never proves a payment."""
    if account is not None:
        raise payee.already_being_paid


def check_destination(account: Account | None, transfer: Transfer) -> bool:
    """Raise the payee's error when its token account can not receive. True: there is none, but it can be opened."""
    payee = transfer.payee
    if account is None:
        if payee.missing is not None:
            raise payee.missing
        return True
    token = _read(account)
    if token is None:
        raise payee.wrong_program
    if token.mint != transfer.mint:
        raise payee.wrong_mint
    if token.owner != transfer.payee_wallet:
        raise payee.wrong_owner
    if token.is_frozen:
        raise payee.frozen
    return False


def check_sol(wallet: Account | None, account_rent: int, empty_rent: int) -> None:
    """Raises TooLittleSol when a wallet can not open a token account.

    `account_rent` is what the new account must hold, `empty_rent` what the wallet itself must keep, or nothing at all.
    In lamports.
    """
    there = 0 if wallet is None else wallet.lamports
    if there != account_rent and there < account_rent + empty_rent:
        raise TooLittleSol(
            needed=display_amount(account_rent + empty_rent, SOL_DECIMALS), there=display_amount(there, SOL_DECIMALS)
        )


def check_source(account: Account | None, transfer: Transfer) -> None:
    """Raises a TokenAccount... error, NoTokenAccount or TooLittleUsdc when the wallet's token account can not pay."""
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
