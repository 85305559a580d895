"""The cluster: bank, ledger and blockhashes under one passing of slots, with finality.

A transaction executes in the slot in which it arrives. Its entry stays `unrooted` until its slot is finalized; till
then the cluster can still drop it, as a fork does: everything after it is undone, and executed again without it.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from app.sandbox.clock import VirtualClock
from app.sandbox.devnet.bank import Bank, Execution
from app.sandbox.devnet.blockhashes import KEPT, Blockhashes
from app.sandbox.devnet.commitment import FIRST_SLOT, LEVELS, SLOTS_PER_EPOCH, Commitment, View
from app.sandbox.devnet.errors import Refused
from app.sandbox.devnet.ledger import Entry, Ledger
from app.sandbox.devnet.wire import is_signed, message_hash, message_of

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Who is told what happens."""

    def landed(self, landing: "Landing") -> None: ...

    def advanced(self, parent: int, slot: int, old_root: int, root: int) -> None: ...


@dataclass(frozen=True)
class Landing:
    """A transaction that is not final yet, and the commitment it has reached.

    `addresses`: all it names; `written`: those it changed; `before`: what it may have changed, as it was; None after a
    restart, and then it cannot vanish any more.
    """

    entry: Entry
    addresses: frozenset[str]
    written: frozenset[str]
    before: dict[Pubkey, Account | None] | None
    level: Commitment = "processed"


class Cluster:
    """One cluster's whole state. Everything is synchronous: each call is one step that nothing interrupts."""

    def __init__(self, path: Path, clock: VirtualClock, *, finality_slots: int, confirmed_slots: int) -> None:
        self._clock = clock
        self._finality_slots = finality_slots
        self._confirmed_slots = confirmed_slots
        self.ledger = Ledger(path)
        self.bank = Bank()
        self.watchers: list[Watcher] = []
        # Switches of the outside: whether finality stands still, and which transaction vanishes now.
        self.is_finality_held: Callable[[], bool] = lambda: False
        self.pick_vanishing: Callable[[list[Landing], View], Landing | None] = lambda _, __: None
        if self.ledger.fact("slot") is None:
            self._begin()
        for address, account in self.ledger.accounts():
            self.bank.put(address, account)
        self.genesis_hash = self.ledger.fact("genesis_hash") or ""
        self.slot = int(self.ledger.fact("slot") or FIRST_SLOT)
        self.root = int(self.ledger.fact("root") or FIRST_SLOT)
        self.blockhashes = Blockhashes(self.ledger.blockhashes())
        self._unrooted = [self._reload(entry) for entry in self.ledger.entries_after(self.root)]
        self.ledger.add_time(self.slot, self.unix_time())
        self._set_bank_time()

    def _begin(self) -> None:
        slot = FIRST_SLOT + KEPT
        fresh = Blockhashes({}).extend(FIRST_SLOT, slot)
        with self.ledger.commit():
            self.ledger.add_blockhashes(fresh, 0)
            genesis = str(Hash(secrets.token_bytes(32)))
            self.ledger.remember(genesis_hash=genesis, slot=slot, root=slot - self._finality_slots)

    def _reload(self, entry: Entry) -> Landing:
        keys = self.bank.keys(entry.transaction)
        written = frozenset(str(keys.all[index]) for index in keys.writable)
        return Landing(entry, frozenset(map(str, keys.all)), written, None, self.view.level(entry.slot) or "processed")

    @property
    def view(self) -> View:
        """The newest slots of the cluster, as a healthy node sees them."""
        return View(self.slot, max(self.root, self.slot - self._confirmed_slots), self.root)

    def unix_time(self) -> int:
        return int(self._clock.now().timestamp())

    def block_time(self, slot: int, slot_ms: int) -> int:
        """Unix seconds of a slot, estimated from the nearest one before it that is known."""
        known = self.ledger.time(slot)
        return known[1] + (slot - known[0]) * slot_ms // 1000 if known else self.unix_time()

    def check(self, tx: VersionedTransaction, *, slot: int | None = None, blockhash: bool = True) -> None:
        """What every validator asks first: is the blockhash alive at that slot, is it new? Raises Refused."""
        message = message_of(tx)
        at = self.slot if slot is None else slot
        if (
            blockhash
            and not self.blockhashes.is_valid(str(message.recent_blockhash), at)
            and not self.bank.nonce_matches(message)
        ):
            raise Refused("BlockhashNotFound")
        if self.ledger.has_message(message_hash(message)):
            raise Refused("AlreadyProcessed")

    def submit(self, tx: VersionedTransaction, *, ours: bool = False) -> Entry:
        """Execute a transaction in this slot and record it. Raises Refused when no block would take it."""
        if not is_signed(tx):
            raise Refused("SignatureFailure")
        self.check(tx)
        landing = self._execute(tx, self.slot, self.unix_time(), ours=ours)
        self._tell(landing)
        return landing.entry

    def _execute(self, tx: VersionedTransaction, slot: int, block_time: int, *, ours: bool) -> Landing:
        execution = self.bank.execute(tx)
        meta, wire = execution.meta, bytes(tx)
        entry = Entry(0, str(tx.signatures[0]), slot, block_time, execution.err, wire, meta, ours)
        addresses = frozenset(map(str, execution.keys.all))
        with self.ledger.commit():
            entry = self.ledger.add(entry, message_hash(message_of(tx)), addresses)
            written = self._store_changes(execution)
        landing = Landing(entry, addresses, written, execution.before)
        self._unrooted.append(landing)
        return landing

    def _store_changes(self, execution: Execution) -> frozenset[str]:
        after = {address: self.bank.read(address) for address in execution.before}
        changed = {address: account for address, account in after.items() if account != execution.before[address]}
        for address, account in changed.items():
            self.ledger.put_account(address, account)
        return frozenset(map(str, changed))

    def put_account(self, address: Pubkey, account: Account) -> None:
        """Set an account without a transaction: only for what is there from the beginning."""
        self.bank.put(address, account)
        self.ledger.put_account(address, account)

    def advance_slots(self, slots: int) -> None:
        """Let this many slots pass. What is not final yet goes through every slot, so that nothing is skipped over."""
        singly = min(slots, self._finality_slots + self._confirmed_slots + 1) if self._unrooted else 0
        for _ in range(singly):
            self._produce(1)
        if slots > singly:
            self._produce(slots - singly)

    def _produce(self, slots: int) -> None:
        parent, old_root = self.slot, self.root
        fresh = self.blockhashes.extend(parent + 1, parent + slots)
        self.slot = parent + slots
        if not self.is_finality_held():
            self.root = max(self.root, self.slot - self._finality_slots)
        with self.ledger.commit():
            self.ledger.add_blockhashes(fresh, self.slot - KEPT)
            self.ledger.remember(slot=self.slot, root=self.root)
            if slots > 1:
                self.ledger.add_time(self.slot, self.unix_time())
        self._set_bank_time()
        vanishing = self.pick_vanishing(self._unrooted, self.view)
        if vanishing is not None:
            self._drop(vanishing)
        self._promote()
        for watcher in self.watchers:
            watcher.advanced(parent, self.slot, old_root, self.root)

    def _set_bank_time(self) -> None:
        self.bank.set_time(self.slot, self.slot // SLOTS_PER_EPOCH, self.unix_time())

    def _promote(self) -> None:
        kept: list[Landing] = []
        for landing in self._unrooted:
            moved, reached = landing, self.view.level(landing.entry.slot) or "processed"
            for level in LEVELS[LEVELS.index(landing.level) + 1 : LEVELS.index(reached) + 1]:
                moved = replace(moved, level=level)
                self._tell(moved)
            if reached != "finalized":
                kept.append(moved)
        self._unrooted = kept

    def _tell(self, landing: Landing) -> None:
        for watcher in self.watchers:
            watcher.landed(landing)

    def _drop(self, gone: Landing) -> None:
        """Switch to a fork on which this transaction never was."""
        at = self._unrooted.index(gone)
        undone = self._unrooted[at:]
        del self._unrooted[at:]
        with self.ledger.commit():
            for one in reversed(undone):
                self.ledger.forget(one.entry)
                for address, account in (one.before or {}).items():
                    self.bank.put(address, account)
                    self.ledger.put_account(address, account)
        log.warning("transaction %s vanished from slot %s", gone.entry.signature, gone.entry.slot)
        for one in undone[1:]:
            entry = one.entry
            try:
                again = self._execute(entry.transaction, entry.slot, entry.block_time, ours=entry.ours)
            except Refused as refused:
                log.warning("transaction %s is not on the new fork: %s", entry.signature, refused)
                continue
            self._unrooted[-1] = replace(again, level=one.level)
