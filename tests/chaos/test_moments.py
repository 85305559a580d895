"""Killed with -9 at the worst moments, each of them exactly: nothing is lost, and Shopify is told once."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.chaos.town import LEASE_SECONDS, Hold, Town, open_town
from tests.waiting import wait_until

ISSUED = "SELECT signature FROM issued_transactions i JOIN payments p ON p.id = payment_id WHERE shopify_id = $1"
ATTEMPTS = "SELECT attempts FROM jobs j JOIN payments p ON p.id = record_id WHERE shopify_id = $1"


@pytest.fixture(scope="module")
def standing() -> Iterator[Town]:
    # Slots so long that a transaction outlives the restart of a busy machine's process.
    with open_town(slot_ms=200) as town:
        yield town


@pytest.fixture
async def town(standing: Town) -> AsyncIterator[Town]:
    """The town with both programs running, whatever the test before has killed; coherent at the end."""
    for program in standing.programs:
        if program.process is None:
            program.start()
    async with standing.connected():
        await standing.until_open()
        yield standing
        await standing.call("DELETE", "/sandbox/faults")
        assert await standing.violations() == []


@pytest.mark.parametrize("fate", ["let_go", "throw_away"])
async def test_serve_killed_between_storing_a_transaction_and_its_answer(town: Town, fate: str) -> None:
    checkout, wallet = await town.checkout(), await town.wallet()
    async with Hold(town.database_url, "issued_transactions") as hold:
        paying = asyncio.create_task(town.pay(wallet, checkout))
        await hold.until_held()
        town.kill(town.serve)
        await getattr(hold, fate)()
        answer = await paying
    assert answer.status_code == 422, "the wallet was left without an answer"
    stored = await town.rows(ISSUED, checkout["id"])
    assert len(stored) == (1 if fate == "let_go" else 0)
    town.serve.start()
    await town.until_open()
    answer = await town.pay(wallet, checkout)
    assert answer.status_code == 200, answer.text
    await town.until_completed(checkout)
    await town.assert_resolved_once(checkout)
    if stored:
        assert answer.json()["signature"] == stored[0]["signature"], "the stored transaction was handed out after all"


async def test_everything_killed_between_landing_and_the_workers_look(town: Town) -> None:
    checkout, wallet = await town.checkout(), await town.wallet()
    town.kill(town.worker)
    answer = await town.pay(wallet, checkout)
    assert answer.status_code == 200, answer.text
    town.kill(town.serve)
    assert await town.status(checkout) == "pending"
    town.worker.start()
    await town.until_completed(checkout)
    await town.assert_resolved_once(checkout)


@pytest.mark.parametrize("fate", ["let_go", "throw_away"])
async def test_the_worker_killed_while_it_writes_down_that_a_payment_is_paid(town: Town, fate: str) -> None:
    checkout, wallet = await town.checkout(), await town.wallet()
    async with Hold(town.database_url, "events", "NEW.to_status = 'paid'") as hold:
        assert (await town.pay(wallet, checkout)).status_code == 200
        await hold.until_held()
        town.kill(town.worker)
        await getattr(hold, fate)()
    assert await town.status(checkout) == ("paid" if fate == "let_go" else "pending")
    assert (await town.at_shopify(checkout))["mutations"] == []
    town.worker.start()
    await town.until_completed(checkout)
    await town.assert_resolved_once(checkout)


async def test_the_worker_killed_while_the_resolve_is_on_its_way(town: Town) -> None:
    checkout, wallet = await town.checkout(), await town.wallet()
    await town.call("POST", "/sandbox/faults", {"target": "shopify", "fault": "delay", "value": 3, "times": 1})
    assert (await town.pay(wallet, checkout)).status_code == 200
    await _until_used(town)
    town.kill(town.worker)
    await _finish_after_the_lease(town, checkout["id"])
    await town.until_completed(checkout)
    await town.assert_resolved_once(checkout)


@pytest.mark.parametrize("fate", ["let_go", "throw_away"])
async def test_the_worker_killed_when_shopify_has_resolved_and_it_has_not_written_so(town: Town, fate: str) -> None:
    checkout, wallet = await town.checkout(), await town.wallet()
    async with Hold(town.database_url, "shopify_calls") as hold:
        assert (await town.pay(wallet, checkout)).status_code == 200
        await hold.until_held()
        town.kill(town.worker)
        await getattr(hold, fate)()
    assert (await town.at_shopify(checkout))["state"] == "resolved"
    assert await town.status(checkout) == "paid"
    await _finish_after_the_lease(town, checkout["id"])
    await town.until_completed(checkout)
    known = await town.assert_resolved_once(checkout)
    assert len(known["mutations"]) == 2, "the same mutation was sent again, and changed nothing"


async def test_the_worker_killed_after_an_answer_was_lost(town: Town) -> None:
    checkout, wallet = await town.checkout(), await town.wallet()
    await town.call("POST", "/sandbox/faults", {"target": "shopify", "fault": "lost_answer", "times": 1})
    assert (await town.pay(wallet, checkout)).status_code == 200
    await _until_used(town)
    town.kill(town.worker)
    assert (await town.at_shopify(checkout))["state"] == "resolved"
    await _finish_after_the_lease(town, checkout["id"])
    await town.until_completed(checkout)
    known = await town.assert_resolved_once(checkout)
    assert len(known["mutations"]) == 2


async def _until_used(town: Town) -> None:
    async def is_used() -> bool:
        return (await town.call("GET", "/sandbox/faults"))["on"] == []

    await wait_until(is_used, 20, "the mutation has reached Shopify's fault")


async def _finish_after_the_lease(town: Town, shopify_id: str) -> None:
    """A new worker, and so much time that the job of the dead one is free again."""
    town.worker.start()
    [before] = await town.rows(ATTEMPTS, shopify_id)
    assert before["attempts"] == 1
    await town.advance(LEASE_SECONDS)
