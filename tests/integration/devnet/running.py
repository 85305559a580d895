"""A running devnet in a test's hands: raw calls, keys with money, transactions."""

import ssl
from dataclasses import dataclass
from typing import Any

import httpx
from solana.rpc.async_api import AsyncClient
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from spl.token.instructions import get_associated_token_address, transfer_checked
from spl.token.models import TransferCheckedParams

from app.sandbox.devnet import Devnet
from app.sandbox.faults import Faults

TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
SOL = 10**9
# All is plain HTTP here; loading the system's authorities for each client takes longer than the call.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class Running:
    """The devnet, its address, and solana-py's client for it."""

    devnet: Devnet
    url: str
    client: AsyncClient
    faults: Faults

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http", "ws") + "/ws"

    async def ask(self, method: str, *params: Any) -> dict[str, Any]:
        """The whole answer to a raw call."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        async with httpx.AsyncClient(verify=PLAIN, timeout=30) as http:
            answer: dict[str, Any] = (await http.post(self.url, json=body)).json()
        return answer

    async def result(self, method: str, *params: Any) -> Any:
        answer = await self.ask(method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, method: str, *params: Any) -> dict[str, Any]:
        answer = await self.ask(method, *params)
        assert "result" not in answer, answer
        error: dict[str, Any] = answer["error"]
        return error

    async def rich_key(self, sol: int = 10, usdc: int = 0) -> Keypair:
        """A new key with SOL, and USDC in base units."""
        key = Keypair()
        await self.devnet.airdrop(str(key.pubkey()), sol * SOL)
        if usdc:
            await self.devnet.fund_usdc(str(key.pubkey()), usdc)
        return key

    def blockhash(self) -> Hash:
        """The newest one."""
        return self.devnet.cluster.blockhashes.hash_at(self.devnet.cluster.slot)

    def confirmed_blockhash(self) -> Hash:
        """One that a preflight at `confirmed` knows already, as it must be in what is handed to a wallet."""
        return self.devnet.cluster.blockhashes.hash_at(self.devnet.cluster.view.confirmed)

    def sign(self, key: Keypair, *instructions: Instruction, blockhash: Hash | None = None) -> VersionedTransaction:
        message = Message.new_with_blockhash(list(instructions), key.pubkey(), blockhash or self.blockhash())
        return VersionedTransaction(message, [key])

    def pay_sol(self, key: Keypair, lamports: int = SOL, to: Pubkey | None = None) -> VersionedTransaction:
        target = to or Keypair().pubkey()
        return self.sign(key, transfer(TransferParams(from_pubkey=key.pubkey(), to_pubkey=target, lamports=lamports)))

    def usdc_account(self, owner: Pubkey) -> Pubkey:
        return get_associated_token_address(owner, Pubkey.from_string(self.devnet.usdc_mint))

    def usdc_transfer(self, owner: Pubkey, to: Pubkey, amount: int, reference: Pubkey | None = None) -> Instruction:
        """`transferChecked` between two owners' accounts, with a reference key as Solana Pay has it."""
        instruction = transfer_checked(
            TransferCheckedParams(
                program_id=TOKEN,
                source=self.usdc_account(owner),
                mint=Pubkey.from_string(self.devnet.usdc_mint),
                dest=self.usdc_account(to),
                owner=owner,
                amount=amount,
                decimals=6,
            )
        )
        extra = [AccountMeta(reference, is_signer=False, is_writable=False)] if reference else []
        return Instruction(instruction.program_id, instruction.data, [*instruction.accounts, *extra])


def memo(text: str) -> Instruction:
    return Instruction(MEMO, text.encode(), [])
