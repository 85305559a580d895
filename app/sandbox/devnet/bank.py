"""The bank: accounts, and the real programs that change them, executed by LiteSVM.

LiteSVM knows neither time nor blocks: its own checks of blockhashes and duplicates are off, the cluster does them. What
LiteSVM lacks is added here: balances before and after, the state to go back to, the advance of a durable nonce by a
transaction that failed.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

from solders.account import Account
from solders.hash import Hash
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, InnerInstruction, TransactionMetadata

from app.sandbox.devnet.base58 import b58encode
from app.sandbox.devnet.errors import Refused, TransactionError
from app.sandbox.devnet.tokens import TOKEN_PROGRAMS, read_mint, read_token_account, ui_amount
from app.sandbox.devnet.wire import (
    LOOKUP_TABLE_PROGRAM,
    SYSTEM_PROGRAM,
    AnyMessage,
    Keys,
    message_of,
    nonce_account,
    resolve_keys,
)

SLOT_HASHES = 512
# Version and state of a nonce account whose nonce is set, and where the nonce stands.
_NONCE_BYTES, _NONCE_AT, _NONCE_READY = 80, 40, b"\x01\0\0\0\x01\0\0\0"


@dataclass(frozen=True)
class Execution:
    """What executing a transaction did. `meta` is the `meta` member of getTransaction's answer, in `json` encoding."""

    keys: Keys
    err: TransactionError | None
    meta: dict[str, Any]
    before: dict[Pubkey, Account | None]

    @property
    def logs(self) -> list[str]:
        logs: list[str] = self.meta["logMessages"]
        return logs


@dataclass(frozen=True)
class Simulation:
    """What executing a transaction would do; `accounts` holds the writable ones afterwards."""

    err: TransactionError | None
    meta: dict[str, Any]
    accounts: dict[Pubkey, Account]


class Bank:
    """The newest state of all accounts."""

    def __init__(self) -> None:
        self._svm = LiteSVM().with_blockhash_check(False).with_transaction_history(0)
        self._slot = 0
        self._unfolded_slot = 0
        # LiteSVM's own blockhashes, from which nonces are made, begin alike in every process.
        for _ in range(secrets.randbelow(256)):
            self._svm.expire_blockhash()

    def read(self, address: Pubkey) -> Account | None:
        """An account as it is now."""
        return self._svm.get_account(address)

    def put(self, address: Pubkey, account: Account | None) -> None:
        """Set an account, or remove it."""
        self._svm.set_account(address, account or Account(0, b"", SYSTEM_PROGRAM))

    def rent(self, size: int) -> int:
        """The lamports that free an account of this many bytes from rent."""
        return self._svm.minimum_balance_for_rent_exemption(size)

    def set_time(self, slot: int, epoch: int, unix_timestamp: int) -> None:
        """Tell the programs the time."""
        clock = self._svm.get_clock()
        clock.slot, clock.epoch, clock.leader_schedule_epoch = slot, epoch, epoch + 1
        clock.unix_timestamp = unix_timestamp
        self._svm.set_clock(clock)
        self._slot = slot

    def keys(self, tx: VersionedTransaction) -> Keys:
        """The account keys of a transaction. Raises Refused for a lookup table that cannot serve."""
        return resolve_keys(message_of(tx), self.read)

    def execute(self, tx: VersionedTransaction) -> Execution:
        """Execute a transaction with complete signatures. A failed one has paid its fee. Raises Refused."""
        keys = self.keys(tx)
        self._unfold_slot(keys)
        every = keys.all
        before = {every[index]: self.read(every[index]) for index in sorted(keys.writable)}
        balances, tokens = self._balances(keys)
        result = self._svm.send_transaction(tx)
        err, done = (_error(result), result.meta()) if isinstance(result, FailedTransactionMetadata) else (None, result)
        if err is not None and done.signature() == Signature.default():
            raise Refused(err)
        if err is not None:
            self._advance_nonce(message_of(tx))
        meta = _meta(keys, err, done)
        after, tokens_after = self._balances(keys)
        meta |= {
            "preBalances": balances,
            "postBalances": after,
            "preTokenBalances": tokens,
            "postTokenBalances": tokens_after,
        }
        return Execution(keys, err, meta, before)

    def simulate(self, tx: VersionedTransaction) -> Simulation:
        """What executing would do, whether or not the signatures are there. Raises Refused."""
        keys = self.keys(tx)
        self._unfold_slot(keys)
        self._svm.with_sigverify(False)
        try:
            result = self._svm.simulate_transaction(tx)
        finally:
            self._svm.with_sigverify(True)
        if isinstance(result, FailedTransactionMetadata):
            err = _error(result)
            return Simulation(err, _meta(keys, err, result.meta()), {})
        return Simulation(None, _meta(keys, None, result.meta()), dict(result.post_accounts()))

    def nonce_matches(self, message: AnyMessage) -> bool:
        """Whether the transaction stands on a durable nonce account that holds its blockhash."""
        address = nonce_account(message)
        account = self.read(address) if address else None
        if account is None or account.owner != SYSTEM_PROGRAM or len(account.data) != _NONCE_BYTES:
            return False
        data = bytes(account.data)
        return data.startswith(_NONCE_READY) and Hash(data[_NONCE_AT : _NONCE_AT + 32]) == message.recent_blockhash

    def _advance_nonce(self, message: AnyMessage) -> None:
        """On a real cluster a nonce is used up also by a transaction that fails."""
        if not self.nonce_matches(message):
            return
        address = nonce_account(message)
        account = self.read(address) if address else None
        if address is None or account is None:
            return
        data = bytes(account.data)
        fresh = hashlib.sha256(b"DURABLE_NONCE" + secrets.token_bytes(32)).digest()
        data = data[:_NONCE_AT] + fresh + data[_NONCE_AT + 32 :]
        self.put(address, Account(account.lamports, data, account.owner))

    def _unfold_slot(self, keys: Keys) -> None:
        """Once per slot in which something executes: another blockhash for nonces, slot hashes for lookup tables."""
        if self._unfolded_slot != self._slot:
            self._unfolded_slot = self._slot
            self._svm.expire_blockhash()
        if LOOKUP_TABLE_PROGRAM in keys.static:
            recent = range(self._slot - 1, self._slot - 1 - SLOT_HASHES, -1)
            self._svm.set_slot_hashes([(slot, Hash(slot.to_bytes(32, "little"))) for slot in recent])

    def _balances(self, keys: Keys) -> tuple[list[int], list[dict[str, Any]]]:
        lamports: list[int] = []
        tokens: list[dict[str, Any]] = []
        for index, address in enumerate(keys.all):
            account = self.read(address)
            lamports.append(account.lamports if account else 0)
            if account is None or account.owner not in TOKEN_PROGRAMS:
                continue
            held = read_token_account(account)
            mint = read_mint(self.read(held.mint)) if held else None
            if held and mint:
                tokens.append(
                    {
                        "accountIndex": index,
                        "mint": str(held.mint),
                        "owner": str(held.owner),
                        "programId": str(held.program),
                        "uiTokenAmount": ui_amount(held.amount, mint.decimals),
                    }
                )
        return lamports, tokens


def _error(result: FailedTransactionMetadata) -> TransactionError:
    err: TransactionError = json.loads(result.to_json())["err"]
    return err


def _meta(keys: Keys, err: TransactionError | None, result: TransactionMetadata) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "err": err,
        "status": {"Ok": None} if err is None else {"Err": err},
        "fee": result.fee(),
        "innerInstructions": [
            {"index": index, "instructions": [_inner(one) for one in group]}
            for index, group in enumerate(result.inner_instructions())
            if group
        ],
        "logMessages": result.logs(),
        "rewards": [],
        "loadedAddresses": {
            "writable": [str(key) for key in keys.loaded_writable],
            "readonly": [str(key) for key in keys.loaded_readonly],
        },
        "computeUnitsConsumed": result.compute_units_consumed(),
    }
    returned = result.return_data()
    if returned.data:
        data = base64.b64encode(bytes(returned.data)).decode()
        meta["returnData"] = {"programId": str(returned.program_id), "data": [data, "base64"]}
    return meta


def _inner(one: InnerInstruction) -> dict[str, Any]:
    instruction = one.instruction()
    return {
        "programIdIndex": instruction.program_id_index,
        "accounts": list(bytes(instruction.accounts)),
        "data": b58encode(bytes(instruction.data)),
        "stackHeight": one.stack_height(),
    }
