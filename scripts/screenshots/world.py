"""The sandbox that the pictures are taken in, by the outside world's control calls."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

ROOT = Path(__file__).resolve().parents[2]
PORTS = {"--port": "21800", "--app-port": "21801", "--shopify-port": "21843"}
PATIENCE_SECONDS = 60


class World:
    """Customers, wallets, the store, Shopify and the clock. A checkout is what the store answers, with its `page`."""

    def __init__(self, url: str, app: str, database: str) -> None:
        self.url = url
        self.app = app
        self._database = database
        self._client = httpx.Client(base_url=url, timeout=60)

    def checkout(self, amount: str = "24.00", currency: str = "USD", **more: Any) -> dict[str, Any]:
        checkout = self.call("/sandbox/checkouts", {"amount": amount, "currency": currency, **more})
        return checkout | {"page": checkout["redirect_url"]}

    def fetch(self, checkout: dict[str, Any], usdc: str = "1000") -> None:
        """A phone scans the code; with too little USDC it is refused."""
        address = self.call("/sandbox/wallets", {"usdc": usdc})["address"]
        self._client.post(f"/sandbox/wallets/{address}/fetch", json={"link": _link(checkout["page"])})

    def pay(self, checkout: dict[str, Any], *, test: bool = False) -> None:
        wallet = self.call("/sandbox/wallets", {"usdc": "5000", "cluster": "test" if test else "live"})["address"]
        self.pay_link(wallet, _link(checkout["page"]))

    def pay_link(self, wallet: str, link: str) -> None:
        self.call(f"/sandbox/wallets/{wallet}/pay", {"link": link})

    def pay_flagged(self, checkout: dict[str, Any]) -> None:
        """A wallet that is screened out tries to pay."""
        address = self.call("/sandbox/wallets", {"usdc": "1000"})["address"]
        self.call("/sandbox/trm/flagged", {"address": address})
        self._client.post(f"/sandbox/wallets/{address}/pay", json={"link": _link(checkout["page"])})

    def status(self, checkout: dict[str, Any]) -> str:
        """What Settle knows of a payment."""
        status: str = httpx.get(f"{checkout['page']}/status").json()["status"]
        return status

    def refund(self, checkout: dict[str, Any], amount: str) -> str:
        refund_id: str = self.call(f"/sandbox/checkouts/{checkout['id']}/refunds", {"amount": amount})["id"]
        return refund_id

    def merchant_wallet(self) -> str:
        wallet: str = self._client.get("/sandbox/merchant").json()["wallet"]
        return wallet

    def merchant(self) -> httpx.Client:
        """The merchant, signed in at the portal; may write."""
        portal = httpx.Client(base_url=self.app, follow_redirects=True, timeout=60)
        portal.get(f"{self.url}/sandbox/admin/app").raise_for_status()
        portal.headers["X-CSRF-Token"] = portal.get("/portal/api/session").json()["csrf"]
        return portal

    def break_down(self, target: str) -> None:
        """Shopify, the prices or the node answer nothing but 503."""
        self.fault(target, "status", value=503)

    def fault(self, target: str, fault: str, **more: Any) -> None:
        self.call("/sandbox/faults", {"target": target, "fault": fault, **more})

    def mend(self) -> None:
        self._client.delete("/sandbox/faults")

    def pass_time(self, seconds: int) -> None:
        self.call("/sandbox/clock", {"advance_seconds": seconds})

    def until_over(self, path: str) -> None:
        """Wait until Shopify knows how a payment or a refund ended."""
        self.until(lambda: self._client.get(path).json()["state"] in ("resolved", "rejected"), f"{path} is over")

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        ends = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > ends:
                raise SystemExit(f"waited in vain until {what}")
            time.sleep(0.2)

    def write(self, statement: str, *values: object) -> None:
        """What happens to hardly anybody is written into Settle's records, as it would be there."""
        # Not in this thread: the browser's own loop runs in it.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, self._write(statement, *values)).result()

    async def _write(self, statement: str, *values: object) -> None:
        connection = await asyncpg.connect(self._database)
        await connection.execute(statement, *values)
        await connection.close()

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content


def _link(page: str) -> str:
    return f"solana:{page.replace('/pay/', '/transactions/payment/')}"


@contextmanager
def open_world(data: str) -> Iterator[World]:
    """A sandbox of its own, with all it keeps in `data`."""
    ports = [word for pair in PORTS.items() for word in pair]
    command = [sys.executable, "-m", "handlers.cli", "sandbox", *ports, "--data", data]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        try:
            if not any(line == "ready\n" for line in sandbox.stdout):
                raise SystemExit("the sandbox did not start")
            database = re.search(r"^SETTLE_DATABASE_URL=(.+)$", Path(data, "sandbox.env").read_text(), re.MULTILINE)
            assert database is not None
            yield World(f"http://127.0.0.1:{PORTS['--port']}", f"http://127.0.0.1:{PORTS['--app-port']}", database[1])
        finally:
            sandbox.terminate()
