"""A merchant of a shop that is new to the app, as the onboarding's tests need one."""

from typing import Any

import httpx
from solders.keypair import Keypair

from tests.box import Box

NEW_SHOP = "new-shop.myshopify.com"


class Merchant:
    """A merchant's browser, signed in at the portal, and the wallet in its other hand."""

    def __init__(self, box: Box, browser: httpx.AsyncClient) -> None:
        self._box = box
        self._browser = browser
        self.wallet = Keypair()
        self._csrf = ""

    @property
    def address(self) -> str:
        return str(self.wallet.pubkey())

    async def sign_in(self, shop: str = NEW_SHOP) -> None:
        await self._browser.get(f"{self._box.world.url}/sandbox/admin/app?shop={shop}")
        public = self._box.house.settings.public_url
        self._csrf = (await self._browser.get(f"{public}/portal/api/session")).json()["csrf"]

    async def ask(self, step: str = "", body: Any = None, status: int = 200, *, csrf: bool = True) -> Any:
        url = f"{self._box.house.settings.public_url}/portal/api/onboarding{step}"
        headers = {"Accept": "application/json"} | ({"X-CSRF-Token": self._csrf} if csrf else {})
        if body is None:
            answer = await self._browser.get(url, headers=headers)
        else:
            answer = await self._browser.post(url, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def challenge(self, proof: str = "message", wallet: str | None = None) -> Any:
        return await self.ask("/wallet", {"wallet": wallet or self.address, "proof": proof}, 201)

    async def prove(self) -> Any:
        asked = await self.challenge()
        return await self.ask("/proof", {"nonce": asked["nonce"], "signed": self.sign(asked["content"])})

    def sign(self, content: str) -> str:
        return str(self.wallet.sign_message(content.encode()))

    async def accept(self) -> Any:
        return await self.ask("/terms", {"terms": "1", "privacy": "1"})

    async def go_through(self) -> Any:
        await fund(self._box, self.address)
        await self.prove()
        await self.accept()
        await self.ask("/identity", {})
        return await self.ask("/finish", {})


async def fund(box: Box, address: str) -> None:
    """Give the address a USDC account and SOL."""
    await box.wallet("0", address=address, sol="1")
