"""How accounts and transactions look in an answer: base58, base64, json and jsonParsed."""

import base64
from typing import Any

from solders.account import Account
from solders.message import MessageV0

from app.sandbox.devnet.base58 import b58decode, b58encode
from app.sandbox.devnet.errors import INVALID_REQUEST, UNSUPPORTED_TRANSACTION_VERSION, RpcError, invalid_params
from app.sandbox.devnet.ledger import Entry
from app.sandbox.devnet.params import Config
from app.sandbox.devnet.parsed_accounts import Read, parse_account
from app.sandbox.devnet.parsed_instructions import parse_instruction
from app.sandbox.devnet.wire import AnyMessage, message_of

# Accounts free of rent show this epoch.
NEVER = 2**64 - 1
_MAX_BASE58_BYTES = 128


def encode_account(account: Account, config: Config, read: Read, default: str = "binary") -> dict[str, Any]:
    """An account as getAccountInfo shows it. Raises RpcError."""
    encoding = config.text("encoding") or default
    data = bytes(account.data)
    shown: Any = None
    if encoding == "jsonParsed":
        shown = parse_account(account, read)
    if shown is None:
        shown = _encode_data(_slice(data, config), encoding)
    return {
        "lamports": account.lamports,
        "data": shown,
        "owner": str(account.owner),
        "executable": account.executable,
        "rentEpoch": NEVER,
        "space": len(data),
    }


def _slice(data: bytes, config: Config) -> bytes:
    part = config.config("dataSlice")
    if part is None:
        return data
    offset, length = part.integer("offset"), part.integer("length")
    if offset is None or length is None:
        raise invalid_params("Invalid params: missing field `offset` or `length`.")
    return data[offset : offset + length]


def _encode_data(data: bytes, encoding: str) -> str | list[str]:
    if encoding in ("base64", "jsonParsed"):
        return [base64.b64encode(data).decode(), "base64"]
    if encoding in ("base58", "binary"):
        if len(data) > _MAX_BASE58_BYTES:
            advice = "Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding."
            raise RpcError(INVALID_REQUEST, advice)
        return b58encode(data) if encoding == "binary" else [b58encode(data), "base58"]
    raise invalid_params(f"Invalid params: unsupported encoding `{encoding}`, expected base58, base64 or jsonParsed.")


def encode_entry(entry: Entry, encoding: str, max_version: int | None) -> dict[str, Any]:
    """A transaction as getTransaction shows it. Raises RpcError for a version that the caller does not know."""
    tx = entry.transaction
    message = message_of(tx)
    versioned = isinstance(message, MessageV0)
    if versioned and max_version is None:
        raise RpcError(
            UNSUPPORTED_TRANSACTION_VERSION,
            "Transaction version (0) is not supported by the requesting client. Please try the request again with the "
            'following configuration parameter: "maxSupportedTransactionVersion": 0',
        )
    meta = entry.meta
    shown: Any
    if encoding == "base64":
        shown = [base64.b64encode(entry.wire).decode(), "base64"]
    elif encoding == "base58":
        shown = [b58encode(entry.wire), "base58"]
    elif encoding == "binary":
        shown = b58encode(entry.wire)
    elif encoding in ("json", "jsonParsed"):
        is_parsed = encoding == "jsonParsed"
        body = _parsed_message(message, meta) if is_parsed else _plain_message(message)
        shown = {"signatures": [str(signature) for signature in tx.signatures], "message": body}
        if is_parsed:
            meta = _parsed_meta(message, meta)
    else:
        raise invalid_params(
            f"Invalid params: unknown variant `{encoding}`, expected json, jsonParsed, base58 or base64."
        )
    answer = {"slot": entry.slot, "blockTime": entry.block_time, "transaction": shown, "meta": meta}
    if max_version is not None:
        answer["version"] = 0 if versioned else "legacy"
    return answer


def _plain_message(message: AnyMessage) -> dict[str, Any]:
    header = message.header
    body: dict[str, Any] = {
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "accountKeys": [str(key) for key in message.account_keys],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programIdIndex": instruction.program_id_index,
                "accounts": list(bytes(instruction.accounts)),
                "data": b58encode(bytes(instruction.data)),
                "stackHeight": 1,
            }
            for instruction in message.instructions
        ],
    }
    if isinstance(message, MessageV0):
        body["addressTableLookups"] = _lookups(message)
    return body


def _lookups(message: MessageV0) -> list[dict[str, Any]]:
    return [
        {
            "accountKey": str(lookup.account_key),
            "writableIndexes": list(bytes(lookup.writable_indexes)),
            "readonlyIndexes": list(bytes(lookup.readonly_indexes)),
        }
        for lookup in message.address_table_lookups
    ]


def all_keys(message: AnyMessage, meta: dict[str, Any]) -> list[str]:
    """The account keys as instructions count them."""
    loaded: dict[str, list[str]] = meta["loadedAddresses"]
    return [str(key) for key in message.account_keys] + loaded["writable"] + loaded["readonly"]


def _parsed_message(message: AnyMessage, meta: dict[str, Any]) -> dict[str, Any]:
    header, keys = message.header, all_keys(message, meta)
    static, signed = len(message.account_keys), header.num_required_signatures
    loaded_writable = len(meta["loadedAddresses"]["writable"])

    def is_writable(index: int) -> bool:
        if index >= static:
            return index < static + loaded_writable
        end = signed - header.num_readonly_signed_accounts
        return index < end or signed <= index < static - header.num_readonly_unsigned_accounts

    body: dict[str, Any] = {
        "accountKeys": [
            {
                "pubkey": key,
                "signer": index < signed,
                "writable": is_writable(index),
                "source": "transaction" if index < static else "lookupTable",
            }
            for index, key in enumerate(keys)
        ],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            parse_instruction(keys, ix.program_id_index, bytes(ix.accounts), bytes(ix.data), 1)
            for ix in message.instructions
        ],
    }
    if isinstance(message, MessageV0):
        body["addressTableLookups"] = _lookups(message)
    return body


def _parsed_meta(message: AnyMessage, meta: dict[str, Any]) -> dict[str, Any]:
    keys = all_keys(message, meta)
    inner = [
        {"index": group["index"], "instructions": [_parsed_inner(keys, one) for one in group["instructions"]]}
        for group in meta["innerInstructions"]
    ]
    parsed = meta | {"innerInstructions": inner}
    del parsed["loadedAddresses"]
    return parsed


def _parsed_inner(keys: list[str], one: dict[str, Any]) -> dict[str, Any]:
    return parse_instruction(keys, one["programIdIndex"], one["accounts"], b58decode(one["data"]), one["stackHeight"])
