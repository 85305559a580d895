"""Two nodes, one of them bad: no false paid, no lost payment, no endless loop, and each fault is counted and logged."""

import time
from pathlib import Path
from typing import Any

import pytest

from app.records import Cluster
from tests.box import Box, open_box
from tests.conftest import Scale
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.integration.watching.conftest import TWO_NODES
from tests.log_lines import catch_lines
from tests.waiting import wait_until


async def pay(box: Box, amount: str = "12.34") -> dict[str, Any]:
    checkout = await box.checkout(amount)
    answer = await box.pay(await box.wallet(), checkout["link"])
    assert answer.status_code == 200, answer.text
    return checkout


async def metric(box: Box, line: str) -> float:
    """The value of the metrics line that begins so; 0 when there is none."""
    text = (await box.house.public.get("/metrics")).text
    return sum(float(found.rpartition(" ")[2]) for found in text.splitlines() if found.startswith(line))


@pytest.mark.parametrize(
    ("target", "fault", "value", "reason"),
    [
        ("rpc", "delay", 60, "node_unavailable"),
        ("rpc-b", "status", 503, "node_unavailable"),
        ("rpc", "rate_limit", 2, "node_rate_limited"),
        ("rpc-b", "broken_json", None, "node_answer_invalid"),
    ],
)
async def test_while_one_node_is_bad_a_payment_waits_and_then_it_is_paid(
    box: Box, target: str, fault: str, value: Any, reason: str
) -> None:
    node = f"{1 if target == 'rpc' else 2}:127.0.0.1"
    name = f'cluster="live",node="{node}",reason="{reason}"'
    before = await metric(box, f"settle_node_faults_total{{{name}}}")
    with catch_lines() as logs:
        await box.fault(target, fault, value=value)
        checkout = await pay(box)

        async def has_waited() -> bool:
            return bool([line for line in logs if line["action"] == "landing_waits_for_nodes"])

        await wait_until(has_waited, 20, "one node does not show it")
        assert (await box.status(checkout))["status"] == "pending"
        await box.mend()
        await box.until_status(checkout, "completed")
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]
    assert await metric(box, f"settle_node_faults_total{{{name}}}") > before
    faults = [line for line in logs if line["action"] == "node_fault"]
    assert all(line["level"] == "warning" and line["problem"] for line in faults)
    # Should the machine be so busy that the good one is late for once, that is all that is said of it.
    assert all(line["node"] == node or "no answer in time" in line["problem"] for line in faults)


async def test_a_node_150_slots_behind_delays_a_payment_until_it_has_seen_it(box: Box) -> None:
    # So far behind, it calls itself unhealthy before anybody compares slots.
    counted = 'settle_node_faults_total{cluster="live",node="1:127.0.0.1"'
    before = await metric(box, counted)
    with catch_lines() as logs:
        await box.fault("rpc", "behind", value=150)
        await wait_until(lambda: any(line["action"] == "node_unwell" for line in logs), 10, "it is found to be behind")
        checkout = await pay(box)

        async def has_waited() -> bool:
            return bool([line for line in logs if line["action"] == "landing_waits_for_nodes"])

        await wait_until(has_waited, 20, "one node does not show it")
        assert (await box.status(checkout))["status"] == "pending"
        # 150 slots and some more.
        await box.advance(8)
        await box.until_status(checkout, "completed", 60)
    assert await metric(box, counted) > before
    assert any(line["action"] == "node_fault" and "behind" in line["problem"] for line in logs)
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]


@pytest.mark.parametrize("target", ["rpc", "rpc-b"])
async def test_a_node_that_says_null_hides_nothing_from_the_other(box: Box, target: str) -> None:
    await box.fault(target, "null_status")
    await box.until_status(await pay(box), "completed")


async def test_what_says_null_first_and_then_something_is_paid(box: Box) -> None:
    for target in ("rpc", "rpc-b"):
        await box.fault(target, "null_transaction", times=2)
        await box.fault(target, "null_status", times=2)
    await box.until_status(await pay(box), "completed")


async def test_nodes_that_disagree_make_nobody_pay_and_nobody_paid(box: Box) -> None:
    await box.fault("rpc-b", "null_transaction")
    checkout = await pay(box)
    waiting = 'settle_landings_read_total{accord="waiting"}'
    before = await metric(box, waiting)

    async def has_waited_long() -> bool:
        return await metric(box, waiting) >= before + 5

    await wait_until(has_waited_long, 30, "it was looked at five times")
    assert (await box.status(checkout))["status"] == "pending"
    assert (await box.at_shopify(checkout))["mutations"] == []
    await box.mend()
    await box.until_status(checkout, "completed", 30)


@pytest.mark.rule("N10")
@pytest.mark.parametrize("target", ["rpc", "rpc-b"])
async def test_nodes_that_show_different_things_are_told_apart_and_an_alarm(box: Box, target: str) -> None:
    alarm, read = 'settle_alarms_total{reason="nodes_disagree"}', 'settle_landings_read_total{accord="disagreed"}'
    before = await metric(box, alarm), await metric(box, read)
    await box.fault(target, "forged")
    with catch_lines() as logs:
        checkout = await pay(box)

        async def was_seen() -> bool:
            return await metric(box, alarm) > before[0]

        await wait_until(was_seen, 20, "the nodes are found to disagree")
        assert await metric(box, read) > before[1]
        assert [line["level"] for line in logs if line["action"] == "nodes_disagree"][:1] == ["error"]
        assert (await box.status(checkout))["status"] == "pending"
        assert (await box.at_shopify(checkout))["mutations"] == []
        await box.mend()
        await box.until_status(checkout, "completed", 60)
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]


async def test_a_node_that_says_that_a_payment_failed_undoes_nothing_that_the_other_shows(box: Box) -> None:
    await box.fault("rpc", "hold_finality")
    await box.fault("rpc-b", "false_error")
    checkout = await pay(box)
    await box.until_status(checkout, "completed", 30)
    heard = "SELECT FROM events WHERE kind = 'fate' AND detail->>'fate' = 'failed' AND detail->>'final' = 'false'"

    async def was_heard() -> bool:
        return bool(await box.house.rows(heard))

    await wait_until(was_heard, 30, "it is said that it failed")
    await box.mend()
    await box.fault("rpc-b", "false_error")
    await box.advance(20)

    async def is_final() -> bool:
        [issued] = await box.house.rows("SELECT fate, error, final FROM issued_transactions")
        return tuple(issued) == ("landed", None, True)

    await wait_until(is_final, 30, "it landed for good")
    [payment] = await box.house.rows("SELECT status, exception FROM payments")
    assert tuple(payment) == ("completed", "none")
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]


async def test_a_landing_that_waits_is_looked_at_less_and_less_often(box: Box) -> None:
    await box.fault("rpc-b", "null_transaction")
    await pay(box)

    async def is_postponed() -> bool:
        # The virtual clock runs with the real one.
        rows = await box.house.rows("SELECT poll_at FROM issued_transactions")
        interval = box.house.settings.poll_interval_ms / 1000
        return bool((rows[0]["poll_at"] - box.house.system.clock.now()).total_seconds() > 10 * interval)

    await wait_until(is_postponed, 30, "its next look is ten intervals away")


async def test_what_vanishes_before_it_is_final_is_not_paid_while_it_is_gone(box: Box) -> None:
    await box.fault("rpc-b", "null_transaction")
    checkout = await pay(box)
    await box.fault("rpc", "vanish", value=1, times=1)

    async def is_gone() -> bool:
        [issued] = await box.house.rows("SELECT signature FROM issued_transactions")
        view = await box.house.system.clusters[Cluster.live].node.signature_statuses([issued["signature"]])
        return view.statuses == [None]

    await wait_until(is_gone, 20, "it is gone")
    await box.mend()
    assert (await box.status(checkout))["status"] == "pending"
    # The order is still open, and is paid by another transaction.
    answer = await box.pay(await box.wallet(), checkout["link"])
    assert answer.status_code == 200, answer.text
    await box.until_status(checkout, "completed", 30)
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]


async def test_one_node_away_for_long_is_done_without_at_finalized_with_an_alarm(
    database_url: str, tmp_path: Path
) -> None:
    settings = {"rpc_urls": TWO_NODES, "node_check_ms": 100, "node_alone_seconds": 1}
    async with open_box(database_url, tmp_path, **settings) as box:
        alarms = await metric(box, 'settle_alarms_total{reason="node_alone"}')
        await box.fault("rpc-b", "status", value=503)
        await box.fault("rpc", "hold_finality")
        checkout = await pay(box)
        member = box.house.system.clusters[Cluster.live].node.members[1]
        await wait_until(lambda: member.unwell_seconds > 2, 10, "the other is unwell for long")
        assert (await box.status(checkout))["status"] == "pending"
        await box.mend()
        await box.fault("rpc-b", "status", value=503)
        await box.until_status(checkout, "completed", 30)
        assert await metric(box, 'settle_alarms_total{reason="node_alone"}') > alarms


async def test_stuck_payments_delay_no_other(database_url: str, tmp_path: Path, scale: Scale) -> None:
    """Stuck: their transactions landed long ago as one node has it, and never as the other has it."""
    stuck, good = scale.pick(20, 1_000), scale.pick(6, 100)
    async with open_box(database_url, tmp_path, rpc_urls=TWO_NODES, poll_interval_ms=500) as box:
        usual = [await _seconds_to_pay(box) for _ in range(good)]
        await box.fault("rpc-b", "skip_history", value=400)
        postponed = "settle_settles_postponed_total"
        before = await metric(box, postponed)
        await _make_stuck(box, stuck)

        async def all_are_stuck() -> bool:
            return await metric(box, postponed) >= before + stuck

        await wait_until(all_are_stuck, 60, "all were looked at in vain")
        late = [await _seconds_to_pay(box) for _ in range(good)]
    interval = box.house.settings.poll_interval_ms / 1000
    p95 = [sorted(times)[int(len(times) * 0.95)] for times in (usual, late)]
    print(f"p95 from broadcast to paid: {p95[0]:.3f} s alone, {p95[1]:.3f} s beside {stuck} stuck")
    assert p95[1] <= p95[0] + 2 * interval


async def _seconds_to_pay(box: Box) -> float:
    checkout = await pay(box, "1.00")
    begun = time.monotonic()

    async def is_paid() -> bool:
        return (await box.status(checkout))["status"] in ("paid", "completed")

    await wait_until(is_paid, 30, "it is paid")
    return time.monotonic() - begun


async def _make_stuck(box: Box, count: int) -> None:
    """Payments whose issued signature is of a transaction that landed more than 400 slots ago."""
    devnet = box.world._devnets["live"]
    checkouts = [await box.checkout("1.00") for _ in range(count)]
    signatures = [await devnet.airdrop(box.world._merchant, 2_000_000) for _ in range(count)]
    slot = devnet.cluster.slot
    devnet.advance_slots(500)
    await box.house.rows(
        """INSERT INTO issued_transactions SELECT (jsonb_populate_record(issued, jsonb_build_object(
            'id', nextval('issued_transactions_id_seq'), 'signature', made.signature, 'payment_id', payments.id,
            'group_id', payments.group_id, 'blockhash_slot', $3::bigint,
            'fate', 'live', 'final', false, 'slot', null, 'error', null, 'poll_at', $4::timestamptz))).*
        FROM issued_transactions AS issued, unnest($1::text[], $2::text[]) AS made (signature, payment)
            JOIN payments ON payments.id = made.payment
        WHERE issued.id = (SELECT min(id) FROM issued_transactions)""",
        signatures,
        [checkout["payment"] for checkout in checkouts],
        slot,
        box.house.system.clock.now(),
    )
