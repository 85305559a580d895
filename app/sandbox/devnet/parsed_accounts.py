"""Account data in the `jsonParsed` form: token accounts, mints, nonces and lookup tables. Anything else stays bytes."""

from collections.abc import Callable
from typing import Any

from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey

from app.sandbox.devnet.tokens import TOKEN_PROGRAM, Mint, TokenAccount, read_mint, read_token_account, ui_amount
from app.sandbox.devnet.wire import LOOKUP_TABLE_PROGRAM, SYSTEM_PROGRAM

Read = Callable[[Pubkey], Account | None]

_NONCE_BYTES = 80
_EXTENSIONS = {
    1: "transferFeeConfig",
    2: "transferFeeAmount",
    3: "mintCloseAuthority",
    4: "confidentialTransferMint",
    5: "confidentialTransferAccount",
    6: "defaultAccountState",
    7: "immutableOwner",
    8: "memoTransfer",
    9: "nonTransferable",
    10: "interestBearingConfig",
    11: "cpiGuard",
    12: "permanentDelegate",
    13: "nonTransferableAccount",
    14: "transferHook",
    15: "transferHookAccount",
    18: "metadataPointer",
    19: "tokenMetadata",
    26: "pausableConfig",
}


def parse_account(account: Account, read: Read) -> dict[str, Any] | None:
    """The parsed `data` of an account, or None when there is no parser for it."""
    parsed: tuple[str, dict[str, Any]] | None = None
    program = "spl-token" if account.owner == TOKEN_PROGRAM else "spl-token-2022"
    if token := read_token_account(account):
        mint = read_mint(read(token.mint))
        parsed = None if mint is None else ("account", _token_account(token, mint.decimals))
    elif mint := read_mint(account):
        parsed = ("mint", _mint(mint))
    elif account.owner == LOOKUP_TABLE_PROGRAM:
        program, parsed = "address-lookup-table", _lookup_table(bytes(account.data))
    elif account.owner == SYSTEM_PROGRAM and len(account.data) == _NONCE_BYTES:
        program, parsed = "nonce", _nonce(bytes(account.data))
    if parsed is None:
        return None
    kind, info = parsed
    if program == "spl-token-2022" and (extensions := _extensions(bytes(account.data))):
        info["extensions"] = extensions
    return {"program": program, "parsed": {"info": info, "type": kind}, "space": len(account.data)}


def _token_account(token: TokenAccount, decimals: int) -> dict[str, Any]:
    info: dict[str, Any] = {
        "isNative": token.native_reserve is not None,
        "mint": str(token.mint),
        "owner": str(token.owner),
        "state": token.state,
        "tokenAmount": ui_amount(token.amount, decimals),
    }
    if token.delegate is not None:
        info["delegate"] = str(token.delegate)
        info["delegatedAmount"] = ui_amount(token.delegated_amount, decimals)
    if token.native_reserve is not None:
        info["rentExemptReserve"] = ui_amount(token.native_reserve, decimals)
    if token.close_authority is not None:
        info["closeAuthority"] = str(token.close_authority)
    return info


def _mint(mint: Mint) -> dict[str, Any]:
    return {
        "decimals": mint.decimals,
        "freezeAuthority": str(mint.freeze_authority) if mint.freeze_authority else None,
        "isInitialized": True,
        "mintAuthority": str(mint.mint_authority) if mint.mint_authority else None,
        "supply": str(mint.supply),
    }


def _extensions(data: bytes) -> list[dict[str, Any]]:
    """The extensions of a Token-2022 account by name; their state is left out."""
    found: list[dict[str, Any]] = []
    at = 166
    while at + 4 <= len(data):
        kind, size = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 4], "little")
        if kind == 0:
            break
        found.append({"extension": _EXTENSIONS.get(kind, "unparseableExtension")})
        at += 4 + size
    return found


def _lookup_table(data: bytes) -> tuple[str, dict[str, Any]] | None:
    if len(data) < 56 or data[:4] != b"\x01\0\0\0":
        return None
    info: dict[str, Any] = {
        "deactivationSlot": str(int.from_bytes(data[4:12], "little")),
        "lastExtendedSlot": str(int.from_bytes(data[12:20], "little")),
        "lastExtendedSlotStartIndex": data[20],
        "addresses": [str(Pubkey(data[at : at + 32])) for at in range(56, len(data) - 31, 32)],
    }
    if data[21] == 1:
        info["authority"] = str(Pubkey(data[22:54]))
    return "lookupTable", info


def _nonce(data: bytes) -> tuple[str, dict[str, Any]] | None:
    if data[4:8] != b"\x01\0\0\0":
        return None
    info = {
        "authority": str(Pubkey(data[8:40])),
        "blockhash": str(Hash(data[40:72])),
        "feeCalculator": {"lamportsPerSignature": str(int.from_bytes(data[72:80], "little"))},
    }
    return "initialized", info
