"""Nodes that lag, keep silent and forget; transactions that vanish."""

import base64
from typing import Any

from solana.rpc.websocket_api import SolanaWsClient
from solders.keypair import Keypair
from solders.transaction import VersionedTransaction

from tests.integration.devnet.running import SOL, Running
from tests.waiting import wait_until

NOW = {"encoding": "base64", "preflightCommitment": "processed"}


async def send(running: Running, tx: VersionedTransaction) -> str:
    signature: str = await running.result("sendTransaction", base64.b64encode(bytes(tx)).decode(), NOW)
    return signature


async def status(running: Running, signature: str) -> Any:
    return (await running.result("getSignatureStatuses", [signature], {"searchTransactionHistory": True}))["value"][0]


async def test_a_node_behind_shows_the_past_and_says_so_when_it_is_too_far(running: Running) -> None:
    key = await running.rich_key()
    signature = await send(running, running.pay_sol(key))
    running.devnet.advance_slots(40)
    slot = await running.result("getSlot")
    height = await running.result("getBlockHeight")

    running.faults.set("rpc", "behind", 50)
    assert await running.result("getSlot") == slot - 50
    assert await running.result("getBlockHeight") == height - 50
    assert await status(running, signature) is None
    assert await running.result("getTransaction", signature) is None
    assert await running.result("getHealth") == "ok"
    assert (await running.error("getSlot", {"minContextSlot": slot}))["code"] == -32016
    running.faults.clear()
    running.faults.set("rpc", "behind", 150)
    error = await running.error("getHealth")
    assert error == {"code": -32005, "message": "Node is behind by 150 slots", "data": {"numSlotsBehind": 150}}
    running.faults.clear()
    assert (await status(running, signature))["confirmationStatus"] == "finalized"


async def test_statuses_can_be_null_a_number_of_times(running: Running) -> None:
    signature = await send(running, running.pay_sol(await running.rich_key()))
    running.faults.set("rpc", "null_status", times=2)
    answers = [await status(running, signature) for _ in range(3)]
    assert [answer is None for answer in answers] == [True, True, False]


async def test_finality_can_be_held_back(running: Running) -> None:
    signature = await send(running, running.pay_sol(await running.rich_key()))
    running.faults.set("rpc", "hold_finality")
    running.devnet.advance_slots(100)
    assert (await status(running, signature))["confirmationStatus"] == "confirmed"
    running.faults.clear()
    running.devnet.advance_slots(1)
    assert (await status(running, signature))["confirmationStatus"] == "finalized"


async def test_a_confirmed_transaction_vanishes_with_its_effects_and_what_came_after_stays(running: Running) -> None:
    first, second = await running.rich_key(sol=10), await running.rich_key(sol=10)
    target, other = Keypair().pubkey(), Keypair().pubkey()
    going = running.pay_sol(first, SOL, target)
    gone = await send(running, going)
    running.devnet.advance_slots(1)
    stays = await send(running, running.pay_sol(second, 2 * SOL, other))
    depends = await send(running, running.pay_sol(first, 3 * SOL, other))
    running.faults.set("rpc", "vanish", gone, times=1)
    assert (await status(running, gone))["confirmationStatus"] == "confirmed"

    running.devnet.advance_slots(1)

    async def lamports(address: object) -> int:
        return int((await running.result("getBalance", str(address)))["value"])

    assert running.faults.on == []
    assert await status(running, gone) is None
    assert await running.result("getTransaction", gone, {"commitment": "confirmed"}) is None
    assert await lamports(target) == 0
    assert await lamports(other) == 5 * SOL
    assert await lamports(first.pubkey()) == 7 * SOL - 5000
    for kept in (stays, depends):
        assert (await status(running, kept))["err"] is None
    # What vanished was never final: while its blockhash lives it can land once more.
    assert await send(running, going) == gone
    assert await lamports(target) == SOL


async def test_the_next_transaction_vanishes_some_slots_after_it_was_confirmed(running: Running) -> None:
    running.faults.set("rpc", "vanish", 5, times=1)
    signature = await send(running, running.pay_sol(await running.rich_key()))
    seen = []
    for _ in range(8):
        seen.append(await status(running, signature) is not None)
        running.devnet.advance_slots(1)
    assert seen == [True] * 6 + [False] * 2


async def test_a_node_without_history_knows_only_recent_slots(running: Running) -> None:
    signature = await send(running, running.pay_sol(key := await running.rich_key()))
    running.devnet.advance_slots(60)
    slot = await running.result("getSlot", {"commitment": "processed"})
    running.faults.set("rpc", "skip_history", 50)

    assert await status(running, signature) is None
    assert await running.result("getTransaction", signature) is None
    assert await running.result("getSignaturesForAddress", str(key.pubkey())) == []
    assert await running.result("getFirstAvailableBlock") == slot - 49
    running.faults.clear()
    assert await status(running, signature) is not None


async def test_a_node_can_swallow_a_transaction(running: Running) -> None:
    key = await running.rich_key()
    running.faults.set("rpc", "swallow", times=1)
    signature = await send(running, running.pay_sol(key))
    assert await status(running, signature) is None


async def test_a_silent_websocket_takes_subscriptions_and_tells_nothing(running: Running) -> None:
    key = await running.rich_key()
    running.faults.set("rpc", "silent")
    async with SolanaWsClient(running.websocket_url) as ws:
        await ws.slot_subscribe()
        running.devnet.advance_slots(3)
        running.faults.clear()
        running.devnet.advance_slots(1)
        first = await ws.recv()
    assert first.result.slot == running.devnet.cluster.slot
    assert key is not None


async def test_two_nodes_of_one_cluster_can_disagree(running: Running) -> None:
    running.devnet.add_node("/sandbox/rpc-b", "rpc-b")
    signature = await send(running, running.pay_sol(await running.rich_key()))
    running.faults.set("rpc-b", "null_status")
    assert await status(running, signature) is not None
    assert "hold_finality" not in running.faults.kinds["rpc-b"]


async def test_the_ticker_passes_slots_by_itself(open_devnet: Any) -> None:
    devnet = open_devnet(slot_ms=10)
    begun = devnet.cluster.slot
    await devnet.start()
    await wait_until(lambda: devnet.cluster.slot >= begun + 20)
    await devnet.stop()


async def test_an_advanced_clock_brings_the_slots_of_that_time(open_devnet: Any, clock: Any) -> None:
    devnet = open_devnet(slot_ms=400)
    begun, unix = devnet.cluster.slot, devnet.cluster.unix_time()
    clock.advance(3600)
    assert devnet.cluster.slot == begun + 9000
    assert devnet.cluster.unix_time() - unix in (3600, 3601)
    assert devnet.cluster.block_time(begun + 9000, 400) - devnet.cluster.block_time(begun, 400) in (3600, 3601)
    await devnet.stop()
