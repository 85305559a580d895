"""What counts as paid, and when; and what is done about a transaction that was there and is gone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from app.coherence import check_records
from app.records import Cluster
from tests.box import Box, open_box
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.integration.watching.test_two_nodes import metric
from tests.log_lines import catch_lines
from tests.waiting import wait_until

VANISHED = 'settle_alarms_total{reason="payment_vanished"}'


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path) as opened:
        yield opened
        await opened.mend()
        # Not against the chain: some of what counted as paid is gone from it, and known to be.
        assert [found.problem async for found in check_records(opened.house.system)] == []


async def pay(box: Box, amount: str = "12.34") -> tuple[dict[str, Any], str]:
    checkout = await box.checkout(amount)
    answer = await box.pay(await box.wallet("1000"), checkout["link"])
    assert answer.status_code == 200, answer.text
    return checkout, answer.json()["signature"]


async def vanish(box: Box, signature: str) -> bytes:
    """Have the cluster drop it; returns the whole transaction, as the wallet still has it."""
    devnet = box.world._devnets["live"]
    entry = devnet.cluster.ledger.entry(signature)
    assert entry is not None
    await box.fault("rpc", "vanish", value=signature, times=1)
    await wait_until(lambda: devnet.cluster.ledger.entry(signature) is None, 10, "it is gone")
    return entry.wire


async def fate(box: Box, signature: str) -> tuple[str, bool]:
    [row] = await box.house.rows("SELECT fate, final FROM issued_transactions WHERE signature = $1", signature)
    return row["fate"], row["final"]


async def hold(box: Box) -> None:
    """Nothing becomes final, so that there is time to vanish."""
    await box.fault("rpc", "hold_finality")


async def test_up_to_the_threshold_confirmed_is_enough_and_above_it_is_not(box: Box) -> None:
    await hold(box)
    small, _ = await pay(box, "200.00")
    large, signature = await pay(box, "200.01")
    await box.until_status(small, "completed")

    async def is_received() -> bool:
        return bool((await box.status(large))["stage"] == "received")

    await wait_until(is_received, 10, "the customer sees that it is received")
    assert (await box.status(large))["status"] == "pending"
    assert (await box.at_shopify(large))["mutations"] == []
    assert await fate(box, signature) == ("landed", False)
    await box.mend()
    await box.until_status(large, "completed")
    assert applied(await box.at_shopify(large)) == [RESOLVE]


async def test_what_vanished_after_it_was_paid_is_watched_to_its_end_and_is_an_alarm(box: Box) -> None:
    await hold(box)
    before, missing = await metric(box, VANISHED), await metric(box, "settle_landings_missing_total")
    checkout, signature = await pay(box)
    await box.until_status(checkout, "completed")
    with catch_lines() as logs:
        await vanish(box, signature)
        # It may land again while its blockhash lives: so far it is only missing.
        await wait_until(lambda: any(line["action"] == "landing_missing" for line in logs), 10, "it is missed")
        assert await metric(box, "settle_landings_missing_total") == missing + 1
        assert await fate(box, signature) == ("landed", False)
        assert await metric(box, VANISHED) == before
        await box.mend()
        await box.advance(60)

        async def is_dead() -> bool:
            return await fate(box, signature) == ("dead", True)

        await wait_until(is_dead, 20, "it is gone for good")
    assert await metric(box, VANISHED) == before + 1
    [line] = [line for line in logs if line["action"] == "payment_vanished"]
    assert (line["level"], line["signature"]) == ("error", signature)
    [payment] = await box.house.rows("SELECT status, exception FROM payments")
    assert tuple(payment) == ("completed", "vanished")


async def test_what_vanished_before_shopify_was_told_is_not_told(box: Box) -> None:
    await hold(box)
    await box.fault("shopify", "status", value=503)
    checkout, signature = await pay(box)
    await box.until_status(checkout, "paid")

    async def has_failed() -> bool:
        return bool(await box.house.rows("SELECT FROM shopify_calls WHERE outcome = 'retry'"))

    # The next try is seconds away, so that none is made while the switches are changed.
    await wait_until(has_failed, 20, "the first try has failed")
    await vanish(box, signature)
    await box.mend()
    await box.fault("shopify", "status", value=503)
    await box.advance(60)
    await box.until_status(checkout, "stuck")
    [payment] = await box.house.rows("SELECT stuck_reason, exception FROM payments")
    assert tuple(payment) == ("vanished", "vanished")
    await box.mend()
    await box.advance(60)
    assert applied(await box.at_shopify(checkout)) == []


async def test_what_vanished_and_landed_again_is_paid_as_if_nothing_had_been(box: Box) -> None:
    await hold(box)
    before = await metric(box, VANISHED)
    checkout, signature = await pay(box)
    await box.until_status(checkout, "completed")
    wire = await vanish(box, signature)
    await box.mend()
    node = box.house.system.clusters[Cluster.live].node
    assert await node.send_transaction(wire) == signature

    async def is_final() -> bool:
        return await fate(box, signature) == ("landed", True)

    await wait_until(is_final, 20, "it is final")
    assert await metric(box, VANISHED) == before
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]


async def test_a_large_payment_that_vanished_was_never_paid_and_can_be_paid_anew(box: Box) -> None:
    await hold(box)
    checkout, signature = await pay(box, "250.00")

    async def is_received() -> bool:
        return bool((await box.status(checkout))["stage"] == "received")

    await wait_until(is_received, 10, "it is received")
    await vanish(box, signature)
    await box.mend()
    assert (await box.at_shopify(checkout))["mutations"] == []
    await box.advance(60)

    async def is_dead() -> bool:
        return await fate(box, signature) == ("dead", True)

    await wait_until(is_dead, 20, "it is dead")
    assert (await box.pay(await box.wallet("1000"), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]
