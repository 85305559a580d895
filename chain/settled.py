"""A transaction read back from the chain, with everything resolved that its indexes point to."""

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

import msgspec
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from chain import wire

_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction."""

    program: Pubkey
    accounts: tuple[Pubkey, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class TokenBalance:
    """What a token account held; `owner` is the wallet, `program` the token program, `amount` in base units."""

    mint: Pubkey
    owner: Pubkey
    program: Pubkey
    amount: int


@dataclass(frozen=True, slots=True)
class SettledTransaction:
    """`keys` are the static ones, then those loaded from lookup tables: writable, then read-only.

    `message` is what the signatures cover. `before` and `after` are token balances by token account.
    """

    slot: int
    error: str | None
    signatures: tuple[Signature, ...]
    message: bytes
    is_legacy: bool
    required_signatures: int
    keys: tuple[Pubkey, ...]
    steps: tuple[Step, ...]
    before: dict[Pubkey, TokenBalance]
    after: dict[Pubkey, TokenBalance]


def read_error(err: Any) -> str | None:
    """The chain's error as compact JSON, or None for success. Raises ValueError when the node does not say."""
    if err is msgspec.UNSET:
        raise ValueError("no err field")
    return None if err is None else json.dumps(err, separators=(",", ":"), sort_keys=True)


def read_settled(answer: wire.Transaction) -> SettledTransaction:
    """Resolve a getTransaction answer (base64). Raises ValueError or IndexError for one that does not fit together."""
    text, encoding = answer.transaction
    if encoding != "base64":
        raise ValueError(f"encoding {encoding}")
    raw = b64decode(text, validate=True)
    transaction = VersionedTransaction.from_bytes(raw)
    signatures = tuple(transaction.signatures)
    message = transaction.message
    loaded = answer.meta.loaded_addresses or wire.LoadedAddresses([], [])
    keys = (*message.account_keys, *map(Pubkey.from_string, (*loaded.writable, *loaded.readonly)))
    return SettledTransaction(
        slot=answer.slot,
        error=read_error(answer.meta.err),
        signatures=signatures,
        # The count before the signatures takes one byte: no packet has room for 128 of them.
        message=raw[1 + _SIGNATURE_BYTES * len(signatures) :],
        is_legacy=isinstance(message, Message),
        required_signatures=message.header.num_required_signatures,
        keys=keys,
        steps=tuple(
            Step(keys[step.program_id_index], tuple(keys[index] for index in step.accounts), bytes(step.data))
            for step in message.instructions
        ),
        before=_balances(answer.meta.pre_token_balances, keys),
        after=_balances(answer.meta.post_token_balances, keys),
    )


def _balances(balances: list[wire.TokenBalance], keys: tuple[Pubkey, ...]) -> dict[Pubkey, TokenBalance]:
    resolved: dict[Pubkey, TokenBalance] = {}
    for balance in balances:
        account = keys[balance.account_index]
        if account in resolved:
            raise ValueError(f"two balances of {account}")
        amount = balance.ui_token_amount.amount
        if not (amount.isascii() and amount.isdecimal()):
            raise ValueError(f"amount {amount}")
        resolved[account] = TokenBalance(
            mint=Pubkey.from_string(balance.mint),
            owner=Pubkey.from_string(balance.owner),
            program=Pubkey.from_string(balance.program_id),
            amount=int(amount),
        )
    return resolved
