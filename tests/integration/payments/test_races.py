"""Four transactions of one order race: one lands, every time, and everybody else is told so and led home."""

import asyncio
import random
import secrets
from pathlib import Path
from typing import Any

import pytest

from app.jobs.worker import Worker
from tests.conftest import Scale
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.scene import Scene, open_scene
from tests.waiting import wait_until

# After so many slots a wallet that asks again gets a new transaction, and the old one can still land.
REUSE_OVER = 115


async def issue_four(scene: Scene, orders: tuple[dict[str, Any], dict[str, Any]]) -> list[tuple[str, str]]:
    """Wallets with transactions of two sessions of an order: two wallets, one of them twice, one after a restart."""
    first, second = orders
    wallet, old = await scene.offer(first)
    other = await scene.offer(second)
    scene.devnet.advance_slots(REUSE_OVER)
    await scene.refresh()
    _, new = await scene.offer(first, wallet)
    assert new != old, await scene.box.house.rows("SELECT * FROM issued_transactions ORDER BY id DESC LIMIT 3")
    async with scene.restarted() as later:
        after_restart = await later.offer(random.choice(orders))
    four = [(wallet, old), other, (wallet, new), after_restart]
    assert len({transaction for _, transaction in four}) == 4
    return four


async def race(scene: Scene, four: list[tuple[str, str]]) -> None:
    """Send them all at once past every check, and let them become final."""
    answers = await asyncio.gather(*(scene.send_raw(*one) for one in random.sample(four, k=4)))
    assert all("result" in answer for answer in answers), answers
    scene.devnet.advance_slots(1)
    await scene.settle()


async def finish_jobs(scene: Scene) -> None:
    """Tell Shopify everything that it is owed."""
    stop = asyncio.Event()
    working = asyncio.create_task(Worker(scene.system).run(stop))

    async def are_told() -> bool:
        return not await scene.value("SELECT count(*) FROM payments WHERE status = 'paid'")

    await wait_until(are_told, 60, "Shopify knows of all that is paid")
    stop.set()
    await working


@pytest.mark.rule("B06")
@pytest.mark.timeout(600)
async def test_exactly_one_of_four_competing_transactions_lands_and_its_siblings_lead_home(
    database_url: str, tmp_path: Path, scale: Scale
) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    random.seed(seed)
    rounds: list[tuple[dict[str, Any], dict[str, Any]]] = []
    async with open_scene(database_url, tmp_path) as scene:
        for _ in range(scale.pick(10, 200)):
            first = await scene.box.checkout("1.00")
            orders = first, await scene.box.checkout("1.00", group=first["group"])
            await race(scene, await issue_four(scene, orders))
            ids = [order["payment"] for order in orders]
            rows = await scene.box.house.rows(
                "SELECT fate, count(*) FROM issued_transactions WHERE payment_id = ANY($1) GROUP BY 1", ids
            )
            assert {row["fate"]: row["count"] for row in rows} == {"landed": 1, "failed": 3}
            statuses = {order["payment"]: (await scene.box.status(order))["status"] for order in orders}
            assert sorted(statuses.values()) == ["paid", "superseded"]
            winner, loser = sorted(orders, key=lambda order: statuses[order["payment"]])
            page = await scene.box.status(loser)
            assert (page["stage"], page["back_url"].startswith(scene.box.world.url)) == ("already_paid", True)
            rounds.append((winner, loser))
        await finish_jobs(scene)
        await scene.die()
        await scene.reclaim_all()
        assert await scene.value("SELECT count(*) FROM payment_groups WHERE reclaimed_at IS NULL") == 0
        for winner, loser in rounds:
            await check_ends(scene, winner, loser)
        # What was paid is what was asked for, once for each order.
        assert await scene.value("SELECT sum(usdc) FROM issued_transactions WHERE fate = 'landed'") == 10**6 * len(
            rounds
        )
        assert await scene.box.violations() == []


async def check_ends(scene: Scene, winner: dict[str, Any], loser: dict[str, Any]) -> None:
    """The winner was resolved once, the loser never; both lead home, and so does a session that arrives now."""
    known = await scene.box.at_shopify(winner)
    assert (known["state"], applied(known)) == ("resolved", [RESOLVE])
    assert (await scene.box.at_shopify(loser))["mutations"] == []
    late = await scene.box.checkout("1.00", group=winner["group"])
    for session in (loser, late):
        page = await scene.box.status(session)
        assert (page["status"], page["stage"]) == ("superseded", "already_paid")
        assert page["back_url"] == known["next_url"]
        html = (await scene.box.house.public.get(f"/pay/{session['payment']}")).text
        assert page["message"] in html
        assert page["back_url"] in html.replace("&amp;", "&")
        wallet = await scene.box.wallet()
        path = f"/transactions/payment/{session['payment']}"
        refused = await scene.box.house.public.post(path, json={"account": wallet})
        assert (refused.status_code, refused.json()["reason"]) == (409, "order_already_paid")
