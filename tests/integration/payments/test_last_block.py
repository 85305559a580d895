"""A payment ends when all that was issued for it is dead as every node has it, and not a block sooner."""

from pathlib import Path
from typing import Any

import pytest

from app.payments.expiry import Expiry
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.integration.payments.test_races import finish_jobs
from tests.integration.watching.conftest import TWO_NODES
from tests.scene import Scene, open_scene


def expiry(scene: Scene) -> Expiry:
    return Expiry(scene.system, scene.parts)


async def reach_processed(scene: Scene, height: int) -> None:
    """The next block is this one."""
    now = await scene.parts.node.epoch_info("processed")
    scene.devnet.advance_slots(height - now.block_height)


async def fetch_overdue(scene: Scene) -> tuple[dict[str, Any], str, str]:
    """A payment whose time is over, with a wallet and the transaction that it was given before."""
    checkout = await scene.box.checkout()
    wallet, transaction = await scene.fetch(checkout)
    await scene.box.house.rows("UPDATE payments SET expires_at = $1", scene.system.clock.now())
    return checkout, wallet, transaction


async def test_a_payment_in_the_last_block_that_takes_it_is_found_and_resolved_however_overdue_it_is(
    database_url: str, tmp_path: Path
) -> None:
    async with open_scene(database_url, tmp_path) as scene:
        checkout, wallet, transaction = await fetch_overdue(scene)
        await reach_processed(scene, await scene.last_valid())
        await scene.look()
        assert await expiry(scene).expire_overdue() == 0
        assert (await scene.send(wallet, transaction)).status_code == 200
        await scene.look()
        assert await expiry(scene).expire_overdue() == 0
        assert (await scene.box.status(checkout))["status"] == "paid"
        await finish_jobs(scene)
        assert applied(await scene.box.at_shopify(checkout)) == [RESOLVE]
        assert await scene.box.violations() == []


async def test_one_block_later_it_lands_nowhere_and_the_payment_expires_once_that_is_final(
    database_url: str, tmp_path: Path
) -> None:
    async with open_scene(database_url, tmp_path) as scene:
        checkout, wallet, transaction = await fetch_overdue(scene)
        last_valid, margin = await scene.last_valid(), scene.system.settings.dead_margin_blocks
        await reach_processed(scene, last_valid + 1)
        assert (await scene.send(wallet, transaction)).status_code == 422
        for height in (last_valid, last_valid + 1, last_valid + margin):
            await scene.reach_height(height)
            await scene.look()
            assert await expiry(scene).expire_overdue() == 0, height
            assert await scene.value("SELECT fate FROM issued_transactions") == "live"
        await scene.reach_height(last_valid + margin + 1)
        await scene.look()
        assert await expiry(scene).expire_overdue() == 1
        assert (await scene.box.status(checkout))["status"] == "expired"
        assert await scene.value("SELECT fate FROM issued_transactions") == "dead"
        assert await scene.box.violations() == []


@pytest.mark.parametrize("blind", ["rpc", "rpc-b"])
async def test_before_it_expires_all_nodes_are_asked_once_more_and_one_that_knows_a_landing_stops_it(
    database_url: str, tmp_path: Path, blind: str
) -> None:
    async with open_scene(database_url, tmp_path, rpc_urls=TWO_NODES) as scene:
        checkout, wallet, transaction = await fetch_overdue(scene)
        assert (await scene.send(wallet, transaction)).status_code == 200
        # Both nodes lied for long enough: it must never be, and is looked for all the same.
        await scene.box.house.rows("UPDATE issued_transactions SET fate = 'dead', final = true, poll_at = NULL")
        await scene.box.fault(blind, "null_status")
        assert await expiry(scene).expire_overdue() == 0
        assert (await scene.box.status(checkout))["status"] == "stuck"
        assert await scene.value("SELECT stuck_reason FROM payments") == "dead_but_landed"


async def test_while_one_node_does_not_answer_nothing_expires(database_url: str, tmp_path: Path) -> None:
    async with open_scene(database_url, tmp_path, rpc_urls=TWO_NODES) as scene:
        checkout, _, _ = await fetch_overdue(scene)
        await scene.die()
        await scene.box.fault("rpc-b", "status", value=503)
        assert await expiry(scene).expire_overdue() == 0
        assert (await scene.box.status(checkout))["status"] == "pending"
        await scene.box.mend()
        assert await expiry(scene).expire_overdue() == 1
