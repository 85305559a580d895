"""Merchants in a real browser, at the portal of a whole system."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.box import Box
from tests.customers import PATIENCE_MS, launch
from tests.house import SHOP


@dataclass
class Desk:
    """The sandbox, a browser, and what its pages did that they should not: errors, and requests to elsewhere."""

    box: Box
    browser: Browser
    strays: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.box.house.settings.public_url

    async def sign_in(self, width: int = 1280, scheme: str = "light", shop: str = SHOP) -> tuple[BrowserContext, Page]:
        """Open the app from Shopify's admin, as the merchant does."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            accept_downloads=True,  # type: ignore[arg-type]
        )
        page = await context.new_page()
        page.on("request", lambda request: self.strays.append(request.url) if "127.0.0.1" not in request.url else None)
        page.on("pageerror", lambda error: self.strays.append(str(error)))
        page.on("console", lambda line: self.strays.append(line.text) if line.type == "error" else None)
        await page.goto(f"{self.box.world.url}/sandbox/admin/app?shop={shop}")
        await page.wait_for_url(re.compile(r"/portal$"), timeout=PATIENCE_MS)
        return context, page

    def excuse(self, text: str) -> int:
        """Forget the strays with this text, which a test brought about itself, and say how many they were."""
        excused = [line for line in self.strays if text in line]
        self.strays[:] = [line for line in self.strays if text not in line]
        return len(excused)

    async def merchant(self) -> str:
        """The payout wallet, which the sandbox has the key of."""
        address: str = (await self.box.outside.get("/sandbox/merchant")).json()["wallet"]
        return address


@asynccontextmanager
async def open_desk(box: Box, chromium: str) -> AsyncIterator[Desk]:
    async with async_playwright() as playwright:
        browser = await launch(playwright, chromium)
        yield Desk(box, browser)
        await browser.close()
