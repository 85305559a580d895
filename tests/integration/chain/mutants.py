"""A good payment on the sandbox's devnet, and what it takes to land something else in its place."""

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx
import msgspec
import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from solders.transaction import VersionedTransaction

from app.sandbox.devnet import Devnet
from chain import errors, wire
from chain.addresses import token_account
from chain.node import Node
from chain.payment_transaction import TransferPlan, build_message
from chain.programs import MAX_STATUSES_PER_CALL, TOKEN_PROGRAM, TRANSFER_CHECKED_TAG
from chain.reasons import Reason
from chain.settled import SettledTransaction, read_settled
from chain.single_use import SingleUse, derive_seed
from chain.verification import Expected, verify_settled
from tests.integration.chain.rpc_server import RpcServer, in_context, result
from tests.unit.chain.samples import instructions_of, sign

SOL = 10**9
USDC = 10**6
SECRET = b"the derivation secret of the mutants"


class Chain:
    """A devnet whose slots pass when a test says so, and a node that is asked over a socket."""

    def __init__(self, devnet: Devnet, node: Node, url: str, client: httpx.AsyncClient) -> None:
        self.devnet = devnet
        self.node = node
        self.mint = Pubkey.from_string(devnet.usdc_mint)
        self._url = url
        self._client = client

    async def ask(self, method: str, *params: Any) -> Any:
        """A node's answer as it is, for tests that change it."""
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = (await self._client.post(self._url, json=question)).json()
        assert "result" in answer, answer
        return answer["result"]

    async def send(self, transaction: VersionedTransaction) -> str:
        """What any wallet or attacker may do: hand a signed transaction to a node, without a preflight."""
        wire = b64encode(bytes(transaction)).decode()
        signature: str = await self.ask("sendTransaction", wire, {"encoding": "base64", "skipPreflight": True})
        return signature

    async def land(self, transaction: VersionedTransaction) -> SettledTransaction:
        """Send it, let it be confirmed, and read it back as Settle does."""
        signature = await self.send(transaction)
        self.devnet.advance_slots(1)
        settled = await self.node.transaction(signature, "confirmed")
        assert settled is not None, "no block took it"
        return settled

    async def run(self, payer: Keypair, instructions: list[Instruction], *signers: Keypair) -> None:
        """Land something that only sets the scene."""
        blockhash = (await self.node.latest_blockhash("confirmed")).hash
        message = Message.new_with_blockhash(instructions, payer.pubkey(), blockhash)
        settled = await self.land(sign(message, payer, *signers))
        assert settled.error is None, settled.error

    async def rich(self) -> Keypair:
        """A wallet with SOL."""
        wallet = Keypair()
        await self.devnet.airdrop(str(wallet.pubkey()), 10 * SOL)
        return wallet

    async def make_account(self, payer: Keypair, size: int, owner: Pubkey) -> tuple[Keypair, Instruction]:
        """A new address, and the instruction with which a program gets an account there."""
        new = Keypair()
        rent = await self.node.minimum_rent(size)
        params = CreateAccountParams(
            from_pubkey=payer.pubkey(), to_pubkey=new.pubkey(), lamports=rent, space=size, owner=owner
        )
        return new, create_account(params)


@dataclass(frozen=True)
class Landed:
    """What landed, and under which id."""

    settled: SettledTransaction
    signature: str


class Payment:
    """One issued payment with a fee payer, a merchant and a customer of its own."""

    def __init__(self, chain: Chain, blockhash: Any) -> None:
        self.chain = chain
        self.fee_payer, self.merchant, self.customer = Keypair(), Keypair(), Keypair()
        wallet, mint = self.customer.pubkey(), chain.mint
        self.plan = TransferPlan(
            fee_payer=self.fee_payer.pubkey(),
            single_use=self.single_use("order"),
            rent_lamports=890_880,
            wallet=wallet,
            source=token_account(wallet, mint),
            destination=token_account(self.merchant.pubkey(), mint),
            mint=mint,
            decimals=6,
            amount=12_340_000,
            memo="Zx3vJ0hQm2rT8kLw5nYb1A",
            reference=Keypair().pubkey(),
            blockhash=blockhash,
            compute_unit_limit=10_000,
            compute_unit_price=0,
        )
        self.issued = sign(build_message(self.plan), self.fee_payer, self.customer)

    @classmethod
    async def open(cls, chain: Chain) -> "Payment":
        payment = cls(chain, (await chain.node.latest_blockhash("confirmed")).hash)
        await chain.devnet.airdrop(str(payment.plan.fee_payer), 10 * SOL)
        await chain.devnet.fund_usdc(str(payment.merchant.pubkey()), 0)
        await chain.devnet.fund_usdc(str(payment.customer.pubkey()), 100 * USDC)
        return payment

    @property
    def signature(self) -> str:
        return str(self.issued.signatures[0])

    @property
    def expected(self) -> Expected:
        return Expected.of(self.plan, self.signature, self.merchant.pubkey())

    def single_use(self, group: str, version: int = 1, base: Pubkey | None = None) -> SingleUse:
        seed = derive_seed(SECRET, "payment", "sandbox.myshopify.com", group, version)
        return SingleUse.derive(base or self.fee_payer.pubkey(), seed)

    def instructions(self, **changes: Any) -> list[Instruction]:
        """Those of the plan: limit, price, single-use account, memo, transfer."""
        return instructions_of(build_message(replace(self.plan, **changes)))

    def transfer(self, **changes: Any) -> Instruction:
        """The transfer of the plan with other accounts, figures, program or tail."""
        plan = self.plan
        tag, amount = changes.get("tag", TRANSFER_CHECKED_TAG), changes.get("amount", plan.amount)
        data = bytes([tag]) + amount.to_bytes(8, "little") + bytes([changes.get("decimals", plan.decimals)])
        reference = AccountMeta(plan.reference, is_signer=False, is_writable=False)
        accounts = [
            AccountMeta(changes.get("source", plan.source), is_signer=False, is_writable=True),
            AccountMeta(changes.get("mint", plan.mint), is_signer=False, is_writable=False),
            AccountMeta(changes.get("destination", plan.destination), is_signer=False, is_writable=True),
            AccountMeta(changes.get("authority", plan.wallet), changes.get("signs", True), is_writable=False),
            *changes.get("references", [reference]),
        ]
        return Instruction(changes.get("program", TOKEN_PROGRAM), data + changes.get("tail", b""), accounts)

    def customer_signs(self) -> AccountMeta:
        return AccountMeta(self.plan.wallet, is_signer=True, is_writable=False)

    async def land(self, message: Message | MessageV0, *signers: Keypair) -> Landed:
        """Everybody signs, and it lands."""
        transaction = sign(message, self.fee_payer, self.customer, *signers)
        return Landed(await self.chain.land(transaction), str(transaction.signatures[0]))

    async def land_plan(self, *signers: Keypair, **changes: Any) -> Landed:
        return await self.land(build_message(replace(self.plan, **changes)), *signers)

    async def land_instructions(self, instructions: list[Instruction], *signers: Keypair) -> Landed:
        message = Message.new_with_blockhash(instructions, self.plan.fee_payer, self.plan.blockhash)
        return await self.land(message, *signers)

    async def land_transfer(self, *signers: Keypair, **changes: Any) -> Landed:
        """The plan's instructions with another transfer."""
        return await self.land_instructions([*self.instructions()[:4], self.transfer(**changes)], *signers)

    def reason(self, settled: SettledTransaction, signature: str | None = None) -> Reason | None:
        """Why this is not the payment, supposing that its id had been issued; None when it is the payment."""
        expected = replace(self.expected, signature=signature or str(settled.signatures[0]))
        try:
            verify_settled(settled, expected)
        except errors.Unverified as refusal:
            return refusal.reason
        return None


@dataclass(frozen=True)
class Mutant:
    """A change of the good payment that the chain takes, and the reason with which it is refused."""

    name: str
    reason: Reason
    make: Callable[[Payment], Awaitable[Landed]]
    fails: bool = False

    async def is_refused(self, payment: Payment) -> None:
        landed = await self.make(payment)
        assert (landed.settled.error is not None) == self.fails, landed.settled.error
        assert payment.reason(landed.settled) is self.reason
        if landed.signature != payment.signature:
            # That its id was issued is only supposed: as it is, nobody would ever have looked at it.
            assert payment.reason(landed.settled, payment.signature) is Reason.WRONG_SIGNATURE


def each(mutants: list[Mutant]) -> Any:
    return pytest.mark.parametrize("mutant", mutants, ids=[mutant.name for mutant in mutants])


class Told:
    """The good payment has landed, and now a node says of it whatever a test makes it say."""

    def __init__(self, payment: Payment, good: dict[str, Any], rpc: RpcServer, node: Node) -> None:
        self.payment = payment
        self.good = good
        self.node = node
        self._rpc = rpc

    @classmethod
    async def open(cls, payment: Payment, rpc: RpcServer, node: Node) -> "Told":
        await payment.chain.devnet.fund_usdc(str(payment.merchant.pubkey()), 5 * USDC)
        await payment.chain.land(payment.issued)
        options = {"commitment": "confirmed", "encoding": "base64", "maxSupportedTransactionVersion": 0}
        return cls(payment, await payment.chain.ask("getTransaction", payment.signature, options), rpc, node)

    async def settled(self, answer: Any) -> SettledTransaction | Reason:
        """What Settle reads in this answer, or why nothing can be read in it."""
        self._rpc.answers["getTransaction"] = answer if isinstance(answer, tuple) else result(answer)
        try:
            settled = await self.node.transaction(self.payment.signature, "confirmed")
        except errors.NodeError as problem:
            return problem.reason
        assert settled is not None
        return settled

    async def reason(self, answer: Any) -> Reason | None:
        """Why this answer proves no payment; None when it does."""
        settled = await self.settled(answer)
        return settled if isinstance(settled, Reason) else self.payment.reason(settled, self.payment.signature)

    async def are_not_paid(self, failures: list[Any]) -> None:
        """The payment landed with each of these errors: its status says so, and so does its transaction."""
        for start in range(0, len(failures), MAX_STATUSES_PER_CALL):
            batch = failures[start : start + MAX_STATUSES_PER_CALL]
            shown = {"slot": 7, "confirmations": None, "confirmationStatus": "finalized"}
            self._rpc.answers["getSignatureStatuses"] = in_context(7, [shown | {"err": error} for error in batch])
            found = (await self.node.signature_statuses([self.payment.signature] * len(batch))).statuses
            assert [status for status in found if status is None or status.error is None] == []
        for error in failures:
            # Not through the socket, which carried all of them above.
            answer = json.loads(json.dumps(self.good | {"meta": self.good["meta"] | {"err": error}}))
            settled = read_settled(msgspec.convert(answer, wire.Transaction))
            assert self.payment.reason(settled, self.payment.signature) is Reason.LANDED_WITH_ERROR, error
