"""Every limit towards the outside world is a setting, and holds."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.box import Box, open_box
from tests.waiting import wait_until


@asynccontextmanager
async def _box(database_url: str, folder: Path, **changes: Any) -> AsyncIterator[Box]:
    async with open_box(database_url, folder, **changes) as box:
        yield box
        assert await box.violations() == []


async def _ask(box: Box, checkout: dict[str, Any], wallet: str) -> Any:
    return await box.house.public.post(f"/transactions/payment/{checkout['payment']}", json={"account": wallet})


async def test_a_payment_has_so_many_live_transactions_and_no_more(database_url: str, tmp_path: Path) -> None:
    async with _box(database_url, tmp_path, issued_live_max=2) as box:
        checkout = await box.checkout()
        wallets = [await box.wallet() for _ in range(3)]
        statuses = [(await _ask(box, checkout, wallet)).status_code for wallet in wallets]
        assert statuses == [200, 200, 429]
        # The first two ask again and get what they have; once it is dead, the third gets its own.
        assert (await _ask(box, checkout, wallets[0])).status_code == 200
        await box.advance(60)

        async def is_served() -> bool:
            return bool((await _ask(box, checkout, wallets[2])).status_code == 200)

        await wait_until(is_served, 20, "the dead ones give their places back")


async def test_the_same_wallet_gets_a_new_transaction_when_few_blocks_are_left(
    database_url: str, tmp_path: Path
) -> None:
    # At 50 ms a slot, 140 blocks must be left: 10 blocks are half a second.
    async with _box(database_url, tmp_path, reuse_blocks=140) as box:
        checkout, wallet = await box.checkout(), await box.wallet()
        first = (await _ask(box, checkout, wallet)).json()["transaction"]

        async def is_new() -> bool:
            return bool((await _ask(box, checkout, wallet)).json()["transaction"] != first)

        await wait_until(is_new, 10, "a new transaction")


async def test_a_node_that_lags_gives_no_blockhash_that_is_handed_out(database_url: str, tmp_path: Path) -> None:
    async with _box(database_url, tmp_path, snapshot_age_slots=5, snapshot_refresh_ms=60_000) as box:
        checkout = await box.checkout()
        await box.advance(2)
        # Cold by 40 slots: it is fetched within the request.
        assert (await _ask(box, checkout, await box.wallet())).status_code == 200


async def test_shopify_is_not_waited_for_longer_than_the_setting(database_url: str, tmp_path: Path) -> None:
    async with _box(database_url, tmp_path, shopify_timeout_seconds=1) as box:
        await box.fault("shopify", "delay", value=30, times=1)
        checkout = await box.checkout()
        assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200

        async def gave_up() -> Any:
            return await box.house.rows("SELECT answer FROM shopify_calls WHERE http_status IS NULL")

        [call] = await wait_until(gave_up, 10, "the call was given up")
        assert call["answer"] == "TimeoutError"
        await box.advance(6)
        await box.until_status(checkout, "completed")


async def test_of_shopifys_answer_no_more_is_kept_than_the_setting_says(database_url: str, tmp_path: Path) -> None:
    async with _box(database_url, tmp_path, answer_kept_bytes=100) as box:
        checkout = await box.checkout()
        assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
        await box.until_status(checkout, "completed")
        [call] = await box.house.rows("SELECT answer FROM shopify_calls")
        assert len(call["answer"]) == 100


@pytest.mark.parametrize(
    ("changes", "target", "reason"),
    [
        ({"trm_timeout_seconds": 1}, "trm", "screening_unavailable"),
        ({"rpc_timeout_seconds": 1}, "rpc", "chain_unavailable"),
    ],
)
async def test_a_wallet_is_not_kept_waiting_for_others(
    database_url: str, tmp_path: Path, changes: dict[str, int], target: str, reason: str
) -> None:
    async with _box(database_url, tmp_path, **changes) as box:
        checkout, wallet = await box.checkout(), await box.wallet()
        await box.fault(target, "delay", value=30)
        answer = await _ask(box, checkout, wallet)
        assert (answer.status_code, answer.json()["reason"]) == (503, reason)
        await box.mend()


@pytest.mark.parametrize(("level", "status"), [(10, 200), (5, 403)])
async def test_the_risk_level_that_is_screened_out_is_a_setting(
    database_url: str, tmp_path: Path, level: int, status: int
) -> None:
    async with _box(database_url, tmp_path, trm_risk_level=level) as box:
        checkout, wallet = await box.checkout(), await box.wallet()
        await box.fault("trm", "medium", value=wallet)
        assert (await _ask(box, checkout, wallet)).status_code == status


async def test_a_session_waits_for_a_price_no_longer_than_the_setting(database_url: str, tmp_path: Path) -> None:
    async with _box(database_url, tmp_path, price_timeout_ms=200) as box:
        await box.fault("prices", "delay", value=30)
        began = time.monotonic()
        checkout = await box.checkout("10.00", "EUR")
        assert time.monotonic() - began < 10
        [payment] = await box.house.rows("SELECT usdc FROM payments")
        assert payment["usdc"] is None
        await box.mend()

        async def is_priced() -> bool:
            return bool((await box.status(checkout))["usdc"])

        await wait_until(is_priced, 40, "the page quotes later")


@pytest.mark.parametrize("fault", ["stale", "zero", "negative", "absent", "broken_json"])
async def test_a_price_that_is_none_is_not_used(database_url: str, tmp_path: Path, fault: str) -> None:
    async with _box(database_url, tmp_path) as box:
        await box.fault("prices", fault)
        checkout = await box.checkout("10.00", "EUR")
        assert (await box.status(checkout))["stage"] == "unpriced"
        refused = await box.pay(await box.wallet(), checkout["link"])
        assert (refused.status_code, "EUR" in refused.json()["message"]) == (422, True)
        await box.mend()
        # A failure is remembered for two seconds: every open page asks.
        await box.advance(3)
        assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
        await box.until_status(checkout, "completed")
