"""Each watcher is enough alone: with any three of the four off every payment resolves, and what dies is found dead."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.box import Box, open_box
from tests.conftest import Scale
from tests.waiting import wait_until

WATCHERS = ("polling", "websocket", "webhook", "sweep")
# Wallets that pay at the same time.
ABREAST = 8


def only(watcher: str) -> dict[str, Any]:
    """The settings that leave this one on."""
    return {f"watch_{name}": name == watcher for name in WATCHERS} | {"sweep_interval_seconds": 1}


async def fetch(box: Box, checkout: dict[str, Any]) -> None:
    """Have a transaction handed out, and never send it."""
    wallet = await box.wallet()
    answer = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
    assert answer.status_code == 200, answer.text


async def pay(box: Box, checkout: dict[str, Any]) -> None:
    answer = await box.pay(await box.wallet("1000"), checkout["link"])
    assert answer.status_code == 200, answer.text


async def in_turns(calls: list[Any]) -> None:
    """A few at a time, as they would come."""
    places = asyncio.Semaphore(ABREAST)

    async def take(call: Any) -> None:
        async with places:
            await call

    await asyncio.gather(*(take(call) for call in calls))


async def count(box: Box, query: str) -> int:
    [row] = await box.house.rows(query)
    return int(row["count"])


@pytest.mark.parametrize("watcher", WATCHERS)
async def test_with_the_three_others_off_every_payment_resolves(
    database_url: str, tmp_path: Path, scale: Scale, watcher: str
) -> None:
    total = scale.pick(12, 500)
    async with open_box(database_url, tmp_path, **only(watcher)) as box:
        # One in six is never sent, one in six is paid only when it is final.
        amounts = ["250.00" if number % 6 == 1 else "12.34" for number in range(total)]
        checkouts = [await box.checkout(amount) for amount in amounts]
        dying = checkouts[::6]
        paid = [checkout for number, checkout in enumerate(checkouts) if number % 6]
        await in_turns([fetch(box, checkout) for checkout in dying])
        await in_turns([pay(box, checkout) for checkout in paid])

        async def all_are_completed() -> bool:
            return await count(box, "SELECT count(*) FROM payments WHERE status = 'completed'") == len(paid)

        await wait_until(all_are_completed, 30 + total / 5, f"all that was paid is completed by {watcher} alone")
        # It was this one that saw each of them, and not the last look at the end of its life.
        seen = await box.house.rows("SELECT DISTINCT seen_by FROM issued_transactions WHERE fate = 'landed'")
        assert [row["seen_by"] for row in seen] == [watcher]
        # Blocks pass in which nothing can land any more; then a day, in which nobody pays.
        await box.advance(60)

        async def all_are_final() -> bool:
            return await count(box, "SELECT count(*) FROM issued_transactions WHERE NOT final") == 0

        await wait_until(all_are_final, 60, "the fate of all is final")
        assert await count(box, "SELECT count(*) FROM issued_transactions WHERE fate = 'dead'") == len(dying)
        await box.advance(86_400)
        for checkout in dying:
            await box.until_status(checkout, "expired", 60)
        for checkout in paid:
            assert (await box.at_shopify(checkout))["state"] == "resolved"
        assert await box.violations() == []


async def test_with_all_four_off_a_payment_is_found_at_the_end_of_its_life(database_url: str, tmp_path: Path) -> None:
    async with open_box(database_url, tmp_path, **only("none")) as box:
        checkout = await box.checkout()
        await pay(box, checkout)
        await box.advance(60)
        await box.until_status(checkout, "completed", 60)
        [issued] = await box.house.rows("SELECT seen_by FROM issued_transactions")
        assert issued["seen_by"] == "last_look"
        assert await box.violations() == []
