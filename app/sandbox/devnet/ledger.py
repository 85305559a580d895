"""The ledger: what survives the process. Slots, blockhashes, accounts, and the history of every executed transaction.

One SQLite file per cluster. Each transaction is one commit together with the accounts it changed, each slot another.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from app.sandbox.devnet.errors import TransactionError
from app.sandbox.devnet.tokens import read_token_account

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blockhashes (slot INTEGER PRIMARY KEY, blockhash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS times (slot INTEGER PRIMARY KEY, unix INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
    address TEXT PRIMARY KEY, lamports INTEGER NOT NULL, owner BLOB NOT NULL, data BLOB NOT NULL,
    token_owner TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS token_owners ON accounts (token_owner) WHERE token_owner IS NOT NULL;
CREATE TABLE IF NOT EXISTS transactions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, signature TEXT NOT NULL UNIQUE, slot INTEGER NOT NULL,
    block_time INTEGER NOT NULL, err TEXT, wire BLOB NOT NULL, meta TEXT NOT NULL, message_hash BLOB NOT NULL,
    ours INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS transaction_slots ON transactions (slot);
CREATE INDEX IF NOT EXISTS message_hashes ON transactions (message_hash);
CREATE VIEW IF NOT EXISTS entries AS
    SELECT sequence, signature, slot, block_time, err, wire, meta, ours FROM transactions;
CREATE TABLE IF NOT EXISTS mentions (
    address TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (address, sequence)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Status:
    """Where a transaction landed and how it ended."""

    slot: int
    err: TransactionError | None


@dataclass(frozen=True)
class Entry:
    """An executed transaction. `ours`: the devnet sent it itself (airdrops, funding). Block time in unix seconds."""

    sequence: int
    signature: str
    slot: int
    block_time: int
    err: TransactionError | None
    wire: bytes
    meta: dict[str, Any]
    ours: bool

    @property
    def transaction(self) -> VersionedTransaction:
        return VersionedTransaction.from_bytes(self.wire)


class Ledger:
    """The file. All calls are quick and synchronous."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The faucet's key is in it.
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def commit(self) -> Iterator[None]:
        """All writes inside happen together or not at all."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def fact(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def remember(self, **facts: object) -> None:
        self._db.executemany("REPLACE INTO facts VALUES (?, ?)", [(name, str(value)) for name, value in facts.items()])

    def blockhashes(self) -> dict[int, str]:
        return dict(self._db.execute("SELECT slot, blockhash FROM blockhashes"))

    def add_blockhashes(self, fresh: dict[int, str], forget_up_to: int) -> None:
        self._db.executemany("REPLACE INTO blockhashes VALUES (?, ?)", fresh.items())
        self._db.execute("DELETE FROM blockhashes WHERE slot <= ?", (forget_up_to,))

    def add_time(self, slot: int, unix: int) -> None:
        self._db.execute("REPLACE INTO times VALUES (?, ?)", (slot, unix))

    def time(self, slot: int) -> tuple[int, int] | None:
        """The newest known (slot, unix seconds) not after this slot."""
        query = "SELECT slot, unix FROM times WHERE slot <= ? ORDER BY slot DESC LIMIT 1"
        row: tuple[int, int] | None = self._db.execute(query, (slot,)).fetchone()
        return row

    def accounts(self) -> Iterator[tuple[Pubkey, Account]]:
        for address, lamports, owner, data in self._db.execute("SELECT address, lamports, owner, data FROM accounts"):
            yield Pubkey.from_string(address), Account(lamports, data, Pubkey(owner))

    def put_account(self, address: Pubkey, account: Account | None) -> None:
        """Store an account, or forget it."""
        if account is None:
            self._db.execute("DELETE FROM accounts WHERE address = ?", (str(address),))
            return
        token = read_token_account(account)
        row = (
            str(address),
            account.lamports,
            bytes(account.owner),
            bytes(account.data),
            str(token.owner) if token else None,
        )
        self._db.execute("REPLACE INTO accounts VALUES (?, ?, ?, ?, ?)", row)

    def token_accounts(self, owner: Pubkey) -> list[Pubkey]:
        """The addresses of all token accounts of this owner."""
        query = "SELECT address FROM accounts WHERE token_owner = ? ORDER BY address"
        return [Pubkey.from_string(row[0]) for row in self._db.execute(query, (str(owner),))]

    def add(self, entry: Entry, message_hash: bytes, mentions: Iterable[str]) -> Entry:
        """Store an executed transaction; the entry with its place in the history."""
        err = None if entry.err is None else json.dumps(entry.err)
        row = (
            entry.signature,
            entry.slot,
            entry.block_time,
            err,
            entry.wire,
            json.dumps(entry.meta),
            message_hash,
            entry.ours,
        )
        cursor = self._db.execute(
            "INSERT INTO transactions (signature, slot, block_time, err, wire, meta, message_hash, ours)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        sequence = cursor.lastrowid or 0
        self._db.executemany("INSERT INTO mentions VALUES (?, ?)", [(one, sequence) for one in set(mentions)])
        return Entry(sequence, *_fields(entry))

    def forget(self, entry: Entry) -> None:
        """Take a transaction out of the history."""
        self._db.execute("DELETE FROM mentions WHERE sequence = ?", (entry.sequence,))
        self._db.execute("DELETE FROM transactions WHERE sequence = ?", (entry.sequence,))

    def status(self, signature: str) -> Status | None:
        row = self._db.execute("SELECT slot, err FROM transactions WHERE signature = ?", (signature,)).fetchone()
        return Status(row[0], json.loads(row[1]) if row[1] else None) if row else None

    def has_message(self, message_hash: bytes) -> bool:
        """Whether this very message was executed, whatever its signatures."""
        query = "SELECT 1 FROM transactions WHERE message_hash = ?"
        return self._db.execute(query, (message_hash,)).fetchone() is not None

    def entry(self, signature: str) -> Entry | None:
        row = self._db.execute("SELECT * FROM entries WHERE signature = ?", (signature,)).fetchone()
        return _entry(row) if row else None

    def entries_after(self, slot: int) -> list[Entry]:
        """All transactions of later slots, oldest first."""
        query = "SELECT * FROM entries WHERE slot > ? ORDER BY sequence"
        return [_entry(row) for row in self._db.execute(query, (slot,))]

    def history(
        self, address: str, *, before: int | None, after: int, newest_slot: int, oldest_slot: int, limit: int
    ) -> list[Entry]:
        """Transactions that name the address, newest first; `before` and `after` are sequences, exclusive."""
        query = (
            "SELECT entries.* FROM mentions JOIN entries USING (sequence) WHERE address = ?"
            " AND sequence < ? AND sequence > ? AND slot <= ? AND slot >= ? ORDER BY sequence DESC LIMIT ?"
        )
        bounds = (address, 2**62 if before is None else before, after, newest_slot, oldest_slot, limit)
        return [_entry(row) for row in self._db.execute(query, bounds)]

    def count(self, slot: int) -> int:
        """How many transactions were executed up to a slot; those that vanished count too, as they did happen."""
        query = "SELECT sequence FROM transactions WHERE slot <= ? ORDER BY slot DESC, sequence DESC LIMIT 1"
        row = self._db.execute(query, (slot,)).fetchone()
        return row[0] if row else 0


def _entry(row: tuple[Any, ...]) -> Entry:
    sequence, signature, slot, block_time, err, wire, meta, ours = row
    return Entry(
        sequence, signature, slot, block_time, json.loads(err) if err else None, wire, json.loads(meta), bool(ours)
    )


def _fields(entry: Entry) -> tuple[str, int, int, TransactionError | None, bytes, dict[str, Any], bool]:
    return entry.signature, entry.slot, entry.block_time, entry.err, entry.wire, entry.meta, entry.ours
