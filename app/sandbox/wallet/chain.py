"""The wallet's view of the chain: a few JSON-RPC calls to a provider of its own, over HTTP."""

import asyncio
import base64
from dataclasses import dataclass
from typing import Any

import httpx
from solders.transaction import VersionedTransaction

from app.sandbox.wallet.errors import WalletRefusal

_TRIES = 3
_POLL_SECONDS = 0.05
_CONFIRMED = {"commitment": "confirmed"}


@dataclass(frozen=True)
class Chain:
    """One cluster by the address of a node."""

    http: httpx.AsyncClient
    url: str

    async def latest_blockhash(self) -> str:
        blockhash: str = (await self._ask("getLatestBlockhash", _CONFIRMED))["value"]["blockhash"]
        return blockhash

    async def knows(self, blockhash: str) -> bool:
        """Whether a transaction with this blockhash can still land here."""
        known: bool = (await self._ask("isBlockhashValid", blockhash, {"commitment": "processed"}))["value"]
        return known

    async def decimals(self, mint: str) -> int:
        """How many decimals a token has. Raises WalletRefusal."""
        decimals: int = (await self._ask("getTokenSupply", mint))["value"]["decimals"]
        return decimals

    async def token_program(self, mint: str) -> str:
        """The program that a mint belongs to. Raises WalletRefusal."""
        account = (await self._ask("getAccountInfo", mint, {"encoding": "base64"}))["value"]
        if account is None:
            raise WalletRefusal("The link names a token that does not exist.")
        owner: str = account["owner"]
        return owner

    async def simulate(self, tx: VersionedTransaction) -> None:
        """Try the transaction. Raises WalletRefusal when it would fail."""
        options = {"encoding": "base64", "sigVerify": False, "commitment": "processed"}
        outcome = (await self._ask("simulateTransaction", _encode(tx), options))["value"]
        if outcome["err"] is not None:
            raise WalletRefusal(f"This transaction would fail: {_explain(outcome['err'], outcome['logs'])}")

    async def send(self, tx: VersionedTransaction) -> str:
        """Send, and wait until it is confirmed; the signature. Raises WalletRefusal."""
        options = {"encoding": "base64", "preflightCommitment": "processed"}
        signature: str = await self._ask("sendTransaction", _encode(tx), options)
        blockhash = str(tx.message.recent_blockhash)
        while True:
            # Asked in this order: what landed on the last block is found.
            is_alive = await self.knows(blockhash)
            status = (await self._ask("getSignatureStatuses", [signature]))["value"][0]
            if status is None and not is_alive:
                raise WalletRefusal("The transaction has expired before it landed.")
            if status is not None and status["err"] is not None:
                raise WalletRefusal(f"The transaction failed: {_explain(status['err'], [])}")
            if status is not None and status["confirmationStatus"] != "processed":
                return signature
            await asyncio.sleep(_POLL_SECONDS)

    async def _ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        for left in reversed(range(_TRIES)):
            try:
                answer = await self.http.post(self.url, json=body)
                answer.raise_for_status()
                content = answer.json()
                break
            except (httpx.HTTPError, ValueError) as error:
                if not left:
                    raise WalletRefusal(f"The Solana network cannot be reached ({type(error).__name__}).") from error
                await asyncio.sleep(_POLL_SECONDS)
        if "error" in content:
            raise WalletRefusal(f"The Solana network refused: {content['error']['message']}")
        return content["result"]


def _encode(tx: VersionedTransaction) -> str:
    return base64.b64encode(bytes(tx)).decode()


def _explain(err: Any, logs: list[str]) -> str:
    """The error, with the last thing that a program said about it."""
    said = [line for line in logs if not line.startswith("Program ") or line.startswith("Program log:")]
    return f"{err} ({said[-1]})" if said else str(err)
