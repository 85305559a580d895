"""What holds for an order's single-use account holds for a refund's: keys, occupation, reclaim."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.payments.test_races import finish_jobs
from tests.integration.pinning.test_rotation import new_key
from tests.scene import Scene

RENT = 890_880


async def fetch(scene: Scene, wallet: str, refund: dict[str, Any]) -> str:
    answer = await scene.box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": refund["link"]})
    assert answer.status_code == 200, answer.text
    transaction: str = answer.json()["transaction"]
    return transaction


async def open_refund(scene: Scene) -> tuple[dict[str, Any], str]:
    """A refund of a payment that Shopify knows, and a wallet to pay it from."""
    checkout = await scene.pay()
    await scene.settle()
    await finish_jobs(scene)
    return await scene.box.refund(checkout, "5.00"), await scene.box.wallet()


@pytest.mark.rule("B29")
async def test_an_occupied_refund_is_paid_at_its_next_address_and_all_comes_back(scene: Scene) -> None:
    refund, wallet = await open_refund(scene)
    old = await fetch(scene, wallet, refund)
    address = await scene.value("SELECT address FROM payment_groups ORDER BY id DESC LIMIT 1")
    await scene.devnet.airdrop(address, RENT)
    scene.devnet.advance_slots(1)
    path = refund["link"].partition(":")[2]
    asked = await scene.box.outside.post(path, json={"account": await scene.box.wallet()})
    assert (asked.status_code, "again" in asked.json()["message"]) == (503, True)
    await scene.die()
    new = await fetch(scene, wallet, refund)
    assert (await scene.send(wallet, old)).status_code == 422
    assert (await scene.send(wallet, new)).status_code == 200
    await scene.settle()
    assert await scene.value("SELECT status FROM refunds") == "paid"
    await scene.die()
    await scene.reclaim_all()
    assert await scene.value("SELECT count(*) FROM payment_groups WHERE reclaimed_at IS NULL") == 0
    assert await scene.value("SELECT sum(lamports) FROM reclaimed_accounts") == 3 * RENT


@pytest.mark.rule("B30")
async def test_a_refund_keeps_the_key_that_it_was_opened_under(scene: Scene, tmp_path: Path) -> None:
    refund, wallet = await open_refund(scene)
    transaction = await fetch(scene, wallet, refund)
    rotation = await new_key(scene, tmp_path)
    async with scene.restarted(**rotation) as later:
        assert (await later.send(wallet, transaction)).status_code == 200
        await later.settle()
        assert await scene.value("SELECT status FROM refunds") == "paid"
        await later.die()
        assert await later.reclaimer.reclaim() == 1
        assert await scene.value("SELECT count(*) FROM reclaimed_accounts") == 2
