"""What Settle needs of the outside is away or wrong, for half an hour of virtual time where it matters."""

from pathlib import Path
from typing import Any

import pytest

from app import health
from tests.integration.playbooks.rehearsal import Rehearsal, rehearse
from tests.integration.playbooks.terminal import CommandLine
from tests.waiting import wait_until

HALF_AN_HOUR = 1800
HOUR = 3600
SHOP = "sandbox.myshopify.com"


async def pay(play: Rehearsal) -> dict[str, Any]:
    """A checkout that a wallet has paid on the chain."""
    checkout = await play.box.checkout()
    assert (await play.box.pay(await play.box.wallet(), checkout["link"])).status_code == 200
    return checkout


async def test_shopify_away(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("shopify-away", database_url, tmp_path, command_line) as play:
        await play.box.fault("shopify", "drop")
        checkout = await pay(play)
        await play.box.until_status(checkout, "paid")
        await play.box.advance(HALF_AN_HOUR)
        await play.shows()

        async def has_failed_again() -> bool:
            jobs = await play.box.house.rows("SELECT attempts FROM jobs WHERE kind = 'payment_resolve'")
            return jobs[0]["attempts"] > 1 and jobs[0]["attempts"] == len(
                await play.box.house.rows("SELECT FROM shopify_calls")
            )

        # Else the try that is due now might succeed before anybody counts.
        await wait_until(has_failed_again, 20, "it was tried after half an hour")
        await play.box.mend()
        play.variables["SHOP"] = SHOP
        await play.type()
        await play.box.advance(HOUR)
        await play.is_over()
        await play.box.until_status(checkout, "completed")


async def test_shopify_throttling(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("shopify-throttling", database_url, tmp_path, command_line) as play:
        await play.box.fault("shopify", "rate_limit", value=HALF_AN_HOUR, times=1)
        paid = [await pay(play) for _ in range(3)]
        play.variables["PAYMENT"] = paid[0]["payment"]
        for checkout in paid:
            await play.box.until_status(checkout, "paid")
        await play.shows()
        await play.type()
        # Twice as long as Shopify said: who waits together comes back apart. Not a call in between.
        await play.box.advance(2 * HALF_AN_HOUR + 60)
        await play.is_over()
        for checkout in paid:
            known = await play.box.at_shopify(checkout)
            assert (known["state"], len(known["mutations"]) <= 2) == ("resolved", True)


async def test_stuck_payments(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("stuck-payments", database_url, tmp_path, command_line) as play:
        await play.box.fault("shopify", "status", value=503)
        checkout = await pay(play)
        await play.box.until_status(checkout, "paid")
        await spend_ladder(play)
        await play.shows()
        await play.box.mend()
        play.variables["PAYMENT"] = checkout["payment"]
        await play.type()
        await play.is_over()
        await play.box.until_status(checkout, "completed")


async def spend_ladder(play: Rehearsal) -> None:
    """Let virtual time pass, rung by rung, until every job is dead."""

    async def is_over() -> bool:
        [row] = await play.box.house.rows(
            "SELECT count(*) FILTER (WHERE status IN ('waiting', 'running')) AS open, "
            "min(due_at) FILTER (WHERE status = 'waiting') AS due_at FROM jobs"
        )
        left = (row["due_at"] - play.world.clock.now()).total_seconds() if row["due_at"] else 0
        if left > 0:
            await play.box.advance(int(left) + 1)
        return not row["open"]

    await wait_until(is_over, 60, "the ladder is spent")


async def test_rpc_away(
    database_url: str, tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The snapshot's age is real time.
    monkeypatch.setattr(health, "STALE_SECONDS", 1)
    async with rehearse(
        "rpc-away", database_url, tmp_path, command_line, node_check_ms=100, rpc_timeout_seconds=1
    ) as play:
        checkout, wallet = await play.box.checkout(), await play.box.wallet()
        handed_out = await play.box.fetch(wallet, checkout["link"])
        await play.box.fault("rpc", "drop")
        assert (await play.box.send(wallet, handed_out)).status_code == 200
        await play.box.advance(HALF_AN_HOUR)
        await play.shows()
        play.variables["NODES"] = f"{play.world.url}/sandbox/rpc-b"
        await play.type()
        await play.is_over()
        # What was sent while nobody looked counts.
        await play.box.until_status(checkout, "completed")


async def test_rpc_lying(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    nodes = "WORLD/sandbox/rpc,WORLD/sandbox/rpc-b"
    async with rehearse("rpc-lying", database_url, tmp_path, command_line, rpc_urls=nodes) as play:
        await play.box.fault("rpc-b", "forged")
        checkout = await pay(play)
        await play.shows()
        assert (await play.box.status(checkout))["status"] == "pending"
        [issued] = await play.box.house.rows("SELECT signature FROM issued_transactions")
        judge = f"{play.world.url}/sandbox/wallets/rpc/live"
        honest = f"{play.world.url}/sandbox/rpc,{judge}"
        play.variables |= {"JUDGE": judge, "SIGNATURE": issued["signature"], "HONEST_NODES": honest}
        told = dict(line.split(": ", 1) for line in (await play.type()).splitlines() if line.startswith("http"))
        [liar] = {node for node, answer in told.items() if list(told.values()).count(answer) == 1}
        assert liar.endswith("rpc-b")
        await play.is_over()
        await play.box.until_status(checkout, "completed")


async def test_screening_away(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("screening-away", database_url, tmp_path, command_line) as play:
        checkout, wallet = await play.box.checkout(), await play.box.wallet()
        await play.box.fault("trm", "status", value=503)
        assert (await play.box.pay(wallet, checkout["link"])).status_code == 422
        await play.box.advance(HALF_AN_HOUR)
        await play.shows()
        await play.box.mend()
        play.variables["NEW_KEY"] = play.settings.trm_api_key
        await play.type()
        await play.is_over()
        assert (await play.box.pay(wallet, checkout["link"])).status_code == 200
        await play.box.until_status(checkout, "completed")


async def test_price_away(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("price-away", database_url, tmp_path, command_line, price_cache_seconds=0) as play:
        play.currency = "EUR"
        await play.box.fault("prices", "drop")
        await play.box.checkout(currency="EUR")
        await play.box.advance(HALF_AN_HOUR)
        await play.shows()
        assert (await play.box.paid(currency="USD"))["payment"]
        await play.box.mend()
        await play.type()
        await play.is_over()

        await play.begin()
        await play.box.fault("coinbase", "jump")
        await play.sees("a wallet", "price_unavailable")
        await play.sees("log", "price_disagreement")
        play.variables["GOOD_URL"] = play.settings.price_url
        await play.type("One of them is wrong")
        await play.is_over()
        await play.box.mend()

        await play.begin()
        await play.outside.post("/sandbox/prices", json={"EUR": "0.5"})
        await play.sees("a wallet", "price_unavailable")
        await play.sees("log", "price_jump")
        await play.type("The currency really moved")
        await play.is_over()


async def test_customer_swears(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("customer-swears", database_url, tmp_path, command_line) as play:
        await play.box.fault("rpc", "null_status")
        checkout = await pay(play)
        [issued] = await play.box.house.rows("SELECT signature FROM issued_transactions")
        play.variables |= {
            "CLUE": issued["signature"],
            "SIGNATURE": issued["signature"],
            "JUDGE": f"{play.world.url}/sandbox/rpc-b",
        }
        await play.shows()
        assert '"err":null' in await play.type()
        await play.is_over()
        await play.box.until_status(checkout, "completed")
