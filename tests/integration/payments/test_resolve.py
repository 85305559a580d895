"""Telling Shopify: the same mutation until it is acknowledged, on the ladder, through every fault."""

from typing import Any

import pytest

from app.payments.resend import resend_stuck
from tests.box import Box
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.waiting import wait_until


async def _pay(box: Box, **more: Any) -> dict[str, Any]:
    checkout = await box.checkout(**more)
    answer = await box.pay(await box.wallet(), checkout["link"])
    assert answer.status_code == 200, answer.text
    return checkout


async def _tried(box: Box, tries: int) -> None:
    """Wait until this many tries have failed."""

    async def reached() -> bool:
        return bool(await box.house.rows("SELECT FROM jobs WHERE status = 'waiting' AND attempts >= $1", tries))

    await wait_until(reached, 10, f"{tries} tries failed")


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("status", 500),
        ("status", 429),
        ("status", 404),
        ("rate_limit", 3),
        ("drop", None),
        ("broken_json", None),
        ("lost_answer", None),
        ("throttled", None),
        ("internal_error", None),
        ("internal_error", "after"),
        ("unauthorized", None),
        ("access_denied", None),
        ("not_received", None),
    ],
)
async def test_a_fault_of_shopifys_delays_the_resolve_and_no_more(box: Box, fault: str, value: Any) -> None:
    await box.fault("shopify", fault, value=value, times=1)
    checkout = await _pay(box)
    await _tried(box, 1)
    assert (await box.status(checkout))["status"] == "paid"
    await box.advance(6)
    await box.until_status(checkout, "completed")
    known = await box.at_shopify(checkout)
    assert (known["state"], known["alarms"]) == ("resolved", [])
    assert applied(known) == [RESOLVE]
    assert len({str(mutation["variables"]) for mutation in known["mutations"]}) == 1
    calls = await box.house.rows("SELECT outcome, attempt FROM shopify_calls ORDER BY id")
    assert calls[-1]["outcome"] == "acknowledged"
    assert [call["attempt"] for call in calls] == [1, 2]


async def test_every_call_is_kept_with_shopifys_request_id_and_answer(box: Box) -> None:
    checkout = await _pay(box)
    await box.until_status(checkout, "completed")
    [mutation] = await box.house.rows("SELECT * FROM shopify_mutations")
    assert (mutation["name"], mutation["variables"]) == (RESOLVE, {"id": checkout["gid"]})
    assert mutation["acknowledged_at"] is not None
    [call] = await box.house.rows("SELECT * FROM shopify_calls")
    assert call["shopify_request_id"]
    assert call["http_status"] == 200
    assert "RESOLVED" in call["answer"]


async def test_when_the_ladder_is_spent_the_payment_is_stuck_with_an_alarm_and_nothing_is_lost(box: Box) -> None:
    await box.fault("shopify", "status", value=503)
    checkout = await _pay(box)
    for tries in range(1, 17):
        await _tried(box, tries)
        await box.advance(15_000)
    page = await box.until_status(checkout, "stuck")
    # The customer has paid, and is told so.
    assert page["stage"] == "paid"
    [payment] = await box.house.rows("SELECT stuck_reason, paid_signature FROM payments")
    assert payment["stuck_reason"] == "retries_spent"
    assert payment["paid_signature"]
    [job] = await box.house.rows("SELECT status, attempts FROM jobs")
    assert tuple(job) == ("dead", 17)
    assert 'settle_alarms_total{reason="retries_spent"}' in (await box.house.public.get("/metrics")).text
    # Shopify is back: one command, and it hears of it.
    await box.mend()
    assert await resend_stuck(box.house.system) == [checkout["payment"]]
    await box.until_status(checkout, "completed")
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]


async def test_a_conflict_while_we_sent_nothing_else_stays_on_the_ladder(box: Box) -> None:
    await box.fault("shopify", "conflict", times=2)
    checkout = await _pay(box)
    await _tried(box, 1)
    await box.advance(6)
    await _tried(box, 2)
    await box.advance(11)
    await box.until_status(checkout, "completed")


async def test_a_conflict_when_our_ledger_shows_another_mutation_is_stuck_at_once(box: Box) -> None:
    await box.fault("shopify", "conflict")
    checkout = await box.checkout()
    await box.house.rows(
        """INSERT INTO shopify_mutations (record, record_id, name, variables, api_version, created_at)
        VALUES ('payment', $1, 'paymentSessionReject', '{}', '2026-10', now())""",
        checkout["payment"],
    )
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "stuck")
    [payment] = await box.house.rows("SELECT stuck_reason FROM payments")
    assert payment["stuck_reason"] == "shopify_conflict"


async def test_a_session_that_shopify_holds_in_another_state_is_stuck_at_once(box: Box) -> None:
    checkout = await box.checkout()
    gid, version = checkout["gid"], "2026-10"
    system = box.house.system
    reject = {"id": gid, "reason": {"code": "PROCESSING_ERROR", "merchantMessage": "somebody else did"}}
    [merchant] = await box.house.rows("SELECT shop, token_sealed FROM merchants")
    token = system.keyring.open(merchant["token_sealed"])
    answer = await system.shopify.send(merchant["shop"], token, version, "paymentSessionReject", reject)
    assert answer.status == 200
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await _tried(box, 1)
    [call] = await box.house.rows("SELECT outcome FROM shopify_calls")
    assert call["outcome"] == "conflict"
    assert (await box.status(checkout))["status"] == "paid"
