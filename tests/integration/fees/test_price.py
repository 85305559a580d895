"""What one transaction may cost is capped by settings, and one shop's budget is its own."""

from pathlib import Path

import pytest
from solders.transaction import Transaction

from app.transactions.refusals import IssuingPaused
from chain.fees import transaction_fee
from tests.box import open_box
from tests.scene import Scene, open_scene
from tests.waiting import wait_until

FEE = 10_000
LIMIT_TAG, PRICE_TAG = 2, 3


async def bid(scene: Scene) -> tuple[int, int, int]:
    """Of a transaction just issued: its limit of compute units, the price of one, and its fee by our records."""
    await scene.offer(await scene.box.checkout())
    [row] = await scene.box.house.rows("SELECT message, fee_lamports FROM issued_transactions ORDER BY id DESC LIMIT 1")
    limit, price, *_ = (bytes(one.data) for one in Transaction.from_bytes(row["message"]).message.instructions)
    assert (limit[0], price[0]) == (LIMIT_TAG, PRICE_TAG)
    return int.from_bytes(limit[1:], "little"), int.from_bytes(price[1:], "little"), row["fee_lamports"]


@pytest.mark.rule("F01")
@pytest.mark.parametrize(("asked", "expected"), [(None, 0), (1_234, 1_234), (10**9, 5_000)])
async def test_the_bid_follows_the_network_up_to_the_setting_and_is_what_is_charged(
    database_url: str, tmp_path: Path, asked: int | None, expected: int
) -> None:
    settings = {"compute_unit_limit": 15_000, "compute_unit_price_max": 5_000}
    async with open_scene(database_url, tmp_path, **settings) as scene:
        if asked is not None:
            # The price is kept for some seconds: a new process asks for it.
            await scene.box.fault("rpc", "priority_fee", value=asked)
        async with scene.restarted() as later:
            limit, price, fee = await bid(later)
            assert (limit, price, fee) == (15_000, expected, transaction_fee(2, 15_000, expected))
            before = await later.lamports()
            await later.send(*await later.offer(await scene.box.checkout()))
            assert before - await later.lamports() == fee + 890_880


@pytest.mark.rule("F03")
async def test_one_shop_that_spends_its_budget_stops_no_other(database_url: str, tmp_path: Path) -> None:
    async with open_scene(database_url, tmp_path, spend_shop_lamports_max=2 * FEE) as scene:
        await scene.box.house.rows(
            """INSERT INTO merchants (shop, display_name, status, wallet, token_sealed, created_at, updated_at)
            SELECT 'other.myshopify.com', 'Other', status, wallet, token_sealed, now(), now() FROM merchants"""
        )
        for _ in range(2):
            await scene.offer(await scene.open())
        with pytest.raises(IssuingPaused):
            await scene.offer(await scene.open())
        for _ in range(2):
            await scene.offer(await scene.open("other.myshopify.com"))
        with pytest.raises(IssuingPaused):
            await scene.offer(await scene.open("other.myshopify.com"))


async def test_a_low_balance_is_seen_in_the_metrics_and_readiness_before_anything_stops(
    database_url: str, tmp_path: Path
) -> None:
    async with open_box(database_url, tmp_path, fee_payer_low_lamports=11 * 10**9) as box:

        async def is_seen() -> bool:
            text = (await box.house.public.get("/metrics")).text
            readiness = (await box.house.public.get("/ready")).json()
            return 'settle_fee_payer_lamports{cluster="live"} 1e+10' in text and readiness["status"] == "degraded"

        await wait_until(is_seen, 20, "the balance is told")
        checkout = await box.checkout()
        assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
        await box.until_status(checkout, "completed")
