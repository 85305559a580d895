"""What holds for a payment's transactions holds for a refund's: addresses, rent, trouble, pauses, the ladder."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.jobs.worker import Worker
from app.refunds.resend import resend_stuck_refunds
from tests.box import Box
from tests.house import SHOP
from tests.integration.refunds.test_denying import WHY, deny
from tests.integration.refunds.test_paying import RESOLVE, merchant
from tests.integration.refunds.test_rejecting import REJECT, applied
from tests.scene import Scene, open_scene
from tests.waiting import wait_until


@pytest_asyncio.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_scene(database_url, tmp_path) as opened:
        yield opened
        assert await opened.box.violations() == []


async def opened_refund(scene: Scene, amount: str = "5.00") -> dict[str, Any]:
    checkout = await scene.pay()
    await scene.settle()
    await Worker(scene.system).drain()
    return await scene.box.refund(checkout, amount)


async def test_rent_of_a_refund_comes_back_and_nothing_is_issued_for_it_afterwards(scene: Scene) -> None:
    refund = await opened_refund(scene)
    wallet = await merchant(scene.box)
    await scene.refresh()
    before = await scene.lamports()
    assert (await scene.send(wallet, await scene.box.fetch(wallet, refund["link"]))).status_code == 200
    await scene.settle()
    await Worker(scene.system).drain()
    assert (await scene.box.refund_row(refund))["status"] == "completed"
    await scene.reach_height(await scene.last_valid() + 1)
    for _ in range(2):
        await scene.reclaimer.reclaim()
        await scene.settle()
        await scene.reclaimer.follow()
    assert await scene.value("SELECT count(*) FROM payment_groups WHERE reclaimed_at IS NULL") == 0
    [fee] = await scene.box.house.rows("SELECT sum(fee_lamports) FROM issued_transactions WHERE refund_id IS NOT NULL")
    # The payment's rent came back in the same reclaim, and the reclaim itself has one signature.
    assert await scene.lamports() - before == 890_880 - fee[0] - 5_000


async def test_a_refund_that_landed_and_vanished_is_not_told_of_and_needs_a_person(scene: Scene) -> None:
    refund = await opened_refund(scene)
    wallet = await merchant(scene.box)
    await scene.refresh()
    await scene.box.fault("rpc", "vanish", times=1)
    assert (await scene.send(wallet, await scene.box.fetch(wallet, refund["link"]))).status_code == 200
    await scene.look()
    assert (await scene.box.refund_row(refund))["status"] == "paid"
    # Gone before it is final, and before a worker has told Shopify.
    scene.devnet.advance_slots(30)
    await scene.die()
    row = await scene.box.refund_row(refund)
    assert (row["status"], row["stuck_reason"], row["exception"]) == ("stuck", "vanished", "vanished")
    await Worker(scene.system).drain()
    assert (await scene.box.refund_at_shopify(refund))["mutations"] == []
    assert await resend_stuck_refunds(scene.system) == []
    assert 'settle_alarms_total{reason="refund_vanished"} 1' in (await scene.box.house.public.get("/metrics")).text


async def test_nothing_is_issued_for_a_refund_while_issuing_is_paused(scene: Scene) -> None:
    refund = await opened_refund(scene)
    await scene.box.house.rows(
        "INSERT INTO issuing_pauses (cluster, reason, created_at) VALUES ('live', 'restored', $1)",
        scene.system.clock.now(),
    )
    answer = await scene.box.house.public.post(
        f"/transactions/refund/{refund['row']['id']}", json={"account": await merchant(scene.box)}
    )
    assert (answer.status_code, answer.json()["reason"]) == (503, "refunds_paused")


@pytest.mark.parametrize(("denies", "mutation"), [(False, RESOLVE), (True, REJECT)])
async def test_a_spent_ladder_is_an_alarm_and_one_command_sends_it_again(box: Box, denies: bool, mutation: str) -> None:
    refund = await box.refund(await box.paid())
    await box.fault("shopify", "status", value=503)
    if denies:
        async with box.house.portal(SHOP) as portal:
            assert (await deny(portal, refund, WHY)).status_code == 200
    else:
        assert (await box.pay(await merchant(box), refund["link"])).status_code == 200
        await box.until_refund(refund, "paid")
    for tries in range(1, 17):

        async def tried(tries: int = tries) -> bool:
            return bool(await box.house.rows("SELECT FROM jobs WHERE status = 'waiting' AND attempts >= $1", tries))

        await wait_until(tried, 10, f"{tries} tries failed")
        await box.advance(15_000)
    row = await box.until_refund(refund, "stuck")
    assert row["stuck_reason"] == "retries_spent"
    await box.mend()
    assert await resend_stuck_refunds(box.house.system) == [row["id"]]
    await box.until_refund(refund, "rejected" if denies else "completed")
    assert applied(await box.refund_at_shopify(refund)) == [mutation]
