"""The portal's part of `make screenshots`: a fortnight of a shop in the sandbox, then a picture of every page."""

import random
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page

DAY = 86_400
AMOUNTS = ("12.90", "34.00", "8.50", "129.00", "59.90", "18.20", "240.00", "75.50", "22.00", "310.40")
PATIENCE_SECONDS = 60


class Shop:
    """A shop in the sandbox, by the outside world's control calls."""

    def __init__(self, world: str) -> None:
        self._world = world
        self._client = httpx.Client(base_url=world, timeout=60)

    def live_a_fortnight(self) -> None:
        """Customers pay, leave, come late; some orders are refunded; one refund waits, and one payment is stuck."""
        chance = random.Random(4)
        for _ in range(13):
            for _ in range(chance.randrange(1, 4)):
                self._sell(chance.choice(AMOUNTS), chance.choice(("USD", "EUR")))
            self._checkout(chance.choice(AMOUNTS))
            self._call("/sandbox/clock", {"advance_seconds": DAY + chance.randrange(20_000)})
        self._sell("49.00", "USD", test=True)
        refunded, denied, waiting = (self._sell(amount, "USD") for amount in ("64.00", "40.00", "89.00"))
        self._answer_refunds(refunded, denied)
        self._call(f"/sandbox/checkouts/{waiting}/refunds", {"amount": "89.00"})
        self._call("/sandbox/faults", {"target": "shopify", "fault": "status", "value": 503})
        self._sell("120.00", "EUR", unconfirmed=True)
        self._checkout("27.50")

    def _sell(self, amount: str, currency: str, *, unconfirmed: bool = False, **more: Any) -> str:
        """A checkout that a customer pays; returns its id."""
        checkout = self._checkout(amount, currency, **more)
        wallet = self._call("/sandbox/wallets", {"usdc": "1000", "cluster": "test" if more.get("test") else "live"})
        payment = checkout["redirect_url"].rpartition("/")[2]
        app = checkout["redirect_url"].rpartition("/pay/")[0]
        link = f"solana:{app}/transactions/payment/{payment}"
        self._call(f"/sandbox/wallets/{wallet['address']}/pay", {"link": link})
        if not unconfirmed:
            self._until_over(f"/sandbox/checkouts/{checkout['id']}")
        return str(checkout["id"])

    def _checkout(self, amount: str, currency: str = "USD", **more: Any) -> dict[str, Any]:
        return self._call("/sandbox/checkouts", {"amount": amount, "currency": currency, **more})

    def _answer_refunds(self, paid: str, denied: str) -> None:
        """Two refunds that are over: the merchant pays one with the payout wallet, and denies one at the portal."""
        ids = [self._call(f"/sandbox/checkouts/{one}/refunds", {"amount": "25.00"})["id"] for one in (paid, denied)]
        portal = httpx.Client(follow_redirects=True, timeout=60)
        app = str(portal.get(f"{self._world}/sandbox/admin/app").url).removesuffix("/portal")
        refunds = {refund["shopify_id"]: refund for refund in portal.get(f"{app}/portal/api/refunds").json()["refunds"]}
        merchant = self._client.get("/sandbox/merchant").json()["wallet"]
        self._call(f"/sandbox/wallets/{merchant}/pay", {"link": refunds[ids[0]]["link"]})
        csrf = portal.get(f"{app}/portal/api/session").json()["csrf"]
        denial = {"message": "The goods were not sent back."}
        portal.post(
            f"{app}/portal/api/refunds/{refunds[ids[1]]['id']}/deny", json=denial, headers={"X-CSRF-Token": csrf}
        ).raise_for_status()
        for refund_id in ids:
            self._until_over(f"/sandbox/refunds/{refund_id}")

    def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    def _until_over(self, path: str) -> None:
        """Wait until Shopify knows how a payment or a refund ended."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while self._client.get(path).json()["state"] not in ("resolved", "rejected"):
            if time.monotonic() > ends:
                raise SystemExit(f"{path} did not come to an end")
            time.sleep(0.05)


def walk_portal(page: Page, world: str, folder: Path, width: int) -> None:
    """A picture of every page, as the merchant comes by them."""

    def take(name: str) -> None:
        page.screenshot(path=folder / f"portal-{name}-{width}.png")

    page.goto(f"{world}/sandbox/admin/app")
    page.wait_for_url("**/portal")
    take("overview")
    navigation = page.get_by_role("navigation", name="Portal")
    for name in ("Payments", "Refunds", "Attention", "Settings"):
        navigation.get_by_role("link", name=name).click()
        page.get_by_role("heading", name=name, level=1).wait_for()
        take(name.lower())
    navigation.get_by_role("link", name="Payments").click()
    page.locator(".row-link").nth(2).click()
    page.get_by_role("heading", name="What happened").wait_for()
    take("payment")
    navigation.get_by_role("link", name="Refunds").click()
    page.locator(".row-link").first.click()
    page.get_by_role("heading", name="Approve").wait_for()
    take("refund")
    page.goto(f"{world}/sandbox/admin/app?shop=new-shop.myshopify.com")
    page.wait_for_url("**/portal")
    page.get_by_role("link", name="See what is left to do").click()
    page.get_by_role("heading", name="Set up").wait_for()
    take("onboarding")
    page.goto(f"{world}/sandbox/admin/app")
    page.wait_for_url("**/portal")
    page.get_by_role("searchbox").fill("89.00 USD")
    page.keyboard.press("Enter")
    page.get_by_role("region", name="The answer").wait_for()
    take("finder")
