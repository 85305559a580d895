"""A merchant's application for wallets to meet: it answers as a test tells it to."""

import base64
from dataclasses import dataclass, field
from typing import Any

from solders.keypair import Keypair
from solders.message import Message, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.integration.devnet.running import Running, memo

ICON = '<svg xmlns="http://www.w3.org/2000/svg"/>'


@dataclass
class Shop:
    """Sells for one USDC. Every part of its answers can be made wrong."""

    running: Running
    merchant: Pubkey
    fee_payer: Keypair
    shown: dict[str, Any] = field(default_factory=dict)
    offered: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    icon_type: str = "image/svg+xml"
    transaction: VersionedTransaction | None = None

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            Route("/shop/pay", self._describe, methods=["GET"]),
            Route("/shop/pay", self._offer, methods=["POST"]),
            Route("/shop/icon", self._icon),
        ]

    async def _describe(self, request: Request) -> Response:
        icon = str(request.url).replace("/pay", "/icon")
        return JSONResponse({"label": "Shop", "icon": icon} | self.shown)

    async def _icon(self, _: Request) -> Response:
        return Response(ICON, media_type=self.icon_type)

    async def _offer(self, request: Request) -> Response:
        account = Pubkey.from_string((await request.json())["account"])
        tx = self.transaction or self.sell(account)
        body = {"transaction": base64.b64encode(bytes(tx)).decode(), "message": "Thank you"} | self.offered
        return JSONResponse(body, self.status)

    def sell(self, customer: Pubkey, *signers: Keypair, payer: Pubkey | None = None) -> VersionedTransaction:
        """A transaction for this customer, signed by these (by default by the fee payer)."""
        pay = self.running.usdc_transfer(customer, self.merchant, 1_000_000, Keypair().pubkey())
        message = Message.new_with_blockhash(
            [memo("an order"), pay], payer or self.fee_payer.pubkey(), self.running.confirmed_blockhash()
        )
        return sign_partly(message, *(signers or (self.fee_payer,)))


def sign_partly(message: Message, *signers: Keypair) -> VersionedTransaction:
    """The transaction with these signatures, the others missing."""
    by_key = {key.pubkey(): key.sign_message(to_bytes_versioned(message)) for key in signers}
    needed = message.account_keys[: message.header.num_required_signatures]
    return VersionedTransaction.populate(message, [by_key.get(key, Signature.default()) for key in needed])
