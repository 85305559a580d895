"""The node, the verification and the dead rule against the sandbox's devnet, over a real socket."""

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
import uvicorn
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from starlette.applications import Starlette

from app.sandbox.clock import VirtualClock
from app.sandbox.devnet import Devnet
from app.sandbox.faults import Faults
from chain.addresses import token_account
from chain.commitment import has_reached
from chain.death import Candidate, Doubt, Life, dead_signatures
from chain.fee_payer import KeyFileFeePayer
from chain.node import Node
from chain.payment_transaction import TransferPlan, issue_transaction
from chain.preflight import Transfer, addresses_of, check_accounts
from chain.single_use import SingleUse
from chain.snapshot import SnapshotCache
from chain.verification import Expected, verify_settled
from tests.integration.chain.ledger import customer_signs
from tests.waiting import wait_until

MARGIN = 32


class Scene:
    """A devnet with a funded fee payer, a merchant and customers, and a node that asks it."""

    def __init__(self, devnet: Devnet, node: Node, url: str) -> None:
        self.devnet = devnet
        self.node = node
        self.url = url
        self.fee_payer = Keypair()
        self.merchant = Keypair().pubkey()
        self.mint = Pubkey.from_string(devnet.usdc_mint)
        self.snapshots = SnapshotCache(node, 1, fee_addresses=[self.fee_payer.pubkey()])

    async def fund(self) -> None:
        await self.devnet.airdrop(str(self.fee_payer.pubkey()), 10**10)
        await self.devnet.fund_usdc(str(self.merchant), 0)

    async def customer(self) -> Keypair:
        wallet = Keypair()
        await self.devnet.fund_usdc(str(wallet.pubkey()), 100_000_000)
        return wallet

    async def plan(self, wallet: Pubkey) -> tuple[TransferPlan, Candidate]:
        """A payment that the chain would take now, as the app would issue it."""
        transfer = Transfer(
            wallet=wallet,
            source=token_account(wallet, self.mint),
            payee_wallet=self.merchant,
            destination=token_account(self.merchant, self.mint),
            single_use=SingleUse.derive(self.fee_payer.pubkey(), "order").address,
            mint=self.mint,
            decimals=6,
            amount=12_340_000,
        )
        view = await self.node.accounts(addresses_of(transfer), "confirmed")
        check_accounts(transfer, view.accounts)
        snapshot = await self.snapshots.get(view.slot, 10)
        plan = TransferPlan(
            fee_payer=self.fee_payer.pubkey(),
            single_use=SingleUse.derive(self.fee_payer.pubkey(), "order"),
            rent_lamports=snapshot.rent_lamports,
            wallet=wallet,
            source=transfer.source,
            destination=transfer.destination,
            mint=self.mint,
            decimals=6,
            amount=transfer.amount,
            memo="memo",
            reference=Keypair().pubkey(),
            blockhash=snapshot.blockhash.hash,
            compute_unit_limit=10_000,
            compute_unit_price=snapshot.compute_unit_price,
        )
        candidate = Candidate("", snapshot.blockhash.last_valid_block_height, snapshot.blockhash.slot)
        return plan, candidate

    async def send(self, wire_bytes: bytes) -> None:
        """What the customer's wallet does, by a client that is not ours."""
        params = [b64encode(wire_bytes).decode(), {"encoding": "base64", "skipPreflight": True}]
        question = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": params}
        async with httpx.AsyncClient() as client:
            answer = (await client.post(self.url, json=question)).json()
        assert "result" in answer, answer

    async def has_status(self, signature: str, commitment: str) -> bool:
        [status] = (await self.node.signature_statuses([signature])).statuses
        return status is not None and has_reached(status.confirmation, commitment)


@pytest.fixture
async def scene(tmp_path) -> AsyncIterator[Scene]:
    devnet = Devnet("live", tmp_path, VirtualClock(tmp_path / "clock"), Faults(), slot_ms=20)
    await devnet.start()
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/sandbox/rpc"
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=devnet.routes), log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await wait_until(lambda: server.started)
    node = Node(url, 5)
    scene = Scene(devnet, node, url)
    await scene.fund()
    yield scene
    await node.close()
    server.should_exit = True
    with suppress(asyncio.CancelledError):
        await serving
    await devnet.stop()


async def test_a_payment_is_issued_lands_is_read_back_and_verified(scene):
    customer = await scene.customer()
    plan, _ = await scene.plan(customer.pubkey())
    issued = await issue_transaction(plan, KeyFileFeePayer(scene.fee_payer))
    assert await scene.node.transaction(issued.signature, "confirmed") is None
    await scene.send(customer_signs(issued.wire, customer))
    await wait_until(lambda: scene.has_status(issued.signature, "confirmed"))
    settled = await scene.node.transaction(issued.signature, "confirmed")
    verify_settled(settled, Expected.of(plan, issued.signature, scene.merchant))
    await wait_until(lambda: scene.has_status(issued.signature, "finalized"))
    verify_settled(
        await scene.node.transaction(issued.signature, "finalized"),
        Expected.of(plan, issued.signature, scene.merchant),
    )


@pytest.mark.rule("D01")
@pytest.mark.rule("D04")
async def test_of_two_handed_out_transactions_the_one_that_landed_is_found_and_the_other_dies(scene):
    payer, idler = await scene.customer(), await scene.customer()
    candidates = []
    wires = []
    for customer in (payer, idler):
        plan, candidate = await scene.plan(customer.pubkey())
        issued = await issue_transaction(plan, KeyFileFeePayer(scene.fee_payer))
        heights = (candidate.last_valid_block_height, candidate.blockhash_slot)
        candidates.append(Candidate(issued.signature, *heights))
        wires.append(customer_signs(issued.wire, customer))
    await scene.send(wires[0])
    await wait_until(lambda: scene.has_status(candidates[0].signature, "confirmed"))
    early = await dead_signatures(scene.node, candidates, MARGIN)
    assert {verdict.doubt for verdict in early.verdicts.values()} == {Doubt.STILL_VALID}
    scene.devnet.advance(300)

    async def is_dead() -> bool:
        return (await dead_signatures(scene.node, candidates, MARGIN)).dead == [candidates[1].signature]

    await wait_until(is_dead)
    late = await dead_signatures(scene.node, candidates, MARGIN)
    assert late.verdicts[candidates[0].signature].life is Life.FOUND
