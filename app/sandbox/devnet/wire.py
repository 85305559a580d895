"""Transactions as they come over the wire: decoding, account keys, lookup tables, fees, memos."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from solders.account import Account
from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.message import Message, MessageV0, from_bytes_versioned, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from app.sandbox.devnet.base58 import BadBase58, b58decode
from app.sandbox.devnet.errors import Refused, RpcError, invalid_params

AnyMessage = Message | MessageV0

MAX_BYTES = 1232
LAMPORTS_PER_SIGNATURE = 5000
LOOKUP_TABLE_PROGRAM = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
SYSTEM_PROGRAM = Pubkey.from_string("11111111111111111111111111111111")
MEMO_PROGRAMS = frozenset(
    {
        Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"),
        Pubkey.from_string("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo"),
    }
)
_LOOKUP_TABLE_HEADER = 56
_ADVANCE_NONCE = b"\x04\x00\x00\x00"
_BUILTINS = frozenset({SYSTEM_PROGRAM, COMPUTE_BUDGET, LOOKUP_TABLE_PROGRAM})


@dataclass(frozen=True)
class Keys:
    """All account keys of a transaction in the order in which instructions and balances count them."""

    static: tuple[Pubkey, ...]
    loaded_writable: tuple[Pubkey, ...]
    loaded_readonly: tuple[Pubkey, ...]
    writable: frozenset[int]

    @property
    def all(self) -> tuple[Pubkey, ...]:
        return self.static + self.loaded_writable + self.loaded_readonly


def decode_transaction(encoded: str, encoding: str) -> VersionedTransaction:
    """The transaction of a `sendTransaction`. Raises RpcError as a node does."""
    raw = decode_bytes(encoded, encoding)
    if len(raw) > MAX_BYTES:
        raise invalid_params(f"{encoding} encoded transaction too large: {len(raw)} bytes (max: {MAX_BYTES} bytes)")
    try:
        tx = VersionedTransaction.from_bytes(raw)
        tx.sanitize()
    except Exception as error:
        raise invalid_params(f"failed to deserialize transaction: {error}") from error
    if not isinstance(tx.message, AnyMessage):
        raise invalid_params("failed to deserialize transaction: unsupported message version")
    if bytes(tx) != raw:
        raise invalid_params("failed to deserialize transaction: trailing or non-canonical bytes")
    return tx


def decode_message(encoded: str) -> AnyMessage:
    """The message of a `getFeeForMessage`. Raises RpcError."""
    raw = decode_bytes(encoded, "base64")
    try:
        message = from_bytes_versioned(raw)
    except Exception as error:
        raise invalid_params(f"failed to deserialize message: {error}") from error
    if not isinstance(message, AnyMessage):
        raise invalid_params("failed to deserialize message: unsupported message version")
    return message


def decode_bytes(encoded: str, encoding: str) -> bytes:
    """Bytes from base58 or base64. Raises RpcError."""
    try:
        if encoding == "base64":
            return base64.b64decode(encoded, validate=True)
        if encoding == "base58":
            return b58decode(encoded)
    except (binascii.Error, BadBase58, ValueError) as error:
        raise invalid_params(f"invalid {encoding} encoding: {error}") from error
    raise RpcError(-32602, f"unsupported encoding: {encoding}. Supported encodings: base58, base64")


def message_of(tx: VersionedTransaction) -> AnyMessage:
    """The message of a transaction. Raises Refused when its version is above 0."""
    if not isinstance(tx.message, AnyMessage):
        raise Refused("UnsupportedVersion")
    return tx.message


def message_hash(message: AnyMessage) -> bytes:
    """What the status cache of a validator knows a transaction by."""
    return hashlib.sha256(to_bytes_versioned(message)).digest()


def resolve_keys(message: AnyMessage, read: Callable[[Pubkey], Account | None]) -> Keys:
    """The keys of a message, lookup tables read. Raises Refused when a table cannot serve."""
    static = tuple(message.account_keys)
    header = message.header
    signed, unsigned_writable_end = header.num_required_signatures, len(static) - header.num_readonly_unsigned_accounts
    writable = {
        index
        for index in range(len(static))
        if index < signed - header.num_readonly_signed_accounts or signed <= index < unsigned_writable_end
    }
    loaded_writable: list[Pubkey] = []
    loaded_readonly: list[Pubkey] = []
    if isinstance(message, MessageV0):
        for lookup in message.address_table_lookups:
            addresses = _table_addresses(read(lookup.account_key))
            loaded_writable += _pick(addresses, lookup.writable_indexes)
            loaded_readonly += _pick(addresses, lookup.readonly_indexes)
    writable |= {len(static) + index for index in range(len(loaded_writable))}
    return Keys(static, tuple(loaded_writable), tuple(loaded_readonly), frozenset(writable))


def _table_addresses(table: Account | None) -> list[Pubkey]:
    if table is None:
        raise Refused("AddressLookupTableNotFound")
    if table.owner != LOOKUP_TABLE_PROGRAM:
        raise Refused("InvalidAddressLookupTableOwner")
    data = bytes(table.data)[_LOOKUP_TABLE_HEADER:]
    return [Pubkey(data[at : at + 32]) for at in range(0, len(data) - 31, 32)]


def _pick(addresses: list[Pubkey], indexes: bytes) -> list[Pubkey]:
    try:
        return [addresses[index] for index in indexes]
    except IndexError as error:
        raise Refused("InvalidAddressLookupTableIndex") from error


def nonce_account(message: AnyMessage) -> Pubkey | None:
    """The durable nonce account that the first instruction advances, if it does."""
    keys = message.account_keys
    first = message.instructions[0] if message.instructions else None
    if first is None or keys[first.program_id_index] != SYSTEM_PROGRAM or bytes(first.data[:4]) != _ADVANCE_NONCE:
        return None
    accounts = bytes(first.accounts)
    return keys[accounts[0]] if accounts and accounts[0] < len(keys) else None


def fee(message: AnyMessage) -> int:
    """What the fee payer pays in lamports: per signature, and the priority fee of the compute budget."""
    keys = message.account_keys
    limit: int | None = None
    price = default_limit = 0
    for instruction in message.instructions:
        program, data = keys[instruction.program_id_index], bytes(instruction.data)
        default_limit += 3_000 if program in _BUILTINS else 200_000
        if program == COMPUTE_BUDGET and data[:1] == b"\x02":
            limit = int.from_bytes(data[1:5], "little")
        elif program == COMPUTE_BUDGET and data[:1] == b"\x03":
            price = int.from_bytes(data[1:9], "little")
    units = min(default_limit if limit is None else limit, 1_400_000)
    return LAMPORTS_PER_SIGNATURE * message.header.num_required_signatures + -(-price * units // 1_000_000)


def memo(message: AnyMessage) -> str | None:
    """All memos of a transaction as `getSignaturesForAddress` shows them: `[length] text`, joined by `; `."""
    keys = message.account_keys
    found = [bytes(ix.data) for ix in message.instructions if keys[ix.program_id_index] in MEMO_PROGRAMS]
    return "; ".join(f"[{len(data)}] {data.decode(errors='replace')}" for data in found) or None


def is_signed(tx: VersionedTransaction) -> bool:
    """Whether every required signature is there and right."""
    return Signature.default() not in tx.signatures and all(tx.verify_with_results())
