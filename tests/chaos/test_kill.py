"""Killed with -9 at random moments while customers pay: in the end everything that landed is resolved, once.

The seed is printed; SETTLE_TEST_SEED repeats the same kills at the same moments.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.chaos.town import LEASE_SECONDS, NO_DATABASE, Town, link_of, open_town
from tests.conftest import Scale
from tests.sandbox_process import Program, run_settle
from tests.waiting import wait_until

CUSTOMERS = 4
# Between two kills: long enough that payments get through, short enough that most are hit.
PAUSE_SECONDS = (0.2, 2.0)
# What the programs log when they meet an error that they know nothing of.
BUGS = {"request_failed", "job_failed", "settle_failed"}
VICTIMS = ("serve", "worker", "both", "world", "all")


@dataclass
class Customer:
    """Buys one thing after the other. A wallet that gets no transaction, or no answer, tries again."""

    town: Town
    dice: random.Random
    bought: list[tuple[dict[str, Any], list[str]]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    async def buy(self) -> None:
        checkout = await self._insist(self._open)
        # Now and then somebody else scans the same code.
        wallets = [await self._insist(self._make_wallet) for _ in range(self.dice.choice((1, 1, 2)))]
        await asyncio.gather(*(self._insist(lambda wallet=wallet: self._pay(wallet, checkout)) for wallet in wallets))
        self.bought.append((checkout, wallets))

    async def _insist(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Until it succeeds; nothing at all may be there meanwhile."""

        async with asyncio.timeout(90):
            while True:
                with suppress(httpx.TransportError):
                    if result := await call():
                        return result
                # A person taps again after a moment.
                await asyncio.sleep(self.dice.uniform(0.1, 0.4))

    async def _open(self) -> dict[str, Any] | None:
        amount = f"{self.dice.randint(1, 2000) / 100:.2f}"
        answer = await self.town.outside.post("/sandbox/checkouts", json={"amount": amount})
        return answer.json() | {"amount": amount, "link": link_of(answer.json())} if answer.is_success else None

    async def _make_wallet(self) -> str:
        return await self.town.wallet()

    async def _pay(self, wallet: str, checkout: dict[str, Any]) -> bool:
        answer = await self.town.pay(wallet, checkout)
        message = "paid" if answer.is_success else answer.json()["message"]
        self.answers[message.partition(" (")[0].partition(":")[0]] += 1
        # An answer may have got lost, or the other wallet was faster.
        return message == "paid" or "already paid" in message


@dataclass
class Killer:
    """Kills, and starts again what it has killed."""

    town: Town
    dice: random.Random
    kills: Counter[str] = field(default_factory=Counter)

    def plan(self, count: int) -> list[str]:
        """Every kind of victim once, the rest as the dice fall."""
        victims = [*VICTIMS, *(self.dice.choice(VICTIMS) for _ in range(count - len(VICTIMS)))]
        self.dice.shuffle(victims)
        return victims

    async def run(self, count: int) -> None:
        for victim in self.plan(count):
            await asyncio.sleep(self.dice.uniform(*PAUSE_SECONDS))
            await asyncio.to_thread(self._kill, victim)
            await self.town.until_open()
            self.kills[victim] += 1

    def _kill(self, victim: str) -> None:
        town = self.town
        programs: dict[str, tuple[Program, ...]] = {"serve": (town.serve,), "worker": (town.worker,), "world": ()}
        chosen = programs.get(victim, town.programs)
        town.kill(*chosen)
        if victim in ("world", "all"):
            town.kill_world()
        if victim in ("world", "all"):
            town.begin_world()
        for program in chosen:
            program.start()


@pytest.mark.timeout(3600)
async def test_killed_at_random_every_payment_that_landed_is_resolved_once(scale: Scale) -> None:
    seed = int(os.environ.get("SETTLE_TEST_SEED") or random.randrange(2**32))
    print(f"SETTLE_TEST_SEED={seed}")
    payments, kills = scale.pick(15, 200), scale.pick(6, 60)
    with open_town(slot_ms=50) as town:
        async with town.connected():
            await town.until_open()
            began = time.monotonic()
            customers = [Customer(town, random.Random(f"{seed}/{number}")) for number in range(CUSTOMERS)]
            killer = Killer(town, random.Random(f"{seed}/killer"))
            await _pay_while_killing(customers, killer, payments, kills)
            bought = [entry for customer in customers for entry in customer.bought]
            await _settle(town, [checkout for checkout, _ in bought])
            for checkout, wallets in bought:
                await town.assert_resolved_once(checkout)
                assert await _spent(town, wallets) == Decimal(checkout["amount"])
            await _assert_nothing_else_happened(town, {checkout["id"] for checkout, _ in bought})
            print(f"{len(bought)} payments, kills {dict(killer.kills)}, {time.monotonic() - began:.0f} s")
            print("wallets were told", dict(sum((customer.answers for customer in customers), Counter())))
        _assert_still_well(town)
        checked = run_settle("check", "--chain", environment=town.world.environment())
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert checked.stdout.startswith("0 violations")


async def _pay_while_killing(customers: list[Customer], killer: Killer, payments: int, kills: int) -> None:
    """Customers pay without pause until the last kill is over and there are enough payments."""
    killing = asyncio.create_task(killer.run(kills))

    async def keep_buying(customer: Customer) -> None:
        while not killing.done() or sum(len(other.bought) for other in customers) < payments:
            await customer.buy()

    try:
        async with asyncio.TaskGroup() as group:
            for customer in customers:
                group.create_task(keep_buying(customer))
    finally:
        killing.cancel()
    await killing


async def _settle(town: Town, checkouts: list[dict[str, Any]]) -> None:
    """Let leases and the ladder's waits pass until all are completed."""
    query = "SELECT shopify_id, status::text FROM payments WHERE shopify_id = ANY($1) AND status <> 'completed'"
    ids = [checkout["id"] for checkout in checkouts]

    async def none_is_open() -> bool:
        return await town.rows(query, ids) == []

    for _ in range(5):
        with suppress(AssertionError):
            await wait_until(none_is_open, 4)
            return
        await town.advance(LEASE_SECONDS)
    left = [dict(row) for row in await town.rows(query, ids)]
    assert left == []


def _assert_still_well(town: Town) -> None:
    """Nothing but the killer has ended a program, and none of them has met what it has no word for."""
    town.tend()
    said = [line for program in town.programs for line in program.lines() if line != NO_DATABASE]
    assert [line for line in said if json.loads(line)["action"] in BUGS] == []
    for program in town.programs:
        assert program.end(signal.SIGTERM) == 0


async def _spent(town: Town, wallets: list[str]) -> Decimal:
    left = [Decimal((await town.call("GET", f"/sandbox/wallets/{wallet}"))["usdc"]) for wallet in wallets]
    return 100 * len(wallets) - sum(left, Decimal(0))


async def _assert_nothing_else_happened(town: Town, bought: set[str]) -> None:
    """Checkouts whose customer was cut off before paying are open, and no one says otherwise."""
    listed = (await town.call("GET", "/sandbox/checkouts"))["checkouts"]
    others = [entry for entry in listed if entry["id"] not in bought]
    assert {entry["state"] for entry in others} <= {"open"}
    assert [entry["alarms"] for entry in others if entry["alarms"]] == []
    paid = await town.rows("SELECT shopify_id FROM payments WHERE status <> 'pending'")
    assert {row["shopify_id"] for row in paid} == bought
