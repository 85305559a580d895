"""Customers in a real browser, before the checkout page of a whole system."""

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page, Playwright, async_playwright
from solders.keypair import Keypair
from solders.message import to_bytes_versioned
from solders.transaction import VersionedTransaction

from tests.box import Box

PATIENCE_MS = 20_000
WALLET_SCRIPT = Path(__file__).parent / "acceptance" / "browser_wallet.js"


@dataclass
class Counter:
    """The system, a browser, and what its pages did that they should not: errors, and requests to elsewhere."""

    box: Box
    browser: Browser
    strays: list[str] = field(default_factory=list)

    async def page(self, **context: Any) -> Page:
        """A new customer's page, in a browser of its own."""
        page = await (await self.browser.new_context(**context)).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: self.strays.append(request.url) if _is_elsewhere(request.url) else None)
        page.on("pageerror", lambda error: self.strays.append(str(error)))
        page.on("console", lambda line: self.strays.append(line.text) if line.type == "error" else None)
        return page

    async def checkout(self, amount: str = "12.34", currency: str = "USD", **more: Any) -> dict[str, Any]:
        return await self.box.checkout(amount, currency, **more)

    async def open(self, checkout: dict[str, Any], **context: Any) -> Page:
        """The page of a checkout, in a browser of its own."""
        page = await self.page(**context)
        await page.goto(checkout["redirect_url"])
        return page

    async def fetch(self, checkout: dict[str, Any], usdc: str = "100") -> tuple[str, httpx.Response]:
        """A phone scans the code: its wallet, and what it was answered."""
        wallet = await self.box.wallet(usdc)
        answer = await self.box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
        return wallet, answer

    async def send(self, wallet: str, fetched: httpx.Response) -> None:
        """The phone's owner approves."""
        sent = await self.box.outside.post(
            f"/sandbox/wallets/{wallet}/send", json={"transaction": fetched.json()["transaction"]}
        )
        assert sent.status_code == 200, sent.text


def _is_elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:"))


@asynccontextmanager
async def open_counter(box: Box, chromium: str) -> AsyncIterator[Counter]:
    async with async_playwright() as playwright:
        browser = await launch(playwright, chromium)
        yield Counter(box, browser)
        await browser.close()


async def launch(playwright: Playwright, chromium: str) -> Browser:
    """A browser that asks nobody for anything by itself."""
    return await playwright.chromium.launch(
        executable_path=chromium, args=["--disable-background-networking", "--disable-component-update"]
    )


@dataclass
class BrowserWallet:
    """A wallet in the browser that keeps to the Wallet Standard, and really signs and sends. It shows what it did."""

    box: Box
    name: str = "Test Wallet"
    key: Keypair = field(default_factory=Keypair)
    did: list[str] = field(default_factory=list)

    async def put_into(
        self, page: Page, *, only_signs: bool = False, late: bool = False, declines: bool = False
    ) -> None:
        """Before the page is opened; one in a page can sign. `late`: it comes when the page has loaded."""

        async def sign(encoded: str) -> str:
            self.did.append("signed")
            tx = VersionedTransaction.from_bytes(base64.b64decode(encoded))
            signatures = list(tx.signatures)
            index = tx.message.account_keys.index(self.key.pubkey())
            signatures[index] = self.key.sign_message(to_bytes_versioned(tx.message))
            return base64.b64encode(bytes(VersionedTransaction.populate(tx.message, signatures))).decode()

        async def send(encoded: str) -> str:
            self.did.append("sent")
            options = {"encoding": "base64", "preflightCommitment": "confirmed"}
            body = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": [encoded, options]}
            answer = (await self.box.outside.post("/sandbox/rpc", json=body)).json()
            signature: str = answer["result"]
            return signature

        if not declines:
            await page.expose_function("testWalletSign", sign)
            await page.expose_function("testWalletSend", send)
        options = {"name": self.name, "address": str(self.key.pubkey()), "publicKey": list(bytes(self.key.pubkey()))}
        options |= {"onlySigns": only_signs, "late": late, "declines": declines}
        await page.add_init_script(f"({WALLET_SCRIPT.read_text()})({json.dumps(options)})")

    async def fund(self, usdc: str) -> None:
        await self.box.outside.post("/sandbox/wallets", json={"usdc": usdc, "address": str(self.key.pubkey())})


def thanks() -> re.Pattern[str]:
    """Where the shop thanks."""
    return re.compile(r"/checkouts/[^/]+/thank-you")
