"""Rent comes back, all of it, and never so early that an order can be paid twice."""

import base64
import dataclasses
from typing import Any

import asyncpg
import pytest
from solders.pubkey import Pubkey

from app.transactions.reclaim import Reclaimer
from chain.reclaim import ACCOUNTS_PER_RECLAIM, Locked, may_reclaim, sign_reclaim
from chain.single_use import SingleUse
from tests.scene import Scene

FEE, RECLAIM_FEE = 10_000, 5_000


async def send_raw(scene: Scene, wire: bytes) -> dict[str, Any]:
    """Send past every check of ours."""
    params = [base64.b64encode(wire).decode(), {"encoding": "base64", "skipPreflight": True}]
    body = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": params}
    answer: dict[str, Any] = (await scene.box.outside.post("/sandbox/rpc", json=body)).json()
    return answer


def make_dying(scene: Scene) -> Reclaimer:
    """The reclaimer of a process that dies between storing and sending: what it sends goes nowhere."""
    node = scene.parts.node

    class Cut:
        def __getattr__(self, name: str) -> Any:
            return getattr(node, name)

        async def send_transaction(self, transaction: bytes) -> str:
            return ""

    return Reclaimer(scene.box.house.system, dataclasses.replace(scene.parts, node=Cut()))  # type: ignore[arg-type]


@pytest.mark.rule("R01")
@pytest.mark.parametrize(("blocks", "is_paid_twice"), [(149, True), (150, True), (151, False)])
async def test_why_it_may_not_be_early_until_the_blockhash_has_ended_a_second_payment_lands(
    scene: Scene, blocks: int, is_paid_twice: bool
) -> None:
    checkout = await scene.box.checkout()
    first, second = await scene.fetch(checkout), await scene.fetch(checkout)
    issued_at = await scene.last_valid() - 150
    assert (await scene.send(*first)).status_code == 200
    # Emptied behind Settle's back, so many blocks after the blockhash.
    scene.devnet.advance_slots(issued_at + blocks - (await scene.parts.node.epoch_info("processed")).block_height)
    [row] = await scene.box.house.rows("SELECT seed, address FROM payment_groups")
    address = Pubkey.from_string(row["address"])
    locked = Locked(SingleUse(scene.parts.fee_payer.address, row["seed"], address), 890_880)
    blockhash = await scene.parts.node.latest_blockhash("processed")
    reclaim = await sign_reclaim(scene.parts.fee_payer, scene.parts.fee_payer, [locked], blockhash.hash)
    assert "result" in await send_raw(scene, reclaim.wire)
    late = await scene.send(*second)
    assert (late.status_code == 200) is is_paid_twice, late.text


@pytest.mark.rule("R01")
async def test_rent_is_taken_back_at_the_first_finalized_block_past_everything_issued(scene: Scene) -> None:
    checkout = await scene.box.checkout()
    paying = await scene.fetch(checkout)
    scene.devnet.advance_slots(20)
    await scene.refresh()
    # Another session of the same order got the youngest transaction: its life counts, not the paying one's.
    sibling = await scene.box.checkout(group=checkout["group"])
    later = await scene.fetch(sibling)
    assert (await scene.send(*paying)).status_code == 200
    await scene.settle()
    last_valid = await scene.last_valid()
    for height in (last_valid - 1, last_valid):
        await scene.reach_height(height)
        assert await scene.reclaimer.reclaim() == 0, height
    await scene.reach_height(last_valid + 1)
    assert await scene.reclaimer.reclaim() == 1
    assert (await scene.send(*later)).status_code == 422
    await scene.settle()
    await scene.reclaimer.follow()
    assert await scene.value("SELECT fate FROM reclaims") == "landed"
    assert await scene.value("SELECT reclaimed_at FROM payment_groups") is None
    assert await scene.reclaimer.reclaim() == 0
    assert await scene.value("SELECT reclaimed_at FROM payment_groups") is not None
    assert await scene.box.violations() == []


@pytest.mark.rule("R01")
async def test_a_payment_that_is_not_final_keeps_its_rent_where_it_is(scene: Scene) -> None:
    await scene.box.fault("rpc", "hold_finality")
    await scene.pay()
    scene.devnet.advance_slots(400)
    await scene.watcher.poll()
    await scene.watcher.finish()
    assert await scene.value("SELECT winner_id FROM payment_groups") is not None
    assert await scene.reclaimer.reclaim() == 0


@pytest.mark.rule("R01")
def test_the_greatest_height_counts_and_no_height_decides_nothing() -> None:
    assert may_reclaim([10, 30, 20], 63, 32)
    assert not may_reclaim([10, 30, 20], 62, 32)
    with pytest.raises(ValueError, match="empty"):
        may_reclaim([], 1_000, 0)


@pytest.mark.rule("R03")
@pytest.mark.rule("R04")
async def test_all_locked_rent_comes_back_and_a_payment_costs_at_most_its_fee_and_a_ninth_of_a_reclaim(
    scene: Scene,
) -> None:
    payments = 2 * ACCOUNTS_PER_RECLAIM
    before = await scene.lamports()
    for _ in range(payments):
        await scene.pay()
    locked = before - await scene.lamports() - payments * FEE
    assert locked == payments * 890_880
    await scene.settle()
    scene.devnet.advance_slots(200)
    assert await scene.reclaimer.reclaim() == 2
    await scene.settle()
    await scene.reclaimer.follow()
    assert await scene.reclaimer.reclaim() == 0
    cost = before - await scene.lamports()
    assert cost == payments * FEE + 2 * RECLAIM_FEE
    print(f"lamports a payment that never come back: {cost / payments:.1f}; rent returned: {locked} of {locked}")
    assert cost / payments <= 10_600
    assert await scene.value("SELECT sum(lamports) FROM reclaimed_accounts") == locked
    assert await scene.value("SELECT count(*) FROM payment_groups WHERE reclaimed_at IS NULL") == 0


@pytest.mark.rule("R03")
async def test_what_was_stored_and_never_sent_is_sent_after_a_crash_and_only_once(scene: Scene) -> None:
    await scene.pay()
    await scene.settle()
    scene.devnet.advance_slots(200)
    dying = make_dying(scene)
    assert await dying.reclaim() == 1
    assert await scene.value("SELECT count(*) FROM reclaims WHERE fate = 'live'") == 1
    # Its group is taken: nothing else is sent for it.
    assert await scene.reclaimer.reclaim() == 0
    await scene.reclaimer.follow()
    await scene.settle()
    await scene.reclaimer.follow()
    assert await scene.value("SELECT fate FROM reclaims") == "landed"
    assert await scene.reclaimer.reclaim() == 0
    assert await scene.value("SELECT count(*) FROM reclaims") == 1


@pytest.mark.rule("R03")
async def test_a_reclaim_that_died_is_made_anew(scene: Scene) -> None:
    await scene.pay()
    await scene.settle()
    scene.devnet.advance_slots(200)
    assert await make_dying(scene).reclaim() == 1
    # It was never sent, and now no block takes it any more.
    scene.devnet.advance_slots(300)
    await scene.reclaimer.follow()
    assert await scene.value("SELECT fate FROM reclaims") == "dead"
    before = await scene.lamports()
    assert await scene.reclaimer.reclaim() == 1
    assert await scene.lamports() == before + 890_880 - RECLAIM_FEE


@pytest.mark.rule("R02")
async def test_a_session_that_arrives_after_the_reclaim_says_already_paid_and_nothing_can_be_issued(
    scene: Scene,
) -> None:
    checkout = await scene.pay()
    await scene.settle()
    scene.devnet.advance_slots(200)
    assert await scene.reclaimer.reclaim() == 1
    await scene.settle()
    await scene.reclaimer.follow()
    await scene.reclaimer.reclaim()
    late = await scene.box.checkout(group=checkout["group"])
    assert (await scene.box.status(late))["status"] == "superseded"
    wallet = await scene.box.wallet()
    for link in (late, checkout):
        answer = await scene.box.house.public.post(f"/transactions/payment/{link['payment']}", json={"account": wallet})
        assert (answer.status_code, answer.json()["reason"]) == (409, "order_already_paid")
    # And should anybody forget to ask, the database refuses.
    columns = (
        "payment_id, group_id, group_version, seed, single_use, wallet, fee_payer, usdc, blockhash, blockhash_slot, "
        "last_valid_block_height, message, fate, final, poll_at, created_at, updated_at, fee_lamports, rent_lamports"
    )
    with pytest.raises(asyncpg.RestrictViolationError, match="reclaimed"):
        await scene.box.house.rows(
            f"INSERT INTO issued_transactions (signature, {columns}) SELECT repeat('5', 88), {columns} "
            "FROM issued_transactions"
        )


@pytest.mark.rule("R03")
async def test_a_lamport_more_in_an_account_stops_no_reclaim(scene: Scene) -> None:
    await scene.pay()
    [row] = await scene.box.house.rows("SELECT address FROM payment_groups")
    await scene.devnet.airdrop(row["address"], 1_000)
    await scene.settle()
    scene.devnet.advance_slots(200)
    before = await scene.lamports()
    assert await scene.reclaimer.reclaim() == 1
    assert await scene.lamports() == before - RECLAIM_FEE + 890_880 + 1_000


@pytest.mark.rule("R03")
async def test_a_full_round_is_followed_by_the_next_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.transactions.reclaim.ROUND_MAX", 4)
    for _ in range(10):
        await scene.pay()
    await scene.settle()
    await scene.die()
    assert await scene.reclaimer.reclaim() == 3
    await scene.settle()
    await scene.reclaimer.follow()
    assert await scene.reclaimer.reclaim() == 0
    assert await scene.value("SELECT count(*) FROM payment_groups WHERE reclaimed_at IS NULL") == 0
