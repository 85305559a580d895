"""The operator's tools for keys and SOL, and what somebody else may do who has a key."""

import base64
import json
from pathlib import Path

import httpx
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

from app.sandbox.world import World

SOL = 10**9
FEE = 5_000


async def run_keygen(arguments: list[str], _text: str) -> str:
    """`solana-keygen new ... --outfile FILE` and `solana-keygen pubkey FILE`."""
    file = Path(arguments[-1])
    if arguments[0] == "pubkey":
        return f"{read_key(file).pubkey()}\n"
    assert arguments[0] == "new"
    file.write_text(json.dumps(list(bytes(Keypair()))))
    return ""


async def send_sol(world: World, arguments: list[str], _text: str) -> str:
    """`solana transfer ... ADDRESS AMOUNT`, from a treasury that has enough."""
    address, amount = arguments[-2:]
    assert arguments[0] == "transfer"
    signature = await world._devnets["live"].airdrop(address, int(amount) * SOL)
    return f"Signature: {signature}\n"


def read_key(file: Path) -> Keypair:
    return Keypair.from_bytes(bytes(json.loads(file.read_text())))


async def take_sol(outside: httpx.AsyncClient, key: Keypair, *, leave: int) -> str:
    """Somebody who has the key sends all its SOL but this away; the transaction's signature."""

    async def ask(method: str, *params: object) -> object:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return (await outside.post("/sandbox/rpc-b", json=body)).json()["result"]

    address = key.pubkey()
    balance = await ask("getBalance", str(address))
    newest = await ask("getLatestBlockhash")
    assert isinstance(balance, dict)
    assert isinstance(newest, dict)
    move = transfer(
        TransferParams(from_pubkey=address, to_pubkey=Pubkey.new_unique(), lamports=balance["value"] - leave - FEE)
    )
    signed = Transaction.new_signed_with_payer([move], address, [key], Hash.from_string(newest["value"]["blockhash"]))
    sent = await ask("sendTransaction", base64.b64encode(bytes(signed)).decode(), {"encoding": "base64"})
    return str(sent)
