"""Rent reclaim: what single-use accounts lock comes back once nothing issued for their order can land any more.

All of it goes to today's fee payer, which also pays for it. Accounts of a former one are emptied with its key.

A group is due when it is won, its payment is final, and the finalized height is past the greatest last valid block
height that was ever issued for it, plus a margin. A reclaim's signature is stored before it is sent, and from then on
its groups are taken: after a crash the stored transaction is sent again, until it landed or is dead.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from solders.pubkey import Pubkey

from app import metrics
from app.clusters import ClusterParts
from app.database import Connection
from app.logs import get_logger
from app.records import Fate, Reclaim, Row
from app.system import System
from chain.death import Candidate, Life, dead_signatures
from chain.errors import FeePayerUnavailable, NodeError
from chain.fees import transaction_fee
from chain.node import SignatureStatus
from chain.payment_transaction import SignedTransaction
from chain.programs import MAX_ACCOUNTS_PER_CALL, MAX_STATUSES_PER_CALL
from chain.reclaim import Locked, accounts_per_reclaim, may_reclaim, sign_reclaim
from chain.single_use import SingleUse
from chain.snapshot import ChainSnapshot

# A group whose reclaim failed so often needs a person.
FAILURES_MAX = 5
# Groups that one round looks at, the oldest first; a full round is followed by the next at once.
ROUND_MAX = 100

_DUE = """
SELECT g.id, i.updated_at AS final_at,
    (SELECT max(last_valid_block_height) FROM issued_transactions WHERE group_id = g.id) AS height,
    (SELECT count(*) FROM reclaimed_accounts a JOIN reclaims r ON r.id = a.reclaim_id
        WHERE a.group_id = g.id AND r.fate = 'failed') AS failures
FROM payment_groups g JOIN issued_transactions i ON i.signature = g.won_signature
WHERE g.cluster = $1 AND g.reclaimed_at IS NULL AND g.reclaim_id IS NULL
    AND i.final AND i.fate = 'landed' AND i.error IS NULL
    AND g.base = ANY($2) AND NOT EXISTS (SELECT FROM former_pins f WHERE f.group_id = g.id AND f.base <> ALL($2))
    AND ($3::bigint[] IS NULL OR g.id = ANY($3))
    AND (SELECT count(*) FROM reclaimed_accounts a JOIN reclaims r ON r.id = a.reclaim_id
        WHERE a.group_id = g.id AND r.fate = 'failed') < $5
ORDER BY g.id LIMIT $4
"""

# All that a group ever had: somebody else filled those that it left as occupied, but only we can empty them.
_ACCOUNTS = """
SELECT id AS group_id, version, base, seed, address FROM payment_groups WHERE id = ANY($1)
UNION ALL SELECT group_id, version, base, seed, address FROM former_pins WHERE group_id = ANY($1) ORDER BY 1, 2
"""

_INSERT = """
INSERT INTO reclaims (cluster, signature, blockhash_slot, last_valid_block_height, message, fee_lamports, fate, final,
    created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 'live', false, $7, $7) RETURNING *
"""


@dataclass(frozen=True)
class _Group:
    """A group that is due, and its accounts that still hold something, all of one base."""

    id: int
    base: str
    accounts: list[Locked]
    is_old: bool
    has_failed: bool


class Reclaimer:
    """Reclaims the rent of one cluster."""

    def __init__(self, system: System, parts: ClusterParts) -> None:
        self._system = system
        self._parts = parts

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with self._system.database.operational("reclaim"):
                try:
                    await self.follow()
                    await self.reclaim()
                except (NodeError, FeePayerUnavailable) as error:
                    get_logger().warning("reclaim_postponed", cluster=self._parts.cluster, problem=error.message)
            try:
                await asyncio.wait_for(stop.wait(), self._system.settings.reclaim_interval_seconds)
            except TimeoutError:
                continue

    async def reclaim(self) -> int:
        """Send a reclaim for each full batch that is due; returns how many were sent.

        Raises NodeError, FeePayerUnavailable.
        """
        sent = 0
        while True:
            groups, noted, is_full = await self._due_groups()
            sent_now = 0
            for batch in self._make_batches(groups):
                sent_now += await self._reclaim_batch(batch)
            sent += sent_now
            if not is_full or not (sent_now or noted):
                return sent

    async def _reclaim_batch(self, batch: Sequence[_Group]) -> bool:
        snapshot = await self._parts.snapshots.refresh()
        locked = [account for group in batch for account in group.accounts]
        keeper = self._parts.fee_payers.keeper(batch[0].base)
        assert keeper is not None
        signed = await sign_reclaim(self._parts.fee_payer, keeper, locked, snapshot.blockhash.hash)
        stored = await self._store(batch, signed, snapshot)
        if stored is None:
            return False
        await self._send(stored)
        return True

    async def follow(self) -> None:
        """Find out what became of the reclaims that are open, and send those again that nobody has seen.

        Raises NodeError.
        """
        async with self._system.database.acquire() as connection:
            rows = await connection.fetch(
                "SELECT * FROM reclaims WHERE cluster = $1 AND NOT final ORDER BY id LIMIT $2",
                self._parts.cluster,
                MAX_STATUSES_PER_CALL,
            )
        opened = [Reclaim.from_row(row) for row in rows]
        if not opened:
            return
        view = await self._parts.node.signature_statuses([reclaim.signature for reclaim in opened])
        missing = []
        for reclaim, status in zip(opened, view.statuses, strict=True):
            if status is None:
                missing.append(reclaim)
            else:
                await self._observe(reclaim, status)
        if missing:
            await self._follow_missing(missing)

    async def _follow_missing(self, missing: Sequence[Reclaim]) -> None:
        candidates = [Candidate(r.signature, r.last_valid_block_height, r.blockhash_slot) for r in missing]
        report = await dead_signatures(self._parts.node, candidates, self._system.settings.dead_margin_blocks)
        for reclaim in missing:
            verdict = report.verdicts[reclaim.signature]
            if verdict.status is not None:
                await self._observe(reclaim, verdict.status)
            elif verdict.life is Life.DEAD:
                await self._close(reclaim, Fate.dead, None)
            else:
                await self._send(reclaim)

    async def _observe(self, reclaim: Reclaim, status: SignatureStatus) -> None:
        if status.confirmation == "finalized":
            await self._close(reclaim, Fate.landed if status.error is None else Fate.failed, status)

    async def _close(self, reclaim: Reclaim, fate: Fate, status: SignatureStatus | None) -> None:
        """Its fate is final. Its groups are free again: the next round sees on the chain whether anything is left."""
        async with self._system.database.transaction() as connection:
            closed = await connection.fetchval(
                """
                UPDATE reclaims SET fate = $2, final = true, slot = $3, error = $4, updated_at = $5
                WHERE id = $1 AND NOT final RETURNING id
                """,
                reclaim.id,
                fate,
                status and status.slot,
                status and status.error,
                self._system.clock.now(),
            )
            if closed is None:
                return
            await connection.execute("UPDATE payment_groups SET reclaim_id = NULL WHERE reclaim_id = $1", reclaim.id)
        metrics.reclaims_total.labels(outcome=fate).inc()
        get_logger().info("reclaim_closed", signature=reclaim.signature, fate=fate)

    async def _due_groups(self) -> tuple[list[_Group], int, bool]:
        """Groups that hold something, how many were found to hold nothing, and whether there may be more."""
        finalized = await self._parts.node.epoch_info("finalized")
        async with self._system.database.acquire() as connection:
            due = await self._find_due(connection, finalized.block_height)
            rows = await connection.fetch(_ACCOUNTS, [row["id"] for row in due])
        addresses = [Pubkey.from_string(row["address"]) for row in rows]
        lamports: dict[Pubkey, int] = {}
        for start in range(0, len(addresses), MAX_ACCOUNTS_PER_CALL):
            part = addresses[start : start + MAX_ACCOUNTS_PER_CALL]
            view = await self._parts.node.accounts(part, "finalized")
            if view.slot < finalized.slot:
                # An answer from before the payment was final would say that there is nothing to fetch.
                return [], 0, False
            lamports |= {account.address: account.lamports for account in view.accounts if account is not None}
        locked: dict[int, list[Locked]] = {row["id"]: [] for row in due}
        for row, address in zip(rows, addresses, strict=True):
            if lamports.get(address):
                single_use = SingleUse(Pubkey.from_string(row["base"]), row["seed"], address)
                locked[row["group_id"]].append(Locked(single_use, lamports[address]))
        empty = [group_id for group_id, accounts in locked.items() if not accounts]
        await self._note_empty(empty)
        oldest = self._system.clock.now() - timedelta(seconds=self._system.settings.reclaim_patience_seconds)
        groups = [
            self._take(row["id"], locked[row["id"]], row["final_at"] <= oldest, row["failures"] > 0)
            for row in due
            if locked[row["id"]]
        ]
        return groups, len(empty), len(due) == ROUND_MAX

    def _take(self, group_id: int, locked: Sequence[Locked], is_old: bool, has_failed: bool) -> _Group:
        """No more accounts than one reclaim takes, and of one base; the rest is found in the next round."""
        base = locked[0].single_use.base
        accounts = [account for account in locked if account.single_use.base == base]
        most = accounts_per_reclaim(self._parts.fee_payer.address, base)
        return _Group(group_id, str(base), accounts[:most], is_old, has_failed)

    async def _find_due(
        self, connection: Connection, finalized_height: int, among: Sequence[int] | None = None
    ) -> list[Row]:
        rows = await connection.fetch(
            _DUE,
            self._parts.cluster,
            [str(key.address) for key in self._parts.fee_payers.at_hand],
            among,
            ROUND_MAX,
            FAILURES_MAX,
        )
        margin = self._system.settings.reclaim_margin_blocks
        return [row for row in rows if may_reclaim([row["height"]], finalized_height, margin)]

    async def _note_empty(self, groups: Sequence[int]) -> None:
        """The chain shows, at finalized, that these groups hold nothing more."""
        async with self._system.database.acquire() as connection:
            await connection.execute(
                "UPDATE payment_groups SET reclaimed_at = $2 WHERE id = ANY($1) AND reclaim_id IS NULL",
                groups,
                self._system.clock.now(),
            )

    async def _store(
        self, batch: Sequence[_Group], signed: SignedTransaction, snapshot: ChainSnapshot
    ) -> Reclaim | None:
        """Take the groups and store the transaction, or None when one of them is not due any more."""
        ids = sorted(group.id for group in batch)
        finalized = await self._parts.node.epoch_info("finalized")
        async with self._system.database.transaction() as connection:
            # Issuing holds the same lock, so nothing is issued for a group while it is looked at again.
            await connection.execute("SELECT FROM payment_groups WHERE id = ANY($1) ORDER BY id FOR UPDATE", ids)
            if len(await self._find_due(connection, finalized.block_height, ids)) < len(ids):
                return None
            row = await connection.fetchrow(
                _INSERT,
                self._parts.cluster,
                signed.signature,
                snapshot.blockhash.slot,
                snapshot.blockhash.last_valid_block_height,
                signed.wire,
                transaction_fee(signed.wire[0], 0, 0),
                self._system.clock.now(),
            )
            assert row is not None
            reclaim = Reclaim.from_row(row)
            accounts = [
                (reclaim.id, group.id, str(account.single_use.address), account.lamports)
                for group in batch
                for account in group.accounts
            ]
            await connection.executemany(
                "INSERT INTO reclaimed_accounts (reclaim_id, group_id, address, lamports) VALUES ($1, $2, $3, $4)",
                accounts,
            )
            await connection.execute("UPDATE payment_groups SET reclaim_id = $2 WHERE id = ANY($1)", ids, reclaim.id)
        get_logger().info("reclaim_stored", signature=reclaim.signature, accounts=len(accounts))
        return reclaim

    async def _send(self, reclaim: Reclaim) -> None:
        """Send it; should that fail, it is sent again when it is followed."""
        try:
            await self._parts.node.send_transaction(reclaim.message)
        except NodeError as error:
            get_logger().warning("reclaim_not_sent", signature=reclaim.signature, problem=error.message)

    def _make_batches(self, groups: Sequence[_Group]) -> list[list[_Group]]:
        """Full ones, and for each base one that is not full when something in it has waited long enough.

        A group whose reclaim failed goes alone: it shall not stop others.
        """
        batches = [[group] for group in groups if group.has_failed]
        for base in sorted({group.base for group in groups}):
            most = accounts_per_reclaim(self._parts.fee_payer.address, Pubkey.from_string(base))
            batch: list[_Group] = []
            room = most
            for group in (group for group in groups if group.base == base and not group.has_failed):
                if len(group.accounts) > room:
                    batches.append(batch)
                    batch, room = [], most
                batch.append(group)
                room -= len(group.accounts)
            if batch and (room == 0 or any(group.is_old for group in batch)):
                batches.append(batch)
        return batches
