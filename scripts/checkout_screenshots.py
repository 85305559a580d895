"""The checkout's part of `make screenshots`: a picture of the customer's page in each of its stages."""

from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser

# The sandbox looks for overdue payments every 30 seconds.
PATIENCE_MS = 60_000


class Customers:
    """Customers of the sandbox's store, by the outside world's control calls."""

    def __init__(self, world: str) -> None:
        self._client = httpx.Client(base_url=world, timeout=60)

    def checkout(self, amount: str = "24.00", currency: str = "USD", **more: Any) -> str:
        """The address of a new checkout's page."""
        page: str = self._call("/sandbox/checkouts", {"amount": amount, "currency": currency, **more})["redirect_url"]
        return page

    def fetch(self, page: str, usdc: str = "1000") -> None:
        """A phone scans the code; with too little USDC it is refused."""
        address = self._call("/sandbox/wallets", {"usdc": usdc})["address"]
        self._client.post(f"/sandbox/wallets/{address}/fetch", json={"link": _link(page)})

    def pay(self, page: str) -> None:
        address = self._call("/sandbox/wallets", {"usdc": "1000"})["address"]
        self._call(f"/sandbox/wallets/{address}/pay", {"link": _link(page)})

    def break_shopify(self) -> None:
        self._call("/sandbox/faults", {"target": "shopify", "fault": "status", "value": 503})

    def mend(self) -> None:
        self._client.delete("/sandbox/faults")

    def wait_a_day(self) -> None:
        self._call("/sandbox/clock", {"advance_seconds": 86_500})

    def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content


def _link(page: str) -> str:
    return f"solana:{page.replace('/pay/', '/transactions/payment/')}"


def walk_checkout(browser: Browser, world: str, pictures: Path, sizes: tuple[tuple[int, int], ...]) -> None:
    """A picture of each stage in both schemes and at each size, `checkout-STAGE-SCHEME-WIDTH.png`."""
    customers = Customers(world)
    pages = {
        "price": (customers.checkout("1249.90", "EUR", locale="de-DE", test=True), "waiting"),
        "french": (customers.checkout("3600", "JPY", locale="fr"), "waiting"),
        "approve": (customers.checkout(), "approve"),
        "refused": (customers.checkout(), "waiting"),
        "received": (customers.checkout(), "paid"),
        "already-paid": (customers.checkout(group="two-sessions"), "already_paid"),
    }
    customers.fetch(pages["approve"][0])
    customers.fetch(pages["refused"][0], usdc="3")
    customers.pay(customers.checkout(group="two-sessions"))
    customers.break_shopify()
    customers.pay(pages["received"][0])
    for name, (address, stage) in pages.items():
        _take(browser, pictures, sizes, name, address, stage)
    customers.mend()
    expired = customers.checkout()
    customers.wait_a_day()
    _take(browser, pictures, sizes, "expired", expired, "expired")
    _take(browser, pictures, sizes, "unknown", f"{expired.rpartition('/')[0]}/nothing", None)


def _take(
    browser: Browser, pictures: Path, sizes: tuple[tuple[int, int], ...], name: str, address: str, stage: str | None
) -> None:
    for scheme in ("light", "dark"):
        for width, height in sizes:
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
            )
            page.goto(address)
            if stage:
                page.locator(f"main[data-stage={stage}]").wait_for(timeout=PATIENCE_MS)
            if name == "refused":
                page.get_by_role("alert").wait_for(timeout=PATIENCE_MS)
            page.screenshot(path=pictures / f"checkout-{name}-{scheme}-{width}.png", full_page=True)
            page.close()
