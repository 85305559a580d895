"""The npm libraries of wallets and shops, unchanged, against the devnet."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from solana.rpc.async_api import AsyncClient
from solders.keypair import Keypair

from app.sandbox.clock import VirtualClock
from app.sandbox.devnet import Devnet
from app.sandbox.faults import Faults
from tests.acceptance.interop.node import run_node, secret_of
from tests.integration.devnet.conftest import serving
from tests.integration.devnet.running import SOL, Running
from tests.integration.devnet.shop import Shop


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A ticking devnet, and a merchant's application beside it."""
    faults = Faults()
    devnet = Devnet("live", tmp_path, VirtualClock(tmp_path / "clock"), faults, slot_ms=50)
    await devnet.start()
    async with AsyncClient("http://127.0.0.1:1") as unused:
        running = Running(devnet, "", unused, faults)
        shop = Shop(running, Keypair().pubkey(), await running.rich_key())
        await devnet.fund_usdc(str(shop.merchant), 0)
        async with serving([*devnet.routes, *shop.routes]) as origin:
            running.url = f"{origin}/sandbox/rpc"
            yield shop
            await devnet.stop()


async def test_web3_js_reads_sends_confirms_and_listens(shop: Shop) -> None:
    running = shop.running
    customer = await running.rich_key(sol=10, usdc=12_500_000)
    saw = await run_node(
        "web3js.mjs", running.url, running.websocket_url, secret_of(bytes(customer)), running.devnet.usdc_mint
    )
    failure = saw.pop("failure")
    assert saw == {
        "balance": 10 * SOL,
        "rent": 890_880,
        "usdc": "12.5",
        "confirmed": None,
        "parsed": "transfer",
        "status": None,
        "history": [True],
        "fee": 5000,
        "simulated": None,
        "finalized": None,
        "version": 0,
        "airdrop": None,
        "accounts": [2 * SOL + 5, None],
        "epoch": ["absoluteSlot", "blockHeight", "epoch", "slotIndex", "slotsInEpoch", "transactionCount"],
        "version_of_node": "string",
    }
    assert failure["known"]
    assert "custom program error: 0x1" in failure["message"]
    assert failure["logs"] == 3


async def test_kit_reads_sends_confirms_and_listens(shop: Shop) -> None:
    running = shop.running
    customer = await running.rich_key(sol=10, usdc=7)
    saw = await run_node(
        "kit.mjs", running.url, running.websocket_url, secret_of(bytes(customer)), running.devnet.usdc_mint
    )
    failure = saw.pop("failure")
    assert saw == {
        "slot": "bigint",
        "balance": str(10 * SOL),
        "usdc": "0.000007",
        "valid": True,
        "logs": True,
        "version": 0,
        "parsed": "transfer",
        "status": "finalized",
        "history": 2,
        "target": str(4 * SOL + 2_000_000),
        "decimals": 6,
        "height": "bigint",
    }
    assert failure["known"]
    assert failure["logs"] == 3


@pytest.mark.parametrize("script", ["pay-0.mjs", "pay-1.mjs"])
async def test_solana_pay_fetches_signs_finds_and_validates(shop: Shop, script: str) -> None:
    running = shop.running
    customer = await running.rich_key(sol=0, usdc=5_000_000)
    wanted = {
        "link": "solana:https://shop.example/shop/pay",
        "origin": running.url.removesuffix("/sandbox/rpc"),
        "rpc": running.url,
        "websocket": running.websocket_url,
        "secret": list(bytes(customer)),
        "customer": str(customer.pubkey()),
        "recipient": str(shop.merchant),
        "amount": "1",
        "mint": running.devnet.usdc_mint,
        "memo": None,
        "reference": None,
    }
    saw = await run_node(script, json.dumps(wanted))
    assert saw["label"] == "Shop"
    assert saw["err"] is None
    assert saw["found"] == saw["signature"]
    assert saw["refused"] == {"amount": True, "memo": True, "recipient": True, "reference": True}
    assert (await running.devnet.balances(str(shop.merchant)))[0] == 1_000_000
