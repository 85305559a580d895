"""Somebody fills an order's single-use address before it is paid: the order gets another one, and can be paid once."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.payments.refusals import PaymentInPreparation
from chain.errors import OrderAlreadyBeingPaid
from tests.scene import Scene, open_scene

RENT, RECLAIM_FEE = 890_880, 5_000


async def ask(scene: Scene, checkout: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """What the door answers a new wallet."""
    wallet = await scene.box.wallet()
    answer = await scene.box.house.public.post(f"/transactions/payment/{checkout['payment']}", json={"account": wallet})
    return answer.status_code, answer.json()


async def occupy(scene: Scene, lamports: int = RENT) -> str:
    """An attacker, who has seen the address in a transaction, pays its rent."""
    address: str = await scene.value("SELECT address FROM payment_groups")
    await scene.devnet.airdrop(address, lamports)
    scene.devnet.advance_slots(1)
    return address


@pytest.mark.rule("B29")
async def test_an_occupied_order_is_paid_at_its_next_address_and_the_attackers_lamports_come_to_us(
    scene: Scene,
) -> None:
    checkout = await scene.box.checkout()
    _, old = await scene.fetch(checkout)
    address = await occupy(scene)
    # What was handed out may still land for all anybody knows: the customer is asked to come again.
    status, answer = await ask(scene, checkout)
    assert (status, answer["reason"]) == (503, "payment_in_preparation")
    assert "again" in answer["message"]
    await scene.die()
    wallet, transaction = await scene.fetch(checkout)
    assert (await scene.send(wallet, old)).status_code == 422
    assert (await scene.send(wallet, transaction)).status_code == 200
    await scene.settle()
    assert (await scene.box.status(checkout))["status"] == "paid"
    [group] = await scene.box.house.rows("SELECT version, address FROM payment_groups")
    assert (group["version"], group["address"] != address) == (2, True)
    [event] = await scene.box.house.rows("SELECT record_id, detail FROM events WHERE kind = 'pinned'")
    assert (event["record_id"], event["detail"]["former_address"]) == (checkout["payment"], address)
    # Rent and the attacker's lamports come back together.
    await scene.die()
    before = await scene.lamports()
    assert await scene.reclaimer.reclaim() == 1
    assert await scene.lamports() == before + 2 * RENT - RECLAIM_FEE
    await scene.settle()
    await scene.reclaimer.follow()
    assert await scene.reclaimer.reclaim() == 0
    assert await scene.value("SELECT reclaimed_at FROM payment_groups") is not None


@pytest.mark.rule("B29")
async def test_an_address_is_never_left_while_any_session_of_the_order_has_something_that_may_land(
    scene: Scene,
) -> None:
    first = await scene.box.checkout()
    await scene.fetch(first)
    scene.devnet.advance_slots(100)
    await scene.refresh()
    second = await scene.box.checkout(group=first["group"])
    await scene.fetch(second)
    await occupy(scene)
    # Both are asked at every block until the younger one is dead, and neither gets a new address.
    last_valid, margin = await scene.last_valid(), scene.system.settings.dead_margin_blocks
    for height in (last_valid - 60, last_valid, last_valid + 1, last_valid + margin):
        await scene.reach_height(height)
        await scene.look()
        for checkout in (first, second):
            assert (await ask(scene, checkout))[1]["reason"] == "payment_in_preparation", height
    assert await scene.value("SELECT version FROM payment_groups") == 1
    await scene.reach_height(last_valid + margin + 1)
    await scene.look()
    assert (await ask(scene, first))[0] == 200
    assert (await ask(scene, second))[0] == 200
    assert await scene.value("SELECT version FROM payment_groups") == 2


@pytest.mark.rule("B29")
async def test_what_failed_keeps_the_address_until_that_is_final(scene: Scene) -> None:
    checkout = await scene.box.checkout()
    wallet, transaction = await scene.fetch(checkout)
    address = await occupy(scene)
    # Sent past every check: it lands with an error, and is no more than confirmed.
    sent = await scene.send_raw(wallet, transaction)
    assert "result" in sent, sent
    scene.devnet.advance_slots(2)
    await scene.look()
    assert await scene.value("SELECT fate FROM issued_transactions") == "failed"
    assert (await ask(scene, checkout))[1]["reason"] == "payment_in_preparation"
    await scene.settle()
    assert (await ask(scene, checkout))[0] == 200
    assert await scene.value("SELECT address FROM payment_groups") != address


@pytest.mark.rule("B14")
async def test_an_address_that_our_own_transaction_made_is_not_left(scene: Scene) -> None:
    checkout = await scene.box.checkout()
    assert (await scene.send(*await scene.fetch(checkout))).status_code == 200
    # Settle has not looked yet; whoever asks is told that the order is being paid.
    status, answer = await ask(scene, checkout)
    assert (status, answer["reason"]) == (400, "order_already_being_paid")
    with pytest.raises(OrderAlreadyBeingPaid):
        await scene.offer(checkout)
    await scene.settle()
    assert (await ask(scene, checkout))[1]["reason"] == "order_already_paid"
    assert await scene.value("SELECT version FROM payment_groups") == 1


@pytest.mark.rule("B29")
async def test_the_database_refuses_a_new_address_while_something_may_land_or_has(scene: Scene) -> None:
    """Should any code forget to ask."""
    pin = "UPDATE payment_groups SET version = version + 1, address = base"
    checkout = await scene.box.checkout()
    paying = await scene.fetch(checkout)
    with pytest.raises(asyncpg.RestrictViolationError, match="may still land"):
        await scene.box.house.rows(pin)
    with pytest.raises(asyncpg.RestrictViolationError, match="next version"):
        await scene.box.house.rows("UPDATE payment_groups SET base = address")
    assert (await scene.send(*paying)).status_code == 200
    await scene.settle()
    with pytest.raises(asyncpg.RestrictViolationError, match="won"):
        await scene.box.house.rows(pin)


@pytest.mark.rule("B29")
async def test_the_next_pin_is_made_once_however_many_ask(scene: Scene) -> None:
    checkout = await scene.box.checkout()
    await scene.fetch(checkout)
    await occupy(scene)
    await scene.die()
    answers = await asyncio.gather(*(ask(scene, checkout) for _ in range(4)))
    assert [status for status, _ in answers] == [200] * 4
    assert await scene.value("SELECT count(*) FROM former_pins") == 1
    # And not again: what was handed out for the new address is alive.
    await occupy(scene)
    with pytest.raises(PaymentInPreparation):
        await scene.offer(checkout)


@pytest.mark.rule("B33")
async def test_a_payment_that_our_records_have_lost_is_not_paid_again_at_another_address(scene: Scene) -> None:
    """As after a restore: the order was paid, and what we know of says that it was not."""
    checkout = await scene.pay()
    await scene.box.house.rows("UPDATE issued_transactions SET fate = 'dead', final = true, poll_at = NULL")
    # Strangers add to it and fail at it; who made it is still known.
    await occupy(scene, 1_000)
    status, answer = await ask(scene, checkout)
    assert (status, answer["reason"]) == (400, "order_already_being_paid")
    assert await scene.value("SELECT version FROM payment_groups") == 1
    alarm = 'settle_alarms_total{reason="unknown_payment"} 1.0'
    assert alarm in (await scene.box.house.public.get("/metrics")).text


@pytest.mark.rule("B33")
@pytest.mark.parametrize("fault", ["null_transaction", "skip_history"])
async def test_an_address_is_not_left_while_the_chain_does_not_tell_who_filled_it(scene: Scene, fault: str) -> None:
    checkout = await scene.box.checkout()
    await scene.fetch(checkout)
    await occupy(scene)
    await scene.die()
    await scene.box.fault("rpc", fault, value=100)
    assert (await ask(scene, checkout))[1]["reason"] == "payment_in_preparation"
    assert await scene.value("SELECT version FROM payment_groups") == 1
    await scene.box.mend()
    assert (await ask(scene, checkout))[0] == 200


async def test_the_checker_finds_an_account_that_is_nobodys_or_two_groups(database_url: str, tmp_path: Path) -> None:
    async with open_scene(database_url, tmp_path) as scene:
        first = await scene.box.checkout()
        await scene.fetch(first)
        await occupy(scene)
        await scene.die()
        await scene.fetch(first)
        await scene.box.checkout()
        assert await scene.box.violations() == []
        await scene.box.house.rows("ALTER TABLE former_pins DISABLE TRIGGER USER")
        await scene.box.house.rows("UPDATE former_pins SET address = (SELECT max(address) FROM payment_groups)")
        found = {(violation.invariant, violation.problem) for violation in await scene.box.violations()}
        assert ("I3", "its single-use account is none of its group") in found
        assert ("I4", "a single-use account of several groups or versions") in found
        await scene.box.house.rows("ALTER TABLE payment_groups DISABLE TRIGGER USER")
        await scene.box.house.rows("UPDATE payment_groups SET cluster = 'test'")
        found = {(violation.invariant, violation.problem) for violation in await scene.box.violations()}
        assert ("I3", "it is on another cluster than its group") in found
