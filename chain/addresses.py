"""Addresses: reading a wallet's, deriving its token account, and refusing those that must not pay."""

from collections.abc import Collection

from solders.pubkey import Pubkey
from solders.signature import Signature

from chain.errors import InvalidAddress, MerchantWallet, OffCurveAddress, OwnAddress, Refused
from chain.programs import ASSOCIATED_TOKEN_PROGRAM, TOKEN_PROGRAM

_TOKEN_PROGRAM_SEED = bytes(TOKEN_PROGRAM)


def parse_wallet(text: str) -> Pubkey:
    """The wallet with this base58 address.

    Raises InvalidAddress for anything that is not 32 bytes in base58, OffCurveAddress for an address without a key.
    """
    try:
        wallet = Pubkey.from_string(text)
    except ValueError:
        raise InvalidAddress from None
    if not wallet.is_on_curve():
        raise OffCurveAddress
    return wallet


def is_address(text: str) -> bool:
    """Whether this is an address of any kind: 32 bytes in base58."""
    try:
        Pubkey.from_string(text)
    except ValueError:
        return False
    return True


def is_signature(text: str) -> bool:
    """Whether this is a signature, the id of a transaction: 64 bytes in base58."""
    try:
        Signature.from_string(text)
    except ValueError:
        return False
    return True


def token_account(wallet: Pubkey, mint: Pubkey) -> Pubkey:
    """The wallet's associated token account for a mint of the classic Token program."""
    address, _ = Pubkey.find_program_address(
        [bytes(wallet), _TOKEN_PROGRAM_SEED, bytes(mint)], ASSOCIATED_TOKEN_PROGRAM
    )
    return address


def check_wallet(
    wallet: Pubkey, *, own: Collection[Pubkey], payee: Pubkey, same: type[Refused] = MerchantWallet
) -> None:
    """Refuse a wallet that must not pay.

    `own`: every fee payer and base of today and of the past, and the payment's single-use address. With one of them as
    the customer, our own signature would be the only one needed. Who pays himself lands a transaction that moves
    nothing: `same` says so. Raises OwnAddress, or `same`.
    """
    if wallet in own:
        raise OwnAddress
    if wallet == payee:
        raise same
