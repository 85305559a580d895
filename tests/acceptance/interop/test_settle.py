"""The npm packages @solana/pay, unchanged, paying through Settle: fetched, signed, found and validated by them."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from solders.keypair import Keypair

from tests.acceptance.interop.node import run_node
from tests.box import open_box


@pytest.mark.parametrize("script", ["pay-0.mjs", "pay-1.mjs"])
async def test_solana_pay_pays_a_shopify_checkout(database_url: str, tmp_path: Path, script: str) -> None:
    async with open_box(database_url, tmp_path, slot_ms=100) as box:
        checkout = await box.checkout("1.00")
        customer = Keypair()
        await box.wallet("5", address=str(customer.pubkey()))
        merchant = json.loads((tmp_path / "keys" / "merchant.json").read_text())
        settings = box.house.settings
        rpc = settings.rpc_urls[0]
        wanted = {
            # parseURL takes https only; the script then asks the origin.
            "link": checkout["link"].replace("http://", "https://"),
            "origin": settings.public_url,
            "rpc": rpc,
            "websocket": rpc.replace("http://", "ws://") + "/ws",
            "secret": list(bytes(customer)),
            "customer": str(customer.pubkey()),
            "recipient": str(Keypair.from_bytes(bytes(merchant)).pubkey()),
            "amount": "1",
            "mint": settings.usdc_mint,
            "memo": None,
            "reference": None,
        }
        assert urlsplit(checkout["link"].removeprefix("solana:")).query == ""
        saw = await run_node(script, json.dumps(wanted))
        assert saw["label"] == "Settle Sandbox Store"
        assert saw["err"] is None
        assert saw["found"] == saw["signature"]
        assert all(saw["refused"].values())
        await box.until_status(checkout, "completed")
        assert await box.violations() == []
