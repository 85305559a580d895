"""Keys change while orders are open: what was begun is finished, nothing is paid twice, and all rent comes back."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair

from app.payments.refusals import PaymentInPreparation
from app.settings import SettingsInvalid
from chain.errors import OwnAddress
from tests.scene import Scene

RENT, FEE, SOL = 890_880, 10_000, 10**9


async def new_key(scene: Scene, folder: Path) -> dict[str, Any]:
    """The settings of a rotation: a new key with SOL, and the old one among those of the past."""
    file = folder / f"{secrets.token_hex(4)}.json"
    key = Keypair()
    file.write_text(json.dumps(list(bytes(key))))
    await scene.devnet.airdrop(str(key.pubkey()), SOL)
    scene.devnet.advance_slots(1)
    return {"fee_payer": str(file), "former_fee_payers": (scene.system.settings.fee_payer,)}


def address(scene: Scene) -> str:
    return str(scene.parts.fee_payer.address)


async def payers(scene: Scene) -> list[str]:
    rows = await scene.box.house.rows("SELECT fee_payer FROM issued_transactions ORDER BY id")
    return [row["fee_payer"] for row in rows]


@pytest.mark.rule("R03")
async def test_open_orders_keep_their_key_new_ones_take_todays_and_all_rent_comes_to_todays(
    scene: Scene, tmp_path: Path
) -> None:
    untouched, asked = await scene.box.checkout(), await scene.box.checkout()
    handed_out = await scene.fetch(asked)
    old = address(scene)
    async with scene.restarted(**await new_key(scene, tmp_path)) as later:
        new = address(later)
        fresh = await later.open()
        assert (await later.send(*handed_out)).status_code == 200
        for checkout in (untouched, fresh):
            assert (await later.send(*await later.offer(checkout))).status_code == 200
        assert await payers(scene) == [old, old, new]
        await later.settle()
        assert await scene.value("SELECT count(*) FROM payments WHERE status = 'paid'") == 3
        await later.die()
        before = await later.lamports()
        # One for each base: the old key signs for its own, and today's pays.
        assert await later.reclaimer.reclaim() == 2
        assert await later.lamports() == before + 3 * RENT - 5_000 - 10_000
        await later.settle()
        await later.reclaimer.follow()
        assert await later.reclaimer.reclaim() == 0
    assert await scene.value("SELECT count(*) FROM payment_groups WHERE reclaimed_at IS NULL") == 0


@pytest.mark.rule("B12")
async def test_keys_of_the_past_are_refused_as_customers_though_no_setting_names_them_any_more(
    scene: Scene, tmp_path: Path
) -> None:
    checkout = await scene.box.checkout()
    old = address(scene)
    rotation = await new_key(scene, tmp_path)
    async with scene.restarted(**rotation) as later:
        with pytest.raises(OwnAddress):
            await later.offer(checkout, old)
    async with scene.restarted(**(rotation | {"former_fee_payers": ()})) as later:
        with pytest.raises(OwnAddress):
            await later.offer(checkout, old)
        # The order is pinned to another base now; the old one is still refused.
        await later.offer(checkout)
        assert await scene.value("SELECT base FROM payment_groups") == address(later)
        with pytest.raises(OwnAddress):
            await later.offer(checkout, old)


@pytest.mark.rule("B29")
@pytest.mark.rule("B30")
@pytest.mark.parametrize("is_here", [True, False])
async def test_a_leaked_key_issues_nothing_more_and_its_orders_move_once_what_it_signed_is_dead(
    scene: Scene, tmp_path: Path, is_here: bool
) -> None:
    checkout, untouched = await scene.box.checkout(), await scene.box.checkout()
    wallet, handed_out = await scene.fetch(checkout)
    leaked = {"leaked_fee_payers": (address(scene),)}
    rotation = await new_key(scene, tmp_path) | leaked
    if not is_here:
        rotation["former_fee_payers"] = ()
    async with scene.restarted(**rotation) as later:
        # The wallet does not even get again what it has.
        for asking in (wallet, None):
            with pytest.raises(PaymentInPreparation):
                await later.offer(checkout, asking)
        # Nothing was issued for the other one, so it moves at once.
        assert (await later.send(*await later.offer(untouched))).status_code == 200
        await later.die()
        paying = await later.offer(checkout)
        assert (await later.send(wallet, handed_out)).status_code == 422
        assert (await later.send(*paying)).status_code == 200
        await later.settle()
        assert (await payers(scene))[1:] == [address(later)] * 2
        assert await scene.value("SELECT count(*) FROM payments WHERE status = 'paid'") == 2


@pytest.mark.rule("B30")
async def test_what_a_leaked_key_signed_before_still_settles_and_its_rent_comes_to_todays(
    scene: Scene, tmp_path: Path
) -> None:
    checkout = await scene.box.checkout()
    handed_out = await scene.fetch(checkout)
    old = address(scene)
    async with scene.restarted(**(await new_key(scene, tmp_path) | {"leaked_fee_payers": (old,)})) as later:
        assert (await later.send(*handed_out)).status_code == 200
        await later.settle()
        assert (await scene.box.status(checkout))["status"] == "paid"
        await later.die()
        before = await later.lamports()
        assert await later.reclaimer.reclaim() == 1
        assert await later.lamports() == before + RENT - FEE


@pytest.mark.rule("R01")
async def test_rent_under_a_key_that_is_not_here_waits_until_the_key_is_back(scene: Scene, tmp_path: Path) -> None:
    await scene.pay()
    await scene.settle()
    await scene.die()
    rotation = await new_key(scene, tmp_path)
    async with scene.restarted(**(rotation | {"former_fee_payers": ()})) as later:
        assert await later.reclaimer.reclaim() == 0
        assert await scene.value("SELECT reclaimed_at FROM payment_groups") is None
    async with scene.restarted(**rotation) as later:
        assert await later.reclaimer.reclaim() == 1


async def test_todays_key_can_not_be_a_leaked_one_and_what_leaked_must_be_an_address(scene: Scene) -> None:
    for given, problem in ((address(scene), "make a new key"), ("nonsense", "no address")):
        with pytest.raises(SettingsInvalid, match=problem):
            async with scene.restarted(leaked_fee_payers=(given,)):
                pass


async def test_the_derivation_secret_changes_while_orders_are_open_and_each_is_paid_once(scene: Scene) -> None:
    handed_out, untouched = await scene.box.checkout(), await scene.box.checkout()
    old = await scene.fetch(handed_out)
    async with scene.restarted(derivation_secret=secrets.token_hex(32)) as later:
        # A sibling that arrives now shares the address of its order.
        sibling = await later.open(group=handed_out["group"])
        new = await later.offer(sibling)
        assert (await later.send(*old)).status_code == 200
        assert (await later.send(*new)).status_code == 422
        assert (await later.send(*await later.offer(untouched))).status_code == 200
        fresh = await later.open()
        assert (await later.send(*await later.offer(fresh))).status_code == 200
        await later.settle()
        rows = await scene.box.house.rows("SELECT id, status FROM payments")
        statuses = {row["id"]: row["status"] for row in rows}
        assert statuses.pop(sibling["payment"]) == "superseded"
        assert list(statuses.values()) == ["paid"] * 3
        await later.die()
        assert await later.reclaimer.reclaim() == 1
        assert await scene.value("SELECT sum(lamports) FROM reclaimed_accounts") == 3 * RENT


@pytest.mark.rule("B29")
async def test_an_address_left_under_one_key_is_emptied_after_the_order_was_paid_under_the_next(
    scene: Scene, tmp_path: Path
) -> None:
    checkout = await scene.box.checkout()
    await scene.fetch(checkout)
    occupied = await scene.value("SELECT address FROM payment_groups")
    await scene.devnet.airdrop(occupied, RENT)
    async with scene.restarted(**await new_key(scene, tmp_path)) as later:
        await later.die()
        assert (await later.send(*await later.offer(checkout))).status_code == 200
        assert await scene.value("SELECT base FROM payment_groups") == address(later)
        await later.settle()
        await later.die()
        for _ in range(2):
            # One base after the other: each reclaim is signed for one.
            assert await later.reclaimer.reclaim() == 1
            assert await later.reclaimer.reclaim() == 0
            await later.settle()
            await later.reclaimer.follow()
        assert await later.reclaimer.reclaim() == 0
        assert await scene.lamports(occupied) == 0
        assert await scene.value("SELECT reclaimed_at FROM payment_groups") is not None
        assert await scene.value("SELECT sum(lamports) FROM reclaimed_accounts") == 2 * RENT


@pytest.mark.rule("B29")
async def test_an_order_whose_former_key_has_no_sol_left_moves_to_todays_once_nothing_may_land(
    scene: Scene, tmp_path: Path
) -> None:
    untouched, asked = await scene.box.checkout(), await scene.box.checkout()
    await scene.fetch(asked)
    rotation = await new_key(scene, tmp_path)
    # As if the operator had moved its SOL away: more is to be kept than it has.
    poor = rotation | {"fee_payer_minimum_lamports": 11 * SOL}
    async with scene.restarted(**poor) as later:
        await scene.devnet.airdrop(address(later), 20 * SOL)
        scene.devnet.advance_slots(1)
        assert (await later.send(*await later.offer(untouched))).status_code == 200
        with pytest.raises(PaymentInPreparation):
            await later.offer(asked)
        await later.die()
        assert (await later.send(*await later.offer(asked))).status_code == 200
        assert (await payers(scene))[1:] == [address(later)] * 2
