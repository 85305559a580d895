"""What an operator reads of the fee payers: figures that add up to the lamport, for live and test apart."""

import asyncio
import json
import os
import pty
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from solders.keypair import Keypair

from app.fees import read_locked, read_spending
from app.former_keys import KeyNeeded, KeyUnknown, Role, list_keys, move_funds
from app.records import Cluster
from tests.scene import Scene, open_scene

RENT, FEE, RECLAIM_FEE, SOL = 890_880, 10_000, 5_000, 10**9
SETTLE = Path(sys.executable).with_name("settle")


@pytest_asyncio.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_scene(database_url, tmp_path) as opened:
        yield opened


async def settle(scene: Scene, *arguments: str, terminal: bool = False) -> list[str]:
    """What `settle` prints; to a terminal where one is wanted."""
    environment = scene.box.world.environment(scene.system.settings.database_url)
    ours, theirs = pty.openpty() if terminal else (None, asyncio.subprocess.PIPE)
    started = await asyncio.create_subprocess_exec(
        SETTLE, *arguments, env={"PATH": os.environ["PATH"], **environment}, stdout=theirs
    )
    if ours is None:
        printed, _ = await started.communicate()
    else:
        await started.wait()
        os.close(theirs)
        printed = await asyncio.to_thread(os.read, ours, 65_536)
        os.close(ours)
    assert started.returncode == 0
    return printed.decode().replace("\r\n", "\n").splitlines()


async def test_fees_are_told_by_day_and_cluster_and_add_up_to_what_the_fee_payer_lost(scene: Scene) -> None:
    before = await scene.lamports()
    for _ in range(2):
        await scene.pay()
    # One fails on the chain, one is never sent; neither is a payment, and only the first costs.
    failing = await scene.box.checkout()
    wallet, transaction = await scene.fetch(failing)
    await scene.fetch(await scene.box.checkout())
    [row] = await scene.box.house.rows(
        "SELECT address FROM payment_groups WHERE id = (SELECT max(id) - 1 FROM payment_groups)"
    )
    await scene.devnet.airdrop(row["address"], RENT)
    assert "result" in await scene.send_raw(wallet, transaction)
    await scene.settle()
    [day, total] = await read_spending(scene.system, 1)
    assert (day.payments, day.failed, day.spent, day.locked, day.returned) == (2, 1, 3 * FEE, 2 * RENT, 0)
    assert await read_locked(scene.system) == {Cluster.live: 2 * RENT, Cluster.test: 0}
    assert before - await scene.lamports() == day.spent + day.locked
    await scene.die()
    await scene.box.advance(24 * 3_600)
    assert await scene.reclaimer.reclaim() == 1
    await scene.settle()
    await scene.reclaimer.follow()
    first, second, total = await read_spending(scene.system, 2)
    assert (first.spent, first.returned, second.spent, second.returned) == (3 * FEE, 0, RECLAIM_FEE, 2 * RENT)
    assert before - await scene.lamports() == total.spent == 3 * FEE + RECLAIM_FEE
    assert (total.day, str(total.per_payment)) == (None, "17500.0")
    assert await read_locked(scene.system) == {Cluster.live: 0, Cluster.test: 0}
    # Yesterday alone is not shown when only today is asked for.
    assert [shown.day for shown in await read_spending(scene.system, 1)] == [second.day, None]


async def test_the_command_prints_lines_of_json_and_on_a_terminal_a_table(scene: Scene) -> None:
    assert await settle(scene, "fees") == []
    assert await settle(scene, "fees", terminal=True) == ["nothing yet"]
    await scene.pay()
    await scene.settle()
    day, total = (json.loads(line) for line in await settle(scene, "fees"))
    assert day == {
        "day": f"{scene.system.clock.now():%Y-%m-%d}",
        "cluster": "live",
        "payments": 1,
        "refunds": 0,
        "failed": 0,
        "spent_lamports": FEE,
        "locked_lamports": RENT,
        "returned_lamports": 0,
        "lamports_per_payment": "10000.0",
        "locked_now_lamports": None,
    }
    assert (total["day"], total["locked_now_lamports"]) == ("all", RENT)
    heading, *lines = await settle(scene, "fees", terminal=True)
    assert heading.split("  ")[0] == "day"
    assert "10,000.0" in lines[0]
    assert [line.split()[0] for line in lines] == [day["day"], "all"]
    [live, test] = [json.loads(line) for line in await settle(scene, "fee-payers", "list")]
    assert (live["role"], live["orders_with_rent"], test["cluster"]) == ("today", 1, "test")


async def test_a_former_key_gives_up_its_sol_when_it_is_done_and_a_leaked_one_at_once(
    scene: Scene, tmp_path: Path
) -> None:
    await scene.box.checkout()
    old = str(scene.parts.fee_payer.address)
    file, new = tmp_path / "new.json", Keypair()
    file.write_text(json.dumps(list(bytes(new))))
    rotation: dict[str, Any] = {"fee_payer": str(file), "former_fee_payers": (scene.system.settings.fee_payer,)}
    async with scene.restarted(**rotation) as later:
        with pytest.raises(KeyNeeded, match="1 open order"):
            await move_funds(later.system, old)
        for nobody in (str(new.pubkey()), str(Keypair().pubkey())):
            with pytest.raises(KeyUnknown):
                await move_funds(later.system, nobody)
        roles = {key.address: (key.role, key.open) async for key in list_keys(later.system)}
        assert roles[old] == (Role.former, 1)
    async with scene.restarted(**rotation, leaked_fee_payers=(old,)) as later:
        had = await scene.lamports(old)
        moving = asyncio.create_task(move_funds(later.system, old))
        while not moving.done():
            await asyncio.sleep(0.05)
            scene.devnet.advance_slots(1)
        moved = await moving
        assert moved is not None
        assert moved[1] == had - RECLAIM_FEE
        assert (await scene.lamports(old), await later.lamports()) == (0, moved[1])
        assert await move_funds(later.system, old) is None
        keys = [key async for key in list_keys(later.system) if key.address == old]
        assert [(key.role, key.lamports) for key in keys] == [(Role.leaked, 0)]
    async with scene.restarted(fee_payer=str(file)) as later:
        # Its order is open, and no setting names it any more.
        assert (old, Role.absent) in [(key.address, key.role) async for key in list_keys(later.system)]
