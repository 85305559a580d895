"""A Solana node and TRM that answer from memory, in a process of their own: python -m tests.bench.outside PORT FILE.

The file names mint, merchant, wallets and fee payer; each has plenty: the first ones in their token accounts.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from solders.pubkey import Pubkey
from solders.token.associated import get_associated_token_address

from tests.bench.bare import SYSTEM, TOKEN

PLENTY = 10**12
SLOT = 1_000


def token_account_data(mint: Pubkey, owner: Pubkey) -> str:
    initialized = b"\x01"
    data = bytes(mint) + bytes(owner) + PLENTY.to_bytes(8, "little") + bytes(36) + initialized + bytes(56)
    return base64.b64encode(data).decode()


def _account(lamports: int, owner: Pubkey, data: str) -> dict[str, Any]:
    shown = {"lamports": lamports, "owner": str(owner), "data": [data, "base64"]}
    return shown | {"executable": False, "rentEpoch": 0, "space": len(base64.b64decode(data))}


class Outside:
    """An ASGI application: /rpc is the node, everything else TRM."""

    def __init__(self, mint: str, owners: list[str], fee_payer: str) -> None:
        self._accounts = {fee_payer: _account(PLENTY, SYSTEM, "")}
        for owner in map(Pubkey.from_string, owners):
            address = get_associated_token_address(owner, Pubkey.from_string(mint))
            data = token_account_data(Pubkey.from_string(mint), owner)
            self._accounts[str(address)] = _account(2_039_280, TOKEN, data)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        question = msgspec.json.decode(body)
        answer = self._answer(question) if scope["path"] == "/rpc" else self._screen(question)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    def _answer(self, question: Any) -> Any:
        return {"jsonrpc": "2.0", "id": question["id"], "result": self._result(question["method"], question["params"])}

    def _result(self, method: str, params: Any) -> Any:
        context = {"slot": SLOT, "apiVersion": "3.0.0"}
        match method:
            case "getMultipleAccounts":
                return {"context": context, "value": [self._accounts.get(address) for address in params[0]]}
            case "getLatestBlockhash":
                value = {"blockhash": str(Pubkey.from_bytes(b"\x01" * 32)), "lastValidBlockHeight": SLOT + 150}
                return {"context": context, "value": value}
            case "getMinimumBalanceForRentExemption":
                return 890_880
            case "getRecentPrioritizationFees":
                return [{"slot": SLOT, "prioritizationFee": 0}]
        raise ValueError(method)

    @staticmethod
    def _screen(question: Any) -> Any:
        return [
            {"address": asked["address"], "chain": asked["chain"], "entities": [], "addressRiskIndicators": []}
            for asked in question
        ]


def main() -> None:
    known = json.loads(Path(sys.argv[2]).read_text())
    outside = Outside(known["mint"], [known["merchant"], *known["wallets"]], known["fee_payer"])
    uvicorn.run(outside, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="off")


if __name__ == "__main__":
    main()
