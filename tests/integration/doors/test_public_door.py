"""The public door without any chain: the page, its status and stream, refusals, headers, operators' calls."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.house import House, session_body
from tests.waiting import wait_until

WALLET = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"


async def _open(house: House, **changes: Any) -> str:
    answer = await house.post_session(session_body(**changes))
    path: str = httpx.URL(answer.json()["redirect_url"]).path
    return path.removeprefix("/pay/")


async def test_the_page_shows_shop_amount_usdc_and_code(house: House) -> None:
    payment_id = await _open(house, amount="1234.5")
    page = await house.public.get(f"/pay/{payment_id}")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    for text in ("Test Shop", "1,234.50 USD", "1,234.50", "<svg", "https://shop.example/cancel"):
        assert text in page.text
    assert f"solana:{house.settings.public_url}/transactions/payment/{payment_id}" in page.text


async def test_what_shopify_sent_can_not_become_markup(house: House) -> None:
    payment_id = await _open(
        house, payment_method={"data": {"cancel_url": 'https://x.example/"><script>alert(1)</script>'}}
    )
    page = await house.public.get(f"/pay/{payment_id}")
    assert "<script>alert" not in page.text


async def test_the_status_says_stage_figures_and_the_way_back(house: House) -> None:
    payment_id = await _open(house)
    status = (await house.public.get(f"/pay/{payment_id}/status")).json()
    assert status["stage"] == "waiting"
    assert (status["amount"], status["usdc"], status["shop"]) == ("12.34 USD", "12.34", "Test Shop")
    assert status["back_url"] == "https://shop.example/cancel"
    assert status["redirect_url"] is None


async def test_a_payment_without_a_price_says_so_and_stays_payable_later(house: House) -> None:
    payment_id = await _open(house, currency="EUR")
    status = (await house.public.get(f"/pay/{payment_id}/status")).json()
    assert (status["stage"], status["usdc"]) == ("unpriced", None)
    assert (await house.public.get(f"/pay/{payment_id}")).status_code == 200


async def test_the_stream_tells_at_once_and_again_when_something_changes(house: House) -> None:
    payment_id = await _open(house)
    async with house.public.stream("GET", f"/pay/{payment_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        first = await _next_status(lines)
        await house.rows("UPDATE merchants SET status = 'inactive'")
        await house.rows("SELECT pg_notify('payments', $1)", payment_id)
        second = await asyncio.wait_for(_next_status(lines), 5)
    assert (first["stage"], second["stage"]) == ("waiting", "closed")


async def test_open_streams_are_counted(house: House) -> None:
    payment_id = await _open(house)
    async with house.public.stream("GET", f"/pay/{payment_id}/events") as stream:
        lines = stream.aiter_lines()
        await _next_status(lines)
        metrics = (await house.public.get("/metrics")).text
        assert "settle_page_streams 1.0" in metrics
    await wait_until(lambda: _streams_are(house, "0.0"), what="the stream is counted out")


async def _streams_are(house: House, count: str) -> bool:
    return f"settle_page_streams {count}" in (await house.public.get("/metrics")).text


async def _next_status(lines: Any) -> Any:
    async for line in lines:
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


async def test_an_unknown_payment_is_a_page_for_people_and_json_for_machines(house: House) -> None:
    page = await house.public.get("/pay/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "does not exist" in page.text
    for path in ("/pay/nothing/status", "/transactions/payment/nothing"):
        answer = await house.public.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (404, "payment_not_found")


async def test_the_wallet_learns_who_wants_to_be_paid(house: House) -> None:
    payment_id = await _open(house)
    answer = await house.public.get(f"/transactions/payment/{payment_id}")
    assert answer.json() == {"label": "Test Shop", "icon": f"{house.settings.public_url}/static/icon.svg"}
    icon = await house.public.get("/static/icon.svg")
    assert icon.headers["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "request_invalid"),
        (b"{}", "request_invalid"),
        (b'{"account": 1}', "request_invalid"),
        (b"\xff", "request_invalid"),
        (b'{"account": "nonsense"}', "invalid_address"),
        (b'{"account": "' + b"1" * 2000 + b'"}', "invalid_address"),
        (b'{"account": "11111111111111111111111111111111"}', None),
    ],
)
async def test_what_is_no_account_is_refused_with_a_message(house: House, body: bytes, reason: str | None) -> None:
    payment_id = await _open(house)
    answer = await house.public.post(f"/transactions/payment/{payment_id}", content=body)
    assert 400 <= answer.status_code < 504
    assert len(answer.json()["message"]) > 10
    if reason:
        assert (answer.status_code, answer.json()["reason"]) == (400, reason)


async def test_our_own_addresses_and_the_shops_wallet_can_not_pay(house: House) -> None:
    payment_id = await _open(house)
    [row] = await house.rows(
        "SELECT g.base, g.address, p.merchant_wallet FROM payments p JOIN payment_groups g ON g.id = p.group_id"
    )
    refusals = {row["base"]: "own_address", row["merchant_wallet"]: "merchant_wallet"}
    for account, reason in refusals.items():
        answer = await house.public.post(f"/transactions/payment/{payment_id}", json={"account": account})
        assert (answer.status_code, answer.json()["reason"]) == (400, reason)
    answer = await house.public.post(f"/transactions/payment/{payment_id}", json={"account": row["address"]})
    assert answer.json()["reason"] in ("own_address", "off_curve_address")


async def test_with_the_chain_away_the_wallet_is_told_to_try_again(house: House) -> None:
    payment_id = await _open(house)
    answer = await house.public.post(f"/transactions/payment/{payment_id}", json={"account": WALLET})
    assert (answer.status_code, answer.json()["reason"]) == (503, "chain_unavailable")
    assert answer.headers["retry-after"]
    [payment] = await house.rows("SELECT status FROM payments")
    assert payment["status"] == "pending"


async def test_every_origin_may_ask_for_a_transaction(house: House) -> None:
    payment_id = await _open(house)
    path = f"/transactions/payment/{payment_id}"
    preflight = await house.public.options(
        path,
        headers={
            "Origin": "https://wallet.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, cache-control, accept",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    for answer in (
        await house.public.get(path, headers={"Origin": "https://wallet.example"}),
        await house.public.post(path, content=b"{", headers={"Origin": "https://wallet.example"}),
    ):
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_pages_run_nothing_inline_and_are_framed_by_nobody(house: House) -> None:
    payment_id = await _open(house)
    page = await house.public.get(f"/pay/{payment_id}")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "<style" not in page.text
    assert " style=" not in page.text
    assert "<script>" not in page.text


async def test_a_payment_past_its_time_is_expired_for_page_and_wallet(house: House) -> None:
    payment_id = await _open(house)
    await house.rows("ALTER TABLE payments DISABLE TRIGGER ALL")
    await house.rows("UPDATE payments SET expires_at = $1", datetime(2020, 1, 1, tzinfo=UTC))
    status = (await house.public.get(f"/pay/{payment_id}/status")).json()
    assert status["stage"] == "expired"
    answer = await house.public.post(f"/transactions/payment/{payment_id}", json={"account": WALLET})
    assert (answer.status_code, answer.json()["reason"]) == (410, "payment_expired")


async def test_health_readiness_and_metrics_answer(house: House) -> None:
    assert (await house.public.get("/health")).json() == {"status": "ok"}
    ready = await house.public.get("/ready")
    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    assert "RPC" in ready.json()["problems"][0]
    text = (await house.public.get("/metrics")).text
    for name in ("settle_payment_sessions_total", "settle_jobs_unfinished", "settle_oldest_unacknowledged_seconds"):
        assert name in text


async def test_an_unknown_path_and_method_are_plain_refusals(house: House) -> None:
    assert (await house.public.get("/nothing")).json()["reason"] == "http_error"
    assert (await house.public.delete("/health")).status_code == 405
