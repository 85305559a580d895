"""Webhooks in any order, any number of times and hours late lead to the same final state as in order and in time."""

import dataclasses
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from app.coherence import check_records
from app.jobs.worker import Worker
from app.records import Cluster
from app.sandbox.helius_formats import enhanced_item, raw_item
from app.sandbox.wallet.signing import parse_transaction, sign
from app.settings import Settings
from app.system import System
from app.watching import helius
from app.watching.watcher import Watcher
from tests.box import Box, open_box_in, open_world, settings_in
from tests.conftest import Scale, Server
from tests.integration.watching.test_each_alone import fetch, only, pay
from tests.waiting import wait_until

HOURS = 6 * 3_600
_STATE = """
SELECT p.id, p.status, p.exception, p.paid_signature, p.paid_wallet, p.stuck_reason, g.winner_id,
    ARRAY(SELECT (i.signature, i.fate, i.final, i.error)::text FROM issued_transactions i
        WHERE i.payment_id = p.id ORDER BY i.signature) AS issued,
    ARRAY(SELECT e.to_status FROM events e WHERE e.record = 'payment' AND e.record_id = p.id
        AND e.to_status IS NOT NULL ORDER BY e.id) AS history
FROM payments p JOIN payment_groups g ON g.id = p.group_id ORDER BY p.id
"""


async def hand_out(box: Box, checkout: dict[str, Any]) -> tuple[str, str]:
    """A wallet, and a transaction handed out to it."""
    wallet = await box.wallet("1000")
    answer = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
    assert answer.status_code == 200, answer.text
    return wallet, answer.json()["transaction"]


async def make_payments(box: Box) -> list[bytes]:
    """Of every kind: paid, paid above the threshold, the loser of a race on the chain, its order's winner, and dying.

    Returns the bodies of their webhooks, one transaction each, in the order of the chain.
    """
    await pay(box, await box.checkout())
    await pay(box, await box.checkout("250.00"))
    await fetch(box, await box.checkout())
    rivals = [await box.checkout(group="one-order") for _ in range(2)]
    handed = [await hand_out(box, rival) for rival in rivals]
    for wallet, transaction in handed:
        # Without preflight, which would keep back the one that fails.
        key = box.world._wallets._keys.key(wallet)
        assert key is not None
        box.world._devnets["live"].cluster.submit(sign(parse_transaction(transaction), key))
    fee_payer = str(box.house.system.clusters[Cluster.live].fee_payer.address)
    foreign = await box.world._devnets["live"].airdrop(fee_payer, 1)
    rows = await box.house.rows("SELECT signature FROM issued_transactions")
    bodies = bodies_of(box, [*(row["signature"] for row in rows), foreign])
    # Four of ours landed, of which one failed, and one was never sent.
    assert len(bodies) == 5
    # Confirmed, so that they are as Helius tells of them.
    await box.advance(1)
    return bodies


def bodies_of(box: Box, signatures: Sequence[str]) -> list[bytes]:
    """What Helius tells of these, one each, in the order of the chain; every second one enhanced."""
    ledger = box.world._devnets["live"].cluster.ledger
    entries = sorted(filter(None, map(ledger.entry, signatures)), key=lambda entry: entry.sequence)
    return [
        msgspec.json.encode([(enhanced_item if number % 2 else raw_item)(entry)])
        for number, entry in enumerate(entries)
    ]


class Copy:
    """The business on a database of its own, driven by hand: webhooks come when the test says so."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._worker = Worker(system)
        self._watcher = Watcher(system, system.clusters[Cluster.live])

    async def deliver(self, body: bytes) -> None:
        await helius.receive(self.system, Cluster.live, body)

    async def work(self) -> None:
        await self._worker.drain()
        await self._watcher.poll()
        await self._watcher.finish()

    async def settle(self) -> None:
        """Work until nothing can change any more."""

        async def is_settled() -> bool:
            await self.work()
            async with self.system.database.acquire() as connection:
                left: int = await connection.fetchval(
                    """SELECT (SELECT count(*) FROM issued_transactions WHERE NOT final)
                        + (SELECT count(*) FROM jobs WHERE status IN ('waiting', 'running'))"""
                )
            return left == 0

        await wait_until(is_settled, 60, "all is settled")

    async def state(self) -> list[tuple[Any, ...]]:
        async with self.system.database.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(_STATE)]


@asynccontextmanager
async def copied(admin: asyncpg.Connection, settings: Settings, base: str, name: str) -> AsyncIterator[Copy]:
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {base} STRATEGY file_copy")
    system = await System.open(dataclasses.replace(settings, database_url=settings.database_url.replace(base, name)))
    try:
        copy = Copy(system)
        yield copy
        assert [violation async for violation in check_records(system)] == []
    finally:
        await system.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_doubled_shuffled_and_late_webhooks_change_nothing_in_the_end(
    postgres: Server, database_url: str, tmp_path: Path, scale: Scale
) -> None:
    first = random.randrange(10**9)
    seeds = range(first, first + scale.pick(10, 1_000))
    print(f"seeds {seeds.start} to {seeds.stop - 1}")
    base = database_url.partition("@/")[2].partition("?")[0]
    admin = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        async with open_world(tmp_path) as (world, outside):
            async with open_box_in(world, outside, database_url, worker=False, **only("webhook")) as box:
                bodies = await make_payments(box)
            # From here on nobody is connected to the database, so it can be copied; the world goes on.
            settings = settings_in(world, database_url, **only("webhook"))
            async with copied(admin, settings, base, f"{base}_in_order") as copy:
                for body in bodies:
                    await copy.deliver(body)
                    await copy.work()
                await box.advance(HOURS)
                await copy.settle()
                expected = await copy.state()
            assert sorted(row[1] for row in expected) == ["completed"] * 3 + ["pending", "superseded"]
            for seed in seeds:
                async with copied(admin, settings, base, f"{base}_shuffled") as copy:
                    await play(copy, bodies, random.Random(seed))
                    assert await copy.state() == expected, f"seed {seed}"
    finally:
        await admin.close()


async def play(copy: Copy, bodies: Sequence[bytes], chance: random.Random) -> None:
    """Everything hours late, one to three times each, in any order, and work done now and then in between."""
    deliveries = [body for body in bodies for _ in range(chance.randint(1, 3))]
    chance.shuffle(deliveries)
    for body in deliveries:
        await copy.deliver(body)
        if chance.random() < 0.4:
            await copy.work()
    await copy.settle()
