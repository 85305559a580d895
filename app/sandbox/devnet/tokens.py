"""Token accounts and mints: reading their bytes, and making the sandbox's USDC."""

from dataclasses import dataclass

from solders.account import Account
from solders.pubkey import Pubkey

TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKEN_PROGRAMS = frozenset({TOKEN_PROGRAM, TOKEN_2022_PROGRAM})
USDC_DECIMALS = 6

_ACCOUNT_BYTES = 165
_MINT_BYTES = 82
# Behind the base layout Token-2022 writes what kind of account its extensions belong to.
_MINT_KIND, _ACCOUNT_KIND = 1, 2
_STATES = {1: "initialized", 2: "frozen"}


@dataclass(frozen=True)
class TokenAccount:
    """A token account; `amount` in base units."""

    program: Pubkey
    mint: Pubkey
    owner: Pubkey
    amount: int
    state: str
    delegate: Pubkey | None
    delegated_amount: int
    native_reserve: int | None
    close_authority: Pubkey | None


@dataclass(frozen=True)
class Mint:
    """A mint; `supply` in base units."""

    program: Pubkey
    decimals: int
    supply: int
    mint_authority: Pubkey | None
    freeze_authority: Pubkey | None


def read_token_account(account: Account | None) -> TokenAccount | None:
    """The token account in these bytes, or None when they are something else."""
    if account is None or account.owner not in TOKEN_PROGRAMS:
        return None
    data = bytes(account.data)
    if not _is_kind(data, _ACCOUNT_BYTES, _ACCOUNT_KIND) or data[108] not in _STATES:
        return None
    is_native = _number(data, 109, 4) == 1
    return TokenAccount(
        program=account.owner,
        mint=Pubkey(data[0:32]),
        owner=Pubkey(data[32:64]),
        amount=_number(data, 64, 8),
        state=_STATES[data[108]],
        delegate=_optional_key(data, 72),
        delegated_amount=_number(data, 121, 8),
        native_reserve=_number(data, 113, 8) if is_native else None,
        close_authority=_optional_key(data, 129),
    )


def read_mint(account: Account | None) -> Mint | None:
    """The initialized mint in these bytes, or None when they are something else."""
    if account is None or account.owner not in TOKEN_PROGRAMS:
        return None
    data = bytes(account.data)
    if not _is_kind(data, _MINT_BYTES, _MINT_KIND) or data[45] != 1:
        return None
    return Mint(account.owner, data[44], _number(data, 36, 8), _optional_key(data, 0), _optional_key(data, 46))


def new_mint(authority: Pubkey, lamports: int) -> Account:
    """A classic mint of USDC's decimals without supply; `authority` may mint and freeze, as Circle may."""
    some = (1).to_bytes(4, "little") + bytes(authority)
    data = some + (0).to_bytes(8, "little") + bytes([USDC_DECIMALS, 1]) + some
    return Account(lamports, data, TOKEN_PROGRAM)


def ui_amount(amount: int, decimals: int) -> dict[str, object]:
    """A token amount as JSON-RPC shows it."""
    digits = str(amount).rjust(decimals + 1, "0")
    text = digits if decimals == 0 else f"{digits[:-decimals]}.{digits[-decimals:]}".rstrip("0").rstrip(".")
    return {"amount": str(amount), "decimals": decimals, "uiAmount": amount / 10**decimals, "uiAmountString": text}


def _is_kind(data: bytes, base: int, kind: int) -> bool:
    if len(data) == base:
        return True
    return len(data) > _ACCOUNT_BYTES and data[_ACCOUNT_BYTES] == kind


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _optional_key(data: bytes, at: int) -> Pubkey | None:
    return Pubkey(data[at + 4 : at + 36]) if _number(data, at, 4) == 1 else None
