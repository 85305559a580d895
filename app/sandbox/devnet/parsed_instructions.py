"""Instructions in the `jsonParsed` form: System, Token, Associated Token Account, Memo; others partly decoded."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from app.sandbox.devnet.base58 import b58encode
from app.sandbox.devnet.tokens import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, ui_amount
from app.sandbox.devnet.wire import MEMO_PROGRAMS, SYSTEM_PROGRAM

Parsed = tuple[str, dict[str, Any]]

_ASSOCIATED = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
_TOKENS = {str(TOKEN_PROGRAM): "spl-token", str(TOKEN_2022_PROGRAM): "spl-token-2022"}
_MEMOS = {str(program) for program in MEMO_PROGRAMS}


class _Reader:
    """Instruction data, read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def key(self) -> str:
        return b58encode(self.take(32))

    def text(self) -> str:
        return self.take(self.number(8)).decode()

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise ValueError("instruction data ends too early")
        self._at += size
        return self._data[self._at - size : self._at]


def parse_instruction(
    keys: list[str], program_index: int, accounts: Sequence[int], data: bytes, stack_height: int | None
) -> dict[str, Any]:
    """One instruction, parsed when its program and its bytes are known."""
    program = keys[program_index]
    named = [keys[index] for index in accounts]
    try:
        parsed = _parse(program, named, data)
    except (ValueError, IndexError, struct.error, UnicodeDecodeError):
        parsed = None
    if parsed is None:
        return {"programId": program, "accounts": named, "data": b58encode(data), "stackHeight": stack_height}
    name, content = parsed
    return {"program": name, "programId": program, "parsed": content, "stackHeight": stack_height}


def _parse(program: str, accounts: list[str], data: bytes) -> tuple[str, Any] | None:
    found: Parsed | None
    if program in _MEMOS:
        return "spl-memo", data.decode()
    if program == str(SYSTEM_PROGRAM):
        name, found = "system", _system(accounts, _Reader(data))
    elif program in _TOKENS:
        name, found = _TOKENS[program], _token(accounts, _Reader(data))
    elif program == _ASSOCIATED:
        name, found = "spl-associated-token-account", _associated(accounts, data)
    else:
        return None
    return (name, {"type": found[0], "info": found[1]}) if found else None


def _system(a: list[str], read: _Reader) -> Parsed | None:
    parse = _SYSTEM.get(read.number(4))
    return parse(a, read) if parse else None


def _create_account(a: list[str], read: _Reader) -> Parsed:
    sizes = {"lamports": read.number(8), "space": read.number(8)}
    return "createAccount", {"source": a[0], "newAccount": a[1], **sizes, "owner": read.key()}


def _assign(a: list[str], read: _Reader) -> Parsed:
    return "assign", {"account": a[0], "owner": read.key()}


def _transfer(a: list[str], read: _Reader) -> Parsed:
    return "transfer", {"source": a[0], "destination": a[1], "lamports": read.number(8)}


def _create_account_with_seed(a: list[str], read: _Reader) -> Parsed:
    info: dict[str, Any] = {"source": a[0], "newAccount": a[1], "base": read.key(), "seed": read.text()}
    info |= {"lamports": read.number(8), "space": read.number(8), "owner": read.key()}
    return "createAccountWithSeed", info


def _advance_nonce(a: list[str], _: _Reader) -> Parsed:
    return "advanceNonce", {"nonceAccount": a[0], "recentBlockhashesSysvar": a[1], "nonceAuthority": a[2]}


def _withdraw_nonce(a: list[str], read: _Reader) -> Parsed:
    info: dict[str, Any] = {"nonceAccount": a[0], "destination": a[1], "recentBlockhashesSysvar": a[2]}
    info |= {"rentSysvar": a[3], "nonceAuthority": a[4], "lamports": read.number(8)}
    return "withdrawFromNonce", info


def _initialize_nonce(a: list[str], read: _Reader) -> Parsed:
    info = {"nonceAccount": a[0], "recentBlockhashesSysvar": a[1], "rentSysvar": a[2], "nonceAuthority": read.key()}
    return "initializeNonce", info


def _allocate(a: list[str], read: _Reader) -> Parsed:
    return "allocate", {"account": a[0], "space": read.number(8)}


def _transfer_with_seed(a: list[str], read: _Reader) -> Parsed:
    info: dict[str, Any] = {"source": a[0], "sourceBase": a[1], "destination": a[2], "lamports": read.number(8)}
    return "transferWithSeed", info | {"sourceSeed": read.text(), "sourceOwner": read.key()}


_SYSTEM: dict[int, Callable[[list[str], _Reader], Parsed]] = {
    0: _create_account,
    1: _assign,
    2: _transfer,
    3: _create_account_with_seed,
    4: _advance_nonce,
    5: _withdraw_nonce,
    6: _initialize_nonce,
    8: _allocate,
    11: _transfer_with_seed,
}


def _authority(a: list[str], at: int, name: str) -> dict[str, Any]:
    """Whoever signs. More accounts after it are taken for the signers of a multisig, references too, as a node does."""
    if len(a) > at + 1:
        return {f"multisig{name[0].upper()}{name[1:]}": a[at], "signers": a[at + 1 :]}
    return {name: a[at]}


def _checked(read: _Reader) -> dict[str, object]:
    return ui_amount(read.number(8), read.number(1))


def _token(a: list[str], read: _Reader) -> Parsed | None:
    kind = read.number(1)
    if kind in _MOVES:
        name, roles, who = _MOVES[kind]
        info: dict[str, Any] = dict(zip(roles, a, strict=False))
        return name, info | {"amount": str(read.number(8))} | _authority(a, len(roles), who)
    if kind in _CHECKED_MOVES:
        name, roles, who = _CHECKED_MOVES[kind]
        info = dict(zip(roles, a, strict=False))
        return name, info | {"tokenAmount": _checked(read)} | _authority(a, len(roles), who)
    if kind in _PLAIN:
        name, roles, signer = _PLAIN[kind]
        return name, dict(zip(roles, a, strict=False)) | (_authority(a, len(roles), signer) if signer else {})
    if kind in {16, 18}:
        name = "initializeAccount2" if kind == 16 else "initializeAccount3"
        return name, {"account": a[0], "mint": a[1], "owner": read.key()}
    if kind in {0, 20}:
        name = "initializeMint" if kind == 0 else "initializeMint2"
        info = {"mint": a[0], "decimals": read.number(1), "mintAuthority": read.key()}
        return name, info | ({"freezeAuthority": read.key()} if read.number(1) else {})
    return None


# Kind -> name, the accounts before the signer, the signer's name.
_MOVES: dict[int, tuple[str, tuple[str, ...], str]] = {
    3: ("transfer", ("source", "destination"), "authority"),
    4: ("approve", ("source", "delegate"), "owner"),
    7: ("mintTo", ("mint", "account"), "mintAuthority"),
    8: ("burn", ("account", "mint"), "authority"),
}
_CHECKED_MOVES: dict[int, tuple[str, tuple[str, ...], str]] = {
    12: ("transferChecked", ("source", "mint", "destination"), "authority"),
    13: ("approveChecked", ("source", "mint", "delegate"), "owner"),
    14: ("mintToChecked", ("mint", "account"), "mintAuthority"),
    15: ("burnChecked", ("account", "mint"), "authority"),
}
_PLAIN: dict[int, tuple[str, tuple[str, ...], str | None]] = {
    1: ("initializeAccount", ("account", "mint", "owner", "rentSysvar"), None),
    5: ("revoke", ("source",), "owner"),
    9: ("closeAccount", ("account", "destination"), "owner"),
    10: ("freezeAccount", ("account", "mint"), "freezeAuthority"),
    11: ("thawAccount", ("account", "mint"), "freezeAuthority"),
    17: ("syncNative", ("account",), None),
    22: ("initializeImmutableOwner", ("account",), None),
}


def _associated(a: list[str], data: bytes) -> Parsed | None:
    names = {b"": "create", b"\x00": "create", b"\x01": "createIdempotent"}
    if data not in names:
        return None
    roles = ("source", "account", "wallet", "mint", "systemProgram", "tokenProgram")
    return names[data], dict(zip(roles, a, strict=False))
