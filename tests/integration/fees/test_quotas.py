"""Nobody makes the fee payer spend without end, and nobody stops others by trying."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.box import Box, open_box
from tests.waiting import wait_until

OpenBox = Callable[..., AbstractAsyncContextManager[Box]]
FEE = 10_000


@pytest.fixture
async def opened(database_url: str, tmp_path: Path) -> OpenBox:
    """Opens the whole system, its watchers off, with these limits."""

    def opener(**limits: Any) -> AbstractAsyncContextManager[Box]:
        return open_box(database_url, tmp_path, **{"worker": False, **limits})

    return opener


async def ask(box: Box, checkout: dict[str, Any], wallet: str, **headers: str) -> httpx.Response:
    """A wallet asks for a transaction."""
    return await box.house.public.post(
        f"/transactions/payment/{checkout['payment']}",
        json={"account": wallet},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


async def outcomes(box: Box, tries: list[tuple[dict[str, Any], str]]) -> list[str]:
    """What each try gets: `issued`, or the reason why not."""
    answers = [await ask(box, checkout, wallet) for checkout, wallet in tries]
    return ["issued" if answer.status_code == 200 else answer.json()["reason"] for answer in answers]


async def set_fate(box: Box, fate: str) -> None:
    """Let everything that was issued have had this fate."""
    async with box.house.system.database.acquire() as connection:
        await connection.execute(
            "UPDATE issued_transactions SET fate = $1::fate, final = true, poll_at = NULL, slot = 1, error = 'error'",
            fate,
        )


@pytest.mark.rule("F02")
async def test_a_payment_has_a_limit_and_the_next_payment_its_own(opened: OpenBox) -> None:
    async with opened(issued_payment_max=2) as box:
        first, second = await box.checkout(), await box.checkout()
        wallets = [await box.wallet() for _ in range(3)]
        tries = [(first, wallet) for wallet in wallets]
        assert await outcomes(box, tries) == ["issued", "issued", "too_many_transactions"]
        assert await outcomes(box, [(second, wallets[2])]) == ["issued"]


@pytest.mark.rule("F02")
async def test_a_wallet_has_a_limit_and_other_wallets_their_own(opened: OpenBox) -> None:
    async with opened(issued_wallet_max=2) as box:
        checkouts = [await box.checkout() for _ in range(3)]
        greedy, other = await box.wallet(), await box.wallet()
        tries = [(checkout, greedy) for checkout in checkouts]
        assert await outcomes(box, tries) == ["issued", "issued", "wallet_quota_spent"]
        # What it has, it may have again, and nobody else is refused.
        assert await outcomes(box, [(checkouts[0], greedy), (checkouts[2], other)]) == ["issued", "issued"]


@pytest.mark.rule("F02")
async def test_a_network_address_has_a_limit_and_a_proxy_of_ours_tells_it(opened: OpenBox) -> None:
    async with opened(issued_network_max=1, trusted_proxies="127.0.0.1,10.0.0.0/8") as box:
        checkout = await box.checkout()
        wallets = [await box.wallet() for _ in range(4)]
        forged = {"X_Forwarded_For": "203.0.113.77, 198.51.100.1, 10.0.0.7"}
        assert (await ask(box, checkout, wallets[0], X_Forwarded_For="198.51.100.1")).status_code == 200
        # The client is the last that is no proxy of ours; what it wrote before its own address is not believed.
        refused = await ask(box, checkout, wallets[1], **forged)
        assert (refused.status_code, refused.json()["reason"]) == (429, "network_quota_spent")
        assert (await ask(box, checkout, wallets[1], X_Forwarded_For="2001:db8::1")).status_code == 200
        same_network = await ask(box, checkout, wallets[2], X_Forwarded_For="2001:db8::2")
        assert same_network.json()["reason"] == "network_quota_spent"
        kept = await box.house.rows("SELECT network_address FROM issued_transactions")
        assert all(len(row["network_address"]) == 32 for row in kept)


@pytest.mark.rule("F02")
async def test_a_shop_has_a_limit_and_what_is_dead_gives_its_place_back(opened: OpenBox) -> None:
    async with opened(issued_shop_max=2) as box:
        checkouts = [await box.checkout() for _ in range(3)]
        wallet = await box.wallet()
        tries = [(checkout, wallet) for checkout in checkouts]
        assert await outcomes(box, tries) == ["issued", "issued", "issuing_paused"]
        await set_fate(box, "failed")
        assert await outcomes(box, tries[2:]) == ["issuing_paused"]
        await box.advance(24 * 3600 - 60)
        later = [(await box.checkout(), wallet) for _ in range(3)]
        assert await outcomes(box, later[:1]) == ["issuing_paused"]
        await box.advance(120)
        assert await outcomes(box, later) == ["issued", "issued", "issuing_paused"]


@pytest.mark.rule("F03")
async def test_the_last_place_is_taken_once_however_many_ask_at_once(opened: OpenBox) -> None:
    async with opened(issued_shop_max=5) as box:
        checkouts = [await box.checkout() for _ in range(12)]
        wallets = [await box.wallet() for _ in range(12)]
        answers = await asyncio.gather(*(ask(box, *pair) for pair in zip(checkouts, wallets, strict=True)))
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [503] * 7


@pytest.mark.rule("F03")
@pytest.mark.parametrize("limit", ["spend_shop_lamports_max", "spend_lamports_max"])
async def test_a_spent_budget_stops_issuing_says_so_and_settling_goes_on(opened: OpenBox, limit: str) -> None:
    async with opened(worker=True, **{limit: 2 * FEE + 1}) as box:
        checkouts = [await box.checkout() for _ in range(3)]
        wallets = [await box.wallet() for _ in range(3)]
        fetched = await box.outside.post(f"/sandbox/wallets/{wallets[0]}/fetch", json={"link": checkouts[0]["link"]})
        assert await outcomes(box, list(zip(checkouts[1:], wallets[1:], strict=True))) == ["issued", "issuing_paused"]
        readiness = await box.house.public.get("/ready")
        assert (readiness.status_code, readiness.json()["status"]) == (200, "degraded")
        assert "budget" in " ".join(readiness.json()["problems"])
        # What was handed out before still settles.
        transaction = fetched.json()["transaction"]
        sent = await box.outside.post(f"/sandbox/wallets/{wallets[0]}/send", json={"transaction": transaction})
        assert sent.status_code == 200, sent.text
        await box.until_status(checkouts[0], "completed")
        assert 'settle_quota_refusals_total{limit="' in (await box.house.public.get("/metrics")).text
        # The budget is the day's.
        await box.advance(24 * 3600)

        async def is_issued() -> bool:
            return await outcomes(box, [(await box.checkout(), wallets[2])]) == ["issued"]

        await wait_until(is_issued, 20, "a new day's budget")


@pytest.mark.rule("F03")
async def test_dead_transactions_give_the_budget_back(opened: OpenBox) -> None:
    async with opened(spend_shop_lamports_max=2 * FEE) as box:
        checkouts = [await box.checkout() for _ in range(3)]
        wallets = [await box.wallet() for _ in range(3)]
        tries = list(zip(checkouts, wallets, strict=True))
        assert await outcomes(box, tries) == ["issued", "issued", "issuing_paused"]
        await set_fate(box, "failed")
        assert await outcomes(box, tries[2:]) == ["issuing_paused"]
        await set_fate(box, "dead")
        assert await outcomes(box, tries[2:]) == ["issued"]
        [tally] = await box.house.rows("SELECT lamports FROM fee_tallies")
        assert tally["lamports"] == FEE


@pytest.mark.rule("F04")
async def test_a_fee_payer_keeps_its_minimum_even_if_all_that_is_live_lands(opened: OpenBox) -> None:
    # The sandbox's has 10 SOL; room for two transactions with their rent.
    room = 2 * (FEE + 890_880)
    async with opened(fee_payer_minimum_lamports=10 * 10**9 - room, fee_payer_low_lamports=11 * 10**9) as box:
        checkouts = [await box.checkout() for _ in range(3)]
        wallets = [await box.wallet() for _ in range(3)]
        tries = list(zip(checkouts, wallets, strict=True))
        assert await outcomes(box, tries) == ["issued", "issued", "issuing_paused"]
        readiness = await box.house.public.get("/ready")
        assert readiness.json()["status"] == "degraded"
        assert "fill it up" in " ".join(readiness.json()["problems"])
