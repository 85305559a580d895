"""The sweep finds what an outage hid, and what our books do not have."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

from app.records import Cluster
from app.watching import sweep, unknown
from app.watching.sweep import Sweeper
from app.watching.watcher import Watcher
from chain import node
from tests.box import Box, open_box
from tests.conftest import Scale
from tests.waiting import wait_until

ONLY_SWEEP = {"watch_polling": False, "watch_sweep": True, "sweep_interval_seconds": 1}


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    """No worker: the tests sweep by themselves. A slot's length is such that blocks pass by moving the clock."""
    async with open_box(database_url, tmp_path, worker=False, **ONLY_SWEEP) as opened:
        yield opened
        await opened.mend()


async def pay(box: Box, checkout: dict[str, Any]) -> None:
    answer = await box.pay(await box.wallet(), checkout["link"])
    assert answer.status_code == 200, answer.text


def sweeper(box: Box, cluster: Cluster = Cluster.live) -> Sweeper:
    return Sweeper(box.house.system, box.house.system.clusters[cluster])


async def mention(box: Box, count: int) -> None:
    """Somebody else's transactions that mention our fee payer."""
    address = str(box.house.system.clusters[Cluster.live].fee_payer.address)
    for _ in range(count):
        await box.world._devnets["live"].airdrop(address, 1)


async def sign_as_fee_payer(box: Box) -> str:
    """A transaction that our key signed and our books do not have."""
    key = Keypair.from_bytes(bytes(json.loads((box.world.data / "keys" / "fee-payer.json").read_text())))
    system = box.house.system
    blockhash = await system.clusters[Cluster.live].node.latest_blockhash("confirmed")
    move = transfer(TransferParams(from_pubkey=key.pubkey(), to_pubkey=Keypair().pubkey(), lamports=10**9))
    message = Message.new_with_blockhash([move], key.pubkey(), Hash.from_string(str(blockhash.hash)))
    signed = Transaction([key], message, message.recent_blockhash)
    return await system.clusters[Cluster.live].node.send_transaction(bytes(signed))


async def statuses(box: Box) -> dict[str, str]:
    rows = await box.house.rows("SELECT signature, status FROM unknown_signatures")
    return {row["signature"]: row["status"] for row in rows}


async def readiness(box: Box) -> dict[str, Any]:
    answer: dict[str, Any] = (await box.house.public.get("/ready")).json()
    return answer


async def test_payments_are_paid_by_the_sweep_alone(database_url: str, tmp_path: Path) -> None:
    async with open_box(database_url, tmp_path, **ONLY_SWEEP) as box:
        checkouts = [await box.checkout() for _ in range(3)]
        for checkout in checkouts:
            await pay(box, checkout)
        for checkout in checkouts:
            await box.until_status(checkout, "completed")
        assert [row["seen_by"] for row in await box.house.rows("SELECT seen_by FROM issued_transactions")] == [
            "sweep"
        ] * 3
        assert await box.violations() == []


async def test_what_an_outage_hid_is_found_however_much_lies_over_it(
    box: Box, monkeypatch: pytest.MonkeyPatch, scale: Scale
) -> None:
    page = scale.pick(20, 1_000)
    for module in (node, sweep):
        monkeypatch.setattr(module, "MAX_HISTORY_PER_CALL", page)
    checkouts = [await box.checkout() for _ in range(3)]
    await sweeper(box).sweep()
    for checkout in checkouts[:2]:
        await pay(box, checkout)
    await mention(box, int(2.5 * page))
    await pay(box, checkouts[2])
    # Hours in which no worker ran.
    await box.advance(7_200)
    await sweeper(box).sweep()
    rows = await box.house.rows("SELECT seen_by FROM issued_transactions")
    assert [row["seen_by"] for row in rows] == ["sweep"] * 3
    watcher = Watcher(box.house.system, box.house.system.clusters[Cluster.live])
    await watcher.poll()
    await watcher.finish()
    for checkout in checkouts:
        assert (await box.status(checkout))["status"] == "paid"


async def test_it_goes_on_from_where_it_was(box: Box) -> None:
    await sweeper(box).sweep()
    await mention(box, 5)
    await box.advance(60)
    await sweeper(box).sweep()
    [first] = await box.house.rows("SELECT * FROM sweeps WHERE cluster = 'live'")
    asked: list[Any] = []
    member = box.house.system.clusters[Cluster.live].node.chosen
    history = member.history

    async def count(address: Pubkey, **options: Any) -> Any:
        found = await history(address, **options)
        asked.append((options["until"], len(found)))
        return found

    member.history = count  # type: ignore[method-assign]  # to look over its shoulder
    await mention(box, 2)
    await box.advance(60)
    await sweeper(box).sweep()
    assert asked == [(first["cursor_signature"], 2)]
    [second] = await box.house.rows("SELECT * FROM sweeps WHERE cluster = 'live'")
    assert second["cursor_slot"] > first["cursor_slot"]


async def test_a_node_that_has_lost_the_cursors_signature_is_no_endless_walk(box: Box) -> None:
    await sweeper(box).sweep()
    await mention(box, 3)
    await box.advance(60)
    await sweeper(box).sweep()
    await box.house.rows("UPDATE sweeps SET cursor_signature = $1", str(Signature.new_unique()))
    before = await statuses(box)
    await sweeper(box).sweep()
    assert await statuses(box) == before


async def test_a_signature_of_our_fee_payer_that_we_do_not_know_is_an_alarm(box: Box) -> None:
    await sweeper(box).sweep()
    await mention(box, 2)
    signature = await sign_as_fee_payer(box)
    await box.advance(60)
    alarm = 'settle_alarms_total{reason="unknown_signature"}'
    before = await metric(box.house.public, alarm)
    for _ in range(2):
        await sweeper(box).sweep()
    found = await statuses(box)
    assert found.pop(signature) == "open"
    assert len(found) >= 2
    assert set(found.values()) == {"foreign"}
    assert await metric(box.house.public, alarm) == before + 1
    ready = await readiness(box)
    assert ready["status"] == "degraded"
    assert any("settle unknown" in problem for problem in ready["problems"])
    [listed] = await unknown.list_unknown(box.house.system)
    assert (listed.signature, listed.payment_id) == (signature, None)
    assert await unknown.review(box.house.system, signature)
    assert await unknown.list_unknown(box.house.system) == []
    assert not [problem for problem in (await readiness(box))["problems"] if "settle unknown" in problem]


async def metric(client: httpx.AsyncClient, line: str) -> float:
    text = (await client.get("/metrics")).text
    return sum(float(found.rpartition(" ")[2]) for found in text.splitlines() if found.startswith(line))


async def test_a_node_that_does_not_show_it_leaves_it_for_later(box: Box) -> None:
    await sweeper(box).sweep()
    signature = await sign_as_fee_payer(box)
    await box.advance(60)
    await box.fault("rpc", "null_transaction")
    await sweeper(box).sweep()
    assert (await statuses(box))[signature] == "unread"
    await box.mend()
    await sweeper(box).sweep()
    assert (await statuses(box))[signature] == "open"


@pytest.mark.parametrize(("seconds", "status", "exception"), [(120, "pending", "none"), (86_460, "expired", "late")])
async def test_what_was_taken_for_dead_is_looked_at_again_when_it_stands_in_the_history(
    database_url: str, tmp_path: Path, seconds: int, status: str, exception: str
) -> None:
    """One node alone lied: it showed nothing of what had landed until its blocks had run out."""
    async with open_box(database_url, tmp_path) as box:
        await sweeper(box).sweep()
        checkout = await box.checkout()
        await box.fault("rpc", "null_status")
        await pay(box, checkout)
        await box.advance(seconds)

        async def is_dead() -> bool:
            [issued] = await box.house.rows("SELECT fate, final FROM issued_transactions")
            return tuple(issued) == ("dead", True)

        await wait_until(is_dead, what="it is taken for dead")
        await box.until_status(checkout, status)
        await box.mend()
        await sweeper(box).sweep()
        await box.until_status(checkout, "completed")
        [payment] = await box.house.rows("SELECT exception FROM payments")
        assert payment["exception"] == exception
        assert await box.violations() == []


async def test_what_we_sent_ourselves_is_known(database_url: str, tmp_path: Path) -> None:
    """Reclaims, too: nothing of a whole life of a payment is unknown."""
    changes = {"reclaim_interval_seconds": 1, "reclaim_patience_seconds": 0}
    async with open_box(database_url, tmp_path, **ONLY_SWEEP, **changes) as box:
        checkout = await box.checkout()
        await pay(box, checkout)
        await box.until_status(checkout, "completed")
        await box.advance(120)

        async def is_reclaimed() -> bool:
            return bool(await box.house.rows("SELECT FROM reclaims WHERE fate = 'landed' AND final"))

        await wait_until(is_reclaimed, 20, "the rent is back")
        await box.advance(60)
        await sweeper(box).sweep()
        assert "open" not in (await statuses(box)).values()
