"""A devnet that died is the same one when it is opened again."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.message import Message
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from app.sandbox.clock import VirtualClock
from app.sandbox.devnet import Devnet
from app.sandbox.devnet.errors import Refused
from app.sandbox.faults import Faults
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
# Sends one transaction after the other and writes down each one that was answered.
VICTIM = """
import asyncio, json, sys
from pathlib import Path
from app.sandbox.clock import VirtualClock
from app.sandbox.devnet import Devnet
from app.sandbox.faults import Faults
from solders.keypair import Keypair

async def main(folder):
    devnet = Devnet("live", folder, VirtualClock(folder / "clock"), Faults(), slot_ms=5)
    await devnet.start()
    head = {"genesis": devnet.cluster.genesis_hash, "mint": devnet.usdc_mint}
    print(json.dumps(head), flush=True)
    while True:
        address = str(Keypair().pubkey())
        signature = await devnet.fund_usdc(address, 1_000_000)
        line = {"address": address, "signature": signature, "slot": devnet.cluster.slot}
        print(json.dumps(line), flush=True)
        await asyncio.sleep(0)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_nothing_that_was_answered_is_lost_by_kill_9(tmp_path: Path) -> None:
    output = tmp_path / "answered"
    with output.open("wb") as sink:
        command = (sys.executable, "-c", VICTIM, str(tmp_path))
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        victim = await asyncio.create_subprocess_exec(*command, stdout=sink, cwd=ROOT, env=environment)
        await wait_until(lambda: output.read_bytes().count(b"\n") > 60, seconds=30)
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
    head, *answered = [json.loads(line) for line in output.read_text().splitlines(keepends=True) if line.endswith("\n")]

    again = Devnet("live", tmp_path, VirtualClock(tmp_path / "clock"), Faults(), slot_ms=0)

    assert again.cluster.genesis_hash == head["genesis"]
    assert again.usdc_mint == head["mint"]
    assert again.cluster.slot >= answered[-1]["slot"]
    for line in answered:
        entry = again.cluster.ledger.entry(line["signature"])
        assert entry is not None
        assert entry.slot <= again.cluster.slot
        assert (await again.balances(line["address"]))[0] == 1_000_000
    await again.stop()


async def test_a_second_start_continues_with_the_same_blockhashes_statuses_and_balances(
    open_devnet: Callable[..., Devnet],
) -> None:
    key = Keypair()
    first = open_devnet()
    await first.airdrop(str(key.pubkey()), 10**9)
    first.advance_slots(40)
    blockhash = first.cluster.blockhashes.hash_at(first.cluster.slot)
    await first.fund_usdc(str(key.pubkey()), 5)
    before = await _state(first, key)
    await first.stop()

    second = open_devnet()
    assert await _state(second, key) == before
    move = transfer(TransferParams(from_pubkey=key.pubkey(), to_pubkey=key.pubkey(), lamports=1))
    tx = VersionedTransaction(Message.new_with_blockhash([move], key.pubkey(), blockhash), [key])
    landed = second.cluster.submit(tx)
    await second.stop()

    third = open_devnet()
    with pytest.raises(Refused, match="already been processed"):
        third.cluster.submit(tx)
    third.advance_slots(32)
    assert third.cluster.view.level(landed.slot) == "finalized"
    await third.stop()


async def _state(devnet: Devnet, key: Keypair) -> dict[str, Any]:
    cluster = devnet.cluster
    return {
        "view": cluster.view,
        "genesis": cluster.genesis_hash,
        "mint": devnet.usdc_mint,
        "balances": await devnet.balances(str(key.pubkey())),
        "blockhash": cluster.blockhashes.at(cluster.slot),
        "count": cluster.ledger.count(cluster.slot),
    }
