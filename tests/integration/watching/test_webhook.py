"""Helius' webhook: taken within a second, stored once per event, and nothing of it is believed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.box import Box, open_box
from tests.waiting import wait_until

# Of a real key, but of nothing that ever was.
FOREIGN = "2" * 87


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    """Only webhooks tell of anything."""
    async with open_box(database_url, tmp_path, watch_polling=False, watch_webhook=True) as opened:
        yield opened
        await opened.mend()
        assert await opened.violations() == []


async def deliver(box: Box, body: Any, **headers: str) -> httpx.Response:
    """Be Helius."""
    given = {"Authorization": box.house.settings.helius_authorizations[0], "Content-Type": "application/json"} | headers
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await box.house.public.post("/webhooks/helius", content=content, headers=given)


def raw(signature: str) -> dict[str, Any]:
    return {"slot": 1, "meta": {"err": None}, "transaction": {"signatures": [signature], "message": {}}}


async def issue(box: Box) -> tuple[dict[str, Any], str, str]:
    """A checkout, and a transaction handed out for it that is not sent: its signature, and itself."""
    checkout = await box.checkout()
    wallet = await box.wallet()
    answer = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
    [row] = await box.house.rows("SELECT signature FROM issued_transactions WHERE payment_id = $1", checkout["payment"])
    return checkout, row["signature"], answer.json()["transaction"]


async def events(box: Box) -> list[Any]:
    """Those of payments: the world's own transactions, such as the fee payers' first SOL, come as events, too."""
    return await box.house.rows(
        "SELECT e.* FROM inbox_events e JOIN issued_transactions i ON i.signature = e.event_id ORDER BY e.id"
    )


@pytest.mark.parametrize("form", ["raw", "enhanced"])
async def test_a_payment_is_paid_by_the_webhook_alone(box: Box, form: str) -> None:
    if form == "enhanced":
        await box.fault("helius", "enhanced")
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    [issued] = await box.house.rows("SELECT * FROM issued_transactions")
    assert issued["seen_by"] == "webhook"
    [event] = await events(box)
    assert (event["topic"], event["event_id"], event["cluster"]) == (form, issued["signature"], "live")
    assert issued["signature"].encode() in event["payload"]


async def test_the_test_clusters_webhook_tells_of_the_test_cluster(box: Box) -> None:
    checkout = await box.checkout(test=True)
    wallet = await box.wallet(cluster="test")
    assert (await box.pay(wallet, checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    assert [event["cluster"] for event in await events(box)] == ["test"]


async def test_what_is_delivered_again_is_one_event(box: Box) -> None:
    await box.fault("helius", "duplicate", value=5)
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    [event] = await events(box)
    answers = await asyncio.gather(*(deliver(box, [raw(event["event_id"])] * 3) for _ in range(5)))
    assert [answer.json() for answer in answers] == [{"new": 0}] * 5
    assert len(await events(box)) == 1


async def test_a_lost_answer_is_delivered_again_and_changes_nothing(box: Box) -> None:
    await box.fault("helius", "lost_answer", times=1)
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    assert len(await events(box)) == 1


async def test_what_is_told_in_another_order_than_it_happened_is_found_all_the_same(box: Box) -> None:
    await box.fault("helius", "reorder", value=2)
    checkouts = [await box.checkout() for _ in range(2)]
    for checkout in checkouts:
        assert await events(box) == [], "the first one is kept back"
        assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    for checkout in checkouts:
        await box.until_status(checkout, "completed")
    issued = await box.house.rows("SELECT seen_by FROM issued_transactions")
    assert {row["seen_by"] for row in issued} == {"webhook"}
    assert len(await events(box)) == 2


async def test_a_webhook_that_lies_makes_nobody_paid(box: Box) -> None:
    checkout, signature, transaction = await issue(box)
    lie = raw(signature) | {"meta": {"err": None, "postTokenBalances": [{"uiTokenAmount": {"amount": "12340000"}}]}}
    assert (await deliver(box, [lie, raw(FOREIGN)])).json() == {"new": 2}

    async def are_processed() -> bool:
        return not await box.house.rows("SELECT FROM inbox_events WHERE processed_at IS NULL")

    await wait_until(are_processed, 10, "both are processed")
    [issued] = await box.house.rows("SELECT * FROM issued_transactions")
    assert (issued["fate"], issued["seen_by"]) == ("live", "webhook")
    assert (await box.status(checkout))["status"] == "pending"
    # What was named is followed, so its truth is found out though nobody names it again.
    await box.fault("helius", "drop")
    sent = await box.outside.post(f"/sandbox/wallets/{await box.wallet()}/send", json={"transaction": transaction})
    assert sent.status_code == 422, "another wallet can not sign it"
    await box.advance(120)

    async def is_dead() -> bool:
        [row] = await box.house.rows("SELECT fate FROM issued_transactions")
        return bool(row["fate"] == "dead")

    await wait_until(is_dead, 20, "it is dead")
    assert (await box.status(checkout))["status"] == "pending"


async def test_every_body_has_an_answer(box: Box) -> None:
    expected: list[tuple[Any, int, str | None]] = [
        (b"{", 400, "request_invalid"),
        (b"\xff\xfe", 400, "request_invalid"),
        ({"signature": FOREIGN}, 400, "request_invalid"),
        ([{"webhook": "ping"}], 400, "request_invalid"),
        ([1, None, []], 400, "request_invalid"),
        ([{"signature": "not base58 0OIl"}], 400, "request_invalid"),
        (b"[" * 100_000, 400, "request_invalid"),
        ([{"signature": FOREIGN, "more": "x" * 2_000_000}], 413, "body_too_large"),
        ([], 200, None),
        ([raw(FOREIGN), {"webhook": "ping"}], 200, None),
    ]
    for body, status, reason in expected:
        answer = await deliver(box, body)
        assert (answer.status_code, answer.json().get("reason")) == (status, reason), str(body)[:100]


async def test_whoever_does_not_know_the_authorization_is_not_listened_to(box: Box) -> None:
    own = box.house.settings.helius_authorizations[0]
    for header in ("", own[:-1], own + "x", f"Bearer {own}", own.upper() + "\xff", "é"):
        answer = await deliver(box, [raw(FOREIGN)], Authorization=header.encode("latin-1"))  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["reason"]) == (401, "webhook_unauthorized")
    # Nor is the body of a stranger even read.
    answer = await deliver(box, b"x" * 10_000_000, Authorization="stranger")
    assert answer.status_code == 401
    assert not await box.house.rows("SELECT FROM inbox_events WHERE event_id = $1", FOREIGN)


async def test_after_the_wrong_authorization_the_next_delivery_counts(box: Box) -> None:
    await box.fault("helius", "wrong_auth", times=1)
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    [issued] = await box.house.rows("SELECT seen_by FROM issued_transactions")
    assert issued["seen_by"] == "webhook"


@pytest.mark.parametrize(
    "settings",
    [{"watch_webhook": False}, {"watch_webhook": True, "helius_authorizations": "", "test_helius_authorizations": ""}],
)
async def test_switched_off_it_is_not_there(database_url: str, tmp_path: Path, settings: dict[str, Any]) -> None:
    async with open_box(database_url, tmp_path, worker=False, **settings) as box:
        answer = await box.house.public.post("/webhooks/helius", json=[], headers={"Authorization": "x" * 16})
        assert (answer.status_code, answer.json()["reason"]) == (404, "webhook_off")


async def test_a_large_delivery_is_answered_within_a_second_and_without_asking_a_node(box: Box) -> None:
    await box.fault("rpc", "delay", value=5)
    many = [raw(f"{FOREIGN[:-3]}{number}") | {"logs": "x" * 5_000} for number in range(111, 311)]
    begun = time.monotonic()
    answer = await deliver(box, [item for item in many if "0" not in item["transaction"]["signatures"][0]])
    assert time.monotonic() - begun < 1
    assert answer.json()["new"] > 100
