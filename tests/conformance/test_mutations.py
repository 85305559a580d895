"""Sections 3, 4, 8, 9 and 14 of the facts about Shopify: the mutations; a test for each sentence that binds the app."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app import metrics
from app.shopify.client import document
from app.shopify.versions import SUPPORTED
from tests.box import Box, open_box
from tests.waiting import wait_until

RESOLVE, REJECT, PENDING = "paymentSessionResolve", "paymentSessionReject", "paymentSessionPending"


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path) as opened:
        yield opened
        assert await opened.violations() == []


async def pay(box: Box, amount: str = "12.34", **more: Any) -> dict[str, Any]:
    checkout = await box.checkout(amount, **more)
    answer = await box.pay(await box.wallet("1000"), checkout["link"])
    assert answer.status_code == 200, answer.text
    return checkout


async def tried(box: Box, tries: int) -> None:
    async def reached() -> bool:
        return bool(await box.house.rows("SELECT FROM jobs WHERE status = 'waiting' AND attempts >= $1", tries))

    await wait_until(reached, 15, f"{tries} tries failed")


async def sent(box: Box, checkout: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await box.at_shopify(checkout))["mutations"]
    return found


# Section 3: the call itself.


async def test_a_mutation_is_posted_as_json_with_the_shops_token_to_the_versions_endpoint(box: Box) -> None:
    seen: list[httpx.Request] = []
    client = box.house.system.shopify._client
    client.event_hooks["request"].append(_keep(seen))
    checkout = await pay(box)
    await box.until_status(checkout, "completed")
    [request] = [request for request in seen if request.url.path.endswith("graphql.json")]
    assert request.method == "POST"
    assert request.url.path.endswith("/sandbox.myshopify.com/payments_apps/api/2026-10/graphql.json")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-shopify-access-token"]
    assert set(json.loads(request.content)) == {"query", "variables"}


def _keep(seen: list[httpx.Request]) -> Any:
    async def keep(request: httpx.Request) -> None:
        seen.append(request)

    return keep


def test_resolve_reject_and_configure_select_no_code_of_their_user_errors() -> None:
    for mutation in (RESOLVE, REJECT, "paymentsAppConfigure"):
        selection = document(mutation).partition("userErrors")[2].partition("}")[0]
        assert "code" not in selection


# Sections 3.5 and 0: idempotency and conflicts.


async def test_the_same_mutation_again_is_word_for_word_the_same(box: Box) -> None:
    await box.fault("shopify", "lost_answer", times=2)
    checkout = await pay(box)
    for tries in (1, 2):
        await tried(box, tries)
        await box.advance(15)
    await box.until_status(checkout, "completed")
    mutations = await sent(box, checkout)
    assert len(mutations) == 3
    assert len({json.dumps([m["name"], m["variables"]], sort_keys=True) for m in mutations}) == 1
    assert [m["applied"] for m in mutations] == [True, False, False]


async def test_only_one_name_is_ever_sent_to_a_session_that_is_open(box: Box) -> None:
    checkout = await pay(box)
    await box.until_status(checkout, "completed")
    assert {m["name"] for m in await sent(box, checkout)} == {RESOLVE}


async def test_of_a_group_one_session_is_resolved(box: Box) -> None:
    first = await box.checkout()
    second = await box.checkout(group=first["group"])
    wallet = await box.wallet()
    assert (await box.pay(wallet, first["link"])).status_code == 200
    assert (await box.pay(wallet, second["link"])).status_code == 422
    await box.until_status(first, "completed")
    assert await sent(box, second) == []


@pytest.mark.parametrize("reading", [None, "strict_reject"])
async def test_a_reject_that_is_repeated_has_the_same_reason_so_every_reading_is_content(
    box: Box, reading: str | None
) -> None:
    if reading:
        await box.fault("shopify", reading)
    await box.fault("shopify", "lost_answer", times=1)
    checkout, wallet = await box.checkout(), await box.wallet()
    await box.outside.post("/sandbox/trm/flagged", json={"address": wallet})
    assert (await box.pay(wallet, checkout["link"])).status_code == 422
    await tried(box, 1)
    await box.advance(6)
    await box.until_status(checkout, "rejected")
    reasons = [m["variables"]["reason"] for m in await sent(box, checkout)]
    assert len(reasons) == 2
    assert reasons[0] == reasons[1]


async def test_a_conflict_that_stays_is_noted_with_the_payment_alarms_once_and_ends_on_the_ladder(box: Box) -> None:
    alarms = metrics.alarms_total.labels(reason="shopify_conflict")
    before = alarms._value.get()
    await box.fault("shopify", "conflict")
    checkout = await pay(box)
    for tries in range(1, 6):
        await tried(box, tries)
        # Our answer to the session may still be on its way: no alarm yet.
        assert alarms._value.get() == before
        await box.advance((6, 11, 31, 46, 62)[tries - 1])
    await tried(box, 6)
    for tries in range(6, 17):
        await tried(box, tries)
        await box.advance(15_000)
    await box.until_status(checkout, "stuck")
    [payment] = await box.house.rows("SELECT stuck_reason FROM payments")
    assert payment["stuck_reason"] == "shopify_conflict"
    disputes = await box.house.rows("SELECT detail FROM events WHERE kind = 'disputed'")
    assert [dispute["detail"]["mutation"] for dispute in disputes] == [RESOLVE]
    # Once when it could no longer be a delay, once when it was given up.
    assert alarms._value.get() == before + 2
    assert len(await sent(box, checkout)) == 17


@pytest.mark.parametrize("reading", [None, "unknown_session"])
async def test_a_session_that_shopify_does_not_know_ends_with_a_person(box: Box, reading: str | None) -> None:
    if reading:
        await box.fault("shopify", reading)
    checkout = await box.checkout(options={"body": {"gid": "gid://shopify/PaymentSession/unknown"}})
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    # A top-level error is final at once; a userError may be a delay, and stays on the ladder.
    for tries in range(1, 1 if reading else 17):
        await tried(box, tries)
        await box.advance(15_000)
    await box.until_status(checkout, "stuck")


# Section 3.1: pending.


@pytest.mark.parametrize("reading", [None, "pending_limit"])
async def test_pending_says_why_and_asks_for_no_more_than_three_days(
    database_url: str, tmp_path: Path, reading: str | None
) -> None:
    async with open_box(database_url, tmp_path, pending_after_seconds=1) as box:
        if reading:
            await box.fault("shopify", reading)
        await box.fault("rpc", "hold_finality")
        checkout = await pay(box, "250.00")

        async def is_pending() -> bool:
            return (await box.at_shopify(checkout))["state"] == "pending"

        await wait_until(is_pending, 20, "the session is pending")
        [mutation] = await sent(box, checkout)
        assert (mutation["name"], mutation["variables"]["reason"]) == (PENDING, "NETWORK_ACTION_REQUIRED")
        ahead = datetime.fromisoformat(mutation["variables"]["pendingExpiresAt"]) - box.world.clock.now()
        assert 0 < ahead.total_seconds() <= 3 * 86_400
        await box.mend()
        await box.until_status(checkout, "completed")


# Section 4: what is tried again.


@pytest.mark.parametrize(
    ("fault", "value", "outcome"),
    [
        ("delay", 3, "retry"),
        ("drop", None, "retry"),
        ("status", 500, "retry"),
        ("status", 503, "retry"),
        ("rate_limit", 1, "retry"),
        ("throttled", None, "retry"),
        ("internal_error", None, "retry"),
        ("unauthorized", None, "retry"),
    ],
)
async def test_trouble_that_passes_is_tried_again(
    database_url: str, tmp_path: Path, fault: str, value: Any, outcome: str
) -> None:
    async with open_box(database_url, tmp_path, shopify_timeout_seconds=1) as box:
        await box.fault("shopify", fault, value=value, times=1)
        checkout = await pay(box)
        await tried(box, 1)
        [call] = await box.house.rows("SELECT outcome FROM shopify_calls")
        assert call["outcome"] == outcome
        await box.advance(10)
        await box.until_status(checkout, "completed")


async def test_within_one_try_nothing_is_sent_twice(box: Box) -> None:
    await box.fault("shopify", "internal_error", times=1)
    checkout = await pay(box)
    await tried(box, 1)
    assert len(await box.house.rows("SELECT FROM shopify_calls")) == 1
    await box.advance(6)
    await box.until_status(checkout, "completed")
    assert len(await box.house.rows("SELECT FROM shopify_calls")) == 2


# Section 9: versions.


@pytest.mark.parametrize("version", SUPPORTED)
async def test_the_version_of_the_session_is_the_version_of_its_mutations(box: Box, version: str) -> None:
    checkout = await pay(box, options={"api_version": version})
    await box.until_status(checkout, "completed")
    # The store alarms when they differ.
    assert (await box.at_shopify(checkout))["alarms"] == []
    [mutation] = await box.house.rows("SELECT api_version FROM shopify_mutations")
    assert mutation["api_version"] == version


@pytest.mark.parametrize(
    ("version", "code", "source"),
    [("2026-01", "RISKY", None), *((v, "FRAUD_SUSPECTED", "PROVIDER") for v in SUPPORTED[1:])],
)
async def test_a_screened_out_wallet_is_rejected_in_the_words_of_the_version(
    box: Box, version: str, code: str, source: str | None
) -> None:
    checkout, wallet = await box.checkout(options={"api_version": version}), await box.wallet()
    await box.outside.post("/sandbox/trm/flagged", json={"address": wallet})
    assert (await box.pay(wallet, checkout["link"])).status_code == 422
    await box.until_status(checkout, "rejected")
    [mutation] = await sent(box, checkout)
    reason = mutation["variables"]["reason"]
    assert (reason["code"], reason.get("source")) == (code, source)


@pytest.mark.parametrize("version", ["2025-10", "2027-01", "unstable", "2026-02"])
async def test_a_session_of_a_version_we_do_not_speak_is_refused(box: Box, version: str) -> None:
    answer = await box.outside.post(
        "/sandbox/checkouts", json={"amount": "1.00", "currency": "USD", "options": {"api_version": version}}
    )
    assert answer.status_code == 502


async def test_an_answer_that_does_not_say_its_version_is_as_good(box: Box) -> None:
    await box.fault("shopify", "no_version_header")
    checkout = await pay(box)
    await box.until_status(checkout, "completed")


# Section 12: what staff ask for.


async def test_the_request_ids_of_both_directions_are_in_the_log(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    checkout = await pay(box)
    await box.until_status(checkout, "completed")
    [delivery] = (await box.at_shopify(checkout))["deliveries"]
    [call] = await box.house.rows("SELECT shopify_request_id FROM shopify_calls")
    log = capsys.readouterr().out
    assert delivery["request_id"] in log
    assert call["shopify_request_id"] in log


# Section 14: what could not be confirmed; the app is content with every reading.


@pytest.mark.parametrize(
    ("amount", "currency", "decimals", "usdc"),
    [("10", "USD", 1, 10_000_000), ("10.5", "USD", 3, 10_500_000), ("1250", "JPY", 2, None), ("1.234", "KWD", 6, None)],
)
async def test_an_amount_is_read_however_many_decimals_it_has(
    box: Box, amount: str, currency: str, decimals: int, usdc: int | None
) -> None:
    await box.fault("shopify", "amount_decimals", value=decimals)
    checkout = await box.checkout(amount, currency)
    [payment] = await box.house.rows("SELECT amount, usdc FROM payments WHERE id = $1", checkout["payment"])
    assert str(payment["amount"].normalize()) == str(type(payment["amount"])(amount).normalize())
    assert usdc in (None, payment["usdc"])


@pytest.mark.parametrize(
    "fault", ["top_level_cancel_url", "customer_null", "no_shipping", "unknown_field", "numeric_amount"]
)
async def test_a_session_is_read_in_every_shape_it_may_have(box: Box, fault: str) -> None:
    await box.fault("shopify", fault, value="only" if fault == "top_level_cancel_url" else None)
    checkout = await pay(box)
    await box.until_status(checkout, "completed")


async def test_a_shop_that_waits_two_seconds_and_asks_once_gets_its_answer(box: Box) -> None:
    await box.fault("shopify", "session_timeout", value=2)
    await box.fault("shopify", "session_tries", value=1)
    # Prices may hang: the session does not wait for them.
    await box.fault("prices", "delay", value=30)
    checkout = await box.checkout("10.00", "EUR")
    assert checkout["redirect_url"]
    assert len((await box.at_shopify(checkout))["deliveries"]) == 1
