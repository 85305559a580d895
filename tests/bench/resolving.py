"""From confirmed on the chain to the resolve sent to Shopify: the whole sandbox, many payments at once."""

import asyncio
import base64
import json
import math
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import httpx
from solders.keypair import Keypair
from solders.transaction import Transaction
from websockets.asyncio.client import connect

from tests.bench import ground
from tests.bench.figures import Figure, Target
from tests.house import free_port
from tests.waiting import wait_until

SLOT_MS = 50
ROUNDS = 3
# Between two customers; what the sandbox, Settle and this client together carry on two cores.
GAP_SECONDS = 0.15
AT_ONCE = {"ci": 20, "soak": 100}
READY_SECONDS = 60
ROUND_SECONDS = 60
PREPARING_AT_ONCE = 8
ASKING_SECONDS = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: its outside world's origin, its process, Settle's database and polling interval in seconds."""

    url: str
    pid: int
    database_url: str
    poll_seconds: float


@dataclass(frozen=True)
class Payment:
    """Signed and not sent yet."""

    checkout: str
    signature: str
    wire: bytes


async def measure_resolving() -> list[Figure]:
    count = AT_ONCE[os.environ.get("SETTLE_TEST_SCALE", "ci")]
    with ground.folder() as data:
        async with running_sandbox(data) as sandbox:
            await _run_round(sandbox, 2, GAP_SECONDS)  # to be warm
            spread = [await _run_round(sandbox, count, GAP_SECONDS) for _ in range(ROUNDS)]
            burst = [await _run_round(sandbox, count, 0) for _ in range(ROUNDS)]
    interval = sandbox.poll_seconds
    name = f"confirmed to resolve sent, {count} open, one paid every {GAP_SECONDS:g} s: p95 in polling intervals"
    return [
        _figure(name, spread, interval, Target(2)),
        _figure("  the same, all paid in one moment (the sandbox's own work in it)", burst, interval),
    ]


def _figure(name: str, rounds: list[list[float]], interval: float, target: Target | None = None) -> Figure:
    p95s = [percentile(delays, 0.95) / interval for delays in rounds]
    middle = median([delay for delays in rounds for delay in delays])
    note = f"interval {interval * 1000:.0f} ms; half within {middle * 1000:.0f} ms"
    return Figure(name, median(p95s), min(p95s), target, note)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * share) - 1]


@asynccontextmanager
async def running_sandbox(data: Path) -> AsyncIterator[Sandbox]:
    """`settle sandbox` at slots of 50 ms on free ports."""
    ports = {"--port": free_port(), "--app-port": free_port(), "--shopify-port": free_port()}
    options = [str(part) for pair in ports.items() for part in pair]
    command = [*ground.settle("sandbox"), *options, "--data", str(data / "world"), "--slot-ms", str(SLOT_MS)]
    log = data / "sandbox.log"
    with ground.process(command, os.environ, log) as running:
        await wait_until(lambda: running.poll() is not None or b"\nready\n" in log.read_bytes(), READY_SECONDS, "ready")
        if running.poll() is not None:
            raise RuntimeError(f"the sandbox ended:\n{log.read_text()[-2000:]}")
        lines = (data / "world" / "sandbox.env").read_text().splitlines()
        environment = dict(line.split("=", 1) for line in lines)
        interval = int(environment["SETTLE_POLL_INTERVAL_MS"]) / 1000
        yield Sandbox(f"http://127.0.0.1:{ports['--port']}", running.pid, environment["SETTLE_DATABASE_URL"], interval)


async def _run_round(sandbox: Sandbox, count: int, gap: float) -> list[float]:
    """Seconds from each confirmation to the mutation's arrival; `gap` seconds lie between two customers' sending."""
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=30, trust_env=False) as client:
        payments = await some_at_once([lambda: _prepare(client)] * count)
        confirmed = await _send_and_watch(sandbox, client, payments, gap)
        return [await _resolved_at(client, payment) - confirmed[payment.signature] for payment in payments]


async def some_at_once(tasks: list[Callable[[], Awaitable[T]]]) -> list[T]:
    places = asyncio.Semaphore(PREPARING_AT_ONCE)

    async def run(task: Callable[[], Awaitable[T]]) -> T:
        async with places:
            return await task()

    return list(await asyncio.gather(*map(run, tasks)))


async def _prepare(client: httpx.AsyncClient) -> Payment:
    return await order_and_sign(client, await fund_wallet(client))


async def fund_wallet(client: httpx.AsyncClient) -> Keypair:
    """A customer with 100 USDC."""
    key = Keypair()
    wallet = {"usdc": "100", "address": str(key.pubkey())}
    (await client.post("/sandbox/wallets", json=wallet)).raise_for_status()
    return key


async def order_and_sign(client: httpx.AsyncClient, key: Keypair) -> Payment:
    """The customer checks out, scans and approves; nothing is sent."""
    opened = await client.post("/sandbox/checkouts", json={"amount": "12.34", "currency": "USD"})
    opened.raise_for_status()
    link = opened.json()["redirect_url"].replace("/pay/", "/transactions/payment/")
    answer = await client.post(link, json={"account": str(key.pubkey())})
    answer.raise_for_status()
    transaction = Transaction.from_bytes(base64.b64decode(answer.json()["transaction"]))
    transaction.partial_sign([key], transaction.message.recent_blockhash)
    return Payment(opened.json()["id"], str(transaction.signatures[0]), bytes(transaction))


async def _send_and_watch(
    sandbox: Sandbox, client: httpx.AsyncClient, payments: list[Payment], gap: float
) -> dict[str, float]:
    """When the chain told of each signature's confirmation, in seconds of the wall clock."""
    address = sandbox.url.replace("http:", "ws:") + "/sandbox/rpc/ws"
    confirmed: dict[str, float] = {}
    async with connect(address, proxy=None) as socket, asyncio.timeout(ROUND_SECONDS):
        watched = await _subscribe(socket, payments)
        sending = [asyncio.create_task(_send(client, payment, index * gap)) for index, payment in enumerate(payments)]
        while len(confirmed) < len(payments):
            message = json.loads(await socket.recv())
            confirmed[watched[message["params"]["subscription"]]] = time.time()
        await asyncio.gather(*sending)
    return confirmed


async def _subscribe(socket: Any, payments: list[Payment]) -> dict[int, str]:
    """The signature behind each subscription."""
    for number, payment in enumerate(payments):
        params = [payment.signature, {"commitment": "confirmed"}]
        question = {"jsonrpc": "2.0", "id": number, "method": "signatureSubscribe", "params": params}
        await socket.send(json.dumps(question))
    answers = [json.loads(await socket.recv()) for _ in payments]
    return {answer["result"]: payments[answer["id"]].signature for answer in answers}


async def _send(client: httpx.AsyncClient, payment: Payment, after_seconds: float) -> None:
    await asyncio.sleep(after_seconds)
    await send(client, payment)


async def send(client: httpx.AsyncClient, payment: Payment) -> None:
    """The wallet sends what was signed. Raises RuntimeError when the node does not take it."""
    params = [base64.b64encode(payment.wire).decode(), {"encoding": "base64", "skipPreflight": True}]
    question = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": params}
    answer = await client.post("/sandbox/rpc", json=question)
    if "result" not in answer.json():
        raise RuntimeError(answer.text)


async def _resolved_at(client: httpx.AsyncClient, payment: Payment) -> float:
    """When the first resolve of a payment reached the store, in seconds of the wall clock."""
    async with asyncio.timeout(ROUND_SECONDS):
        while True:
            checkout = (await client.get(f"/sandbox/checkouts/{payment.checkout}")).json()
            for made in checkout["mutations"]:
                if made["name"] == "paymentSessionResolve":
                    return datetime.fromisoformat(made["at"]).timestamp()
            # The store notes the time itself: asking more often would only keep it from its work.
            await asyncio.sleep(ASKING_SECONDS)
