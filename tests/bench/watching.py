"""What watching costs and how fast it is: RPC calls per payment, signatures per second, how soon a payment is paid."""

import asyncio
import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from prometheus_client import REGISTRY

from app.payments.terms import terms_of
from app.records import Cluster, IssuedTransaction, Payment
from app.transactions.transfers import expected_of
from app.watching.watcher import Watcher
from chain import wire
from chain.programs import MAX_STATUSES_PER_CALL
from chain.settled import read_settled
from chain.verification import verify_settled
from tests.bench import ground
from tests.bench.figures import Figure, Target, figure_of_count
from tests.box import Box, open_box
from tests.waiting import wait_until

PAYMENTS = {"ci": 100, "soak": 1_000}
OPEN = {"ci": 1_000, "soak": 10_000}
ABREAST = 8
# What a poll asks. The doors' own calls, such as for a fresh blockhash, go on beside it.
POLL = "getSignatureStatuses"
ROUNDS = 5
LATENCIES = 15
# Of a real cluster, where what is to be alive must not be dead before the measurement is over.
SLOT_MS = 400
# The defaults of production, though the devnet's slots are shorter: one poll in a second.
PACE = {"poll_interval_ms": 1_000, "snapshot_refresh_ms": 1_000}
ALL_WATCHERS = {"watch_webhook": True, "watch_websocket": True, "watch_sweep": True}


@dataclass(frozen=True)
class Calls:
    """RPC calls of all of Settle by method while so many payments were made and became final, in so many seconds."""

    payments: int
    by_method: Counter[str]
    seconds: float

    @property
    def per_payment(self) -> float:
        return self.by_method.total() / self.payments


async def measure_watching() -> list[Figure]:
    scale = os.environ.get("SETTLE_TEST_SCALE", "ci")
    return [
        *await _measure_calls(PAYMENTS[scale]),
        *await _measure_polling(OPEN[scale]),
        *await _measure_latency(),
    ]


@asynccontextmanager
async def a_box(**changes: Any) -> AsyncIterator[Box]:
    with ground.folder() as data:
        async with ground.database(data) as dsn, open_box(dsn, data, **changes) as box:
            yield box


async def _measure_calls(payments: int) -> list[Figure]:
    figures = []
    for name, watchers in (("polling alone", {}), ("all four watchers", ALL_WATCHERS)):
        async with a_box(**PACE, **watchers) as box:
            calls = await count_calls(box, payments)
        most = ", ".join(f"{count / payments:.2f} {method}" for method, count in calls.by_method.most_common(4))
        note = f"{payments} payments in {calls.seconds:.0f} s, until all were final: {most}"
        figures.append(figure_of_count(f"RPC calls per payment, {name}", [calls.per_payment], Target(3), note=note))
    return figures


async def count_calls(box: Box, payments: int) -> Calls:
    """Make so many payments, a few at a time, and wait until all are completed and final."""
    checkouts = [await box.checkout("1.00") for _ in range(payments)]
    places = asyncio.Semaphore(ABREAST)

    async def pay(link: str) -> None:
        async with places:
            answer = await box.pay(await box.wallet("10"), link)
            assert answer.status_code == 200, answer.text

    before, began = rpc_calls(), time.monotonic()
    await asyncio.gather(*(pay(checkout["link"]) for checkout in checkouts))

    async def all_are_final() -> bool:
        [row] = await box.house.rows(
            """SELECT (SELECT count(*) FROM issued_transactions WHERE NOT final)
                + (SELECT count(*) FROM payments WHERE status <> 'completed') AS count"""
        )
        return bool(row["count"] == 0)

    await wait_until(all_are_final, 60 + payments, "all payments are final")
    return Calls(payments, rpc_calls() - before, time.monotonic() - began)


def rpc_calls() -> Counter[str]:
    """Calls of this process to Solana nodes so far, by method."""
    counted: Counter[str] = Counter()
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name == "settle_rpc_calls_total":
                counted[sample.labels["method"]] += int(sample.value)
    return counted


async def _measure_polling(count: int) -> list[Figure]:
    async with a_box(worker=False, slot_ms=SLOT_MS, **PACE) as box:
        signatures = await fill(box, count)
        system, parts = box.house.system, box.house.system.clusters[Cluster.live]
        watcher = Watcher(system, parts)
        pages = [signatures[at : at + MAX_STATUSES_PER_CALL] for at in range(0, count, MAX_STATUSES_PER_CALL)]

        async def ask_alone() -> None:
            for page in pages:
                await parts.node.signature_statuses(page)

        ours, alone, calls = [], [], []
        for _ in range(ROUNDS):
            alone.append(await _seconds(ask_alone))
            await box.house.rows(
                "UPDATE issued_transactions SET poll_at = $1 WHERE signature = ANY($2)", system.clock.now(), signatures
            )
            before = rpc_calls()
            ours.append(await _seconds(watcher.poll))
            calls.append((rpc_calls() - before)[POLL])
        verifying, showing = await _time_verification(box)
    return [
        figure_of_count(
            "RPC calls of one poll / ceil(open signatures / 256)",
            [made / math.ceil(count / MAX_STATUSES_PER_CALL) for made in calls],
            Target(1),
            note=f"{count} open",
        ),
        Figure(
            "signatures watched per second / what the devnet answers",
            median(count / seconds for seconds in ours) / median(count / seconds for seconds in alone),
            min(alone) / min(ours),
            note=f"{count / median(ours):,.0f}/s / {count / median(alone):,.0f}/s",
        ),
        Figure(
            "settled transactions read and verified per second / what the devnet shows",
            showing / verifying,
            showing / verifying,
            Target(1, at_least=True),
            note=f"{1 / verifying:,.0f}/s of processor time / {1 / showing:,.0f}/s",
        ),
    ]


async def fill(box: Box, count: int) -> list[str]:
    """Open transactions that never land: copies of one that was handed out. Returns their signatures."""
    checkout = await box.checkout("1.00")
    answer = await box.outside.post(f"/sandbox/wallets/{await box.wallet('10')}/fetch", json={"link": checkout["link"]})
    assert answer.status_code == 200, answer.text
    await box.house.rows(
        """INSERT INTO issued_transactions SELECT (jsonb_populate_record(issued, jsonb_build_object(
            'id', nextval('issued_transactions_id_seq'), 'signature', '5' || lpad(number::text, 86, '1')))).*
        FROM issued_transactions AS issued, generate_series(11111, 11110 + $1) AS number
        WHERE position('0' in number::text) = 0""",
        10 * count,
    )
    rows = await box.house.rows("SELECT id, signature FROM issued_transactions ORDER BY id")
    assert len(rows) >= count
    await box.house.rows(
        "UPDATE issued_transactions SET poll_at = created_at + interval '1 year' WHERE id = ANY($1)",
        [row["id"] for row in rows[count:]],
    )
    return [row["signature"] for row in rows[:count]]


async def _time_verification(box: Box) -> tuple[float, float]:
    """Seconds of processor time to read and verify one transaction, and seconds in which the devnet shows one."""
    checkout = await box.checkout("1.00")
    answer = await box.pay(await box.wallet("10"), checkout["link"])
    signature = answer.json()["signature"]
    node = box.house.system.clusters[Cluster.live].node
    [row] = await box.house.rows(
        """SELECT p AS payment, i AS issued FROM payments p JOIN issued_transactions i ON i.payment_id = p.id
        WHERE i.signature = $1""",
        signature,
    )
    payment, issued = Payment.from_row(row["payment"]), IssuedTransaction.from_row(row["issued"])
    raw: list[Any] = []
    await node.ask(
        "getTransaction",
        [signature, {"commitment": "confirmed", "encoding": "base64", "maxSupportedTransactionVersion": 0}],
        Any,
        raw.append,
    )
    expected = expected_of(terms_of(payment), issued)
    times = 300
    began = time.process_time()
    for _ in range(times):
        verify_settled(read_settled(msgspec.convert(raw[0], wire.Transaction)), expected)
    verifying = (time.process_time() - began) / times
    began = time.monotonic()
    for _ in range(times):
        await node.transaction(signature, "confirmed")
    return verifying, (time.monotonic() - began) / times


async def _measure_latency() -> list[Figure]:
    delays = {}
    for name, changes in (("polling", {}), ("websocket", {"watch_websocket": True})):
        async with a_box(**PACE, **changes) as box:
            await _seconds_to_paid(box)  # to be warm, and for the websocket to be open
            delays[name] = [await _seconds_to_paid(box) for _ in range(LATENCIES)]
    quick, slow = median(delays["websocket"]), median(delays["polling"])
    return [
        Figure(
            "confirmed to paid: with the websocket / with polling each second",
            quick / slow,
            min(delays["websocket"]) / min(delays["polling"]),
            Target(0.5),
            note=f"{quick * 1000:.0f} ms / {slow * 1000:.0f} ms",
        )
    ]


async def _seconds_to_paid(box: Box) -> float:
    checkout = await box.checkout("1.00")
    answer = await box.pay(await box.wallet("10"), checkout["link"])
    assert answer.status_code == 200, answer.text
    began = time.monotonic()

    async def is_paid() -> bool:
        rows = await box.house.rows("SELECT status FROM payments WHERE id = $1", checkout["payment"])
        return rows[0]["status"] in ("paid", "completed")

    await wait_until(is_paid, 30, "it is paid")
    return time.monotonic() - began


async def _seconds(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.monotonic()
    await work()
    return time.monotonic() - began


async def count_poll_calls(database_url: str, folder: Path, count: int) -> int:
    """The RPC calls of one poll while so many are open."""
    async with open_box(database_url, folder, worker=False, slot_ms=SLOT_MS) as box:
        await fill(box, count)
        watcher = Watcher(box.house.system, box.house.system.clusters[Cluster.live])
        before = rpc_calls()
        assert await watcher.poll() == count
        return (rpc_calls() - before)[POLL]
