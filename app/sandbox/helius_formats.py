"""What Helius tells of a transaction: the raw format, near to a node's, and the enhanced one, which explains it."""

from typing import Any

from app.sandbox.devnet.encoding import all_keys, encode_entry
from app.sandbox.devnet.ledger import Entry
from app.sandbox.devnet.wire import message_of


def raw_item(entry: Entry) -> dict[str, Any]:
    """As getTransaction shows it (encoding json), with its place in the block."""
    shown = encode_entry(entry, "json", 0)
    return {"blockTime": entry.block_time, "indexWithinBlock": entry.sequence % 1_000} | shown


def enhanced_item(entry: Entry) -> dict[str, Any]:
    """What moved, by account and by transfer. Token amounts of transfers are floats there, as with the real one."""
    message, meta = message_of(entry.transaction), entry.meta
    keys = all_keys(message, meta)
    changes = _token_changes(meta, keys)
    payers = [change for change in changes if change["raw"] < 0]
    takers = [change for change in changes if change["raw"] > 0]
    return {
        "signature": entry.signature,
        "slot": entry.slot,
        "timestamp": entry.block_time,
        "type": "TRANSFER" if changes else "UNKNOWN",
        "source": "SYSTEM_PROGRAM",
        "description": "",
        "fee": meta["fee"],
        "feePayer": keys[0],
        "nativeTransfers": [],
        "tokenTransfers": [
            {
                "fromUserAccount": payer["owner"],
                "toUserAccount": taker["owner"],
                "fromTokenAccount": payer["account"],
                "toTokenAccount": taker["account"],
                "tokenAmount": taker["raw"] / 10 ** taker["decimals"],
                "mint": taker["mint"],
                "tokenStandard": "Fungible",
            }
            for payer, taker in zip(payers, takers, strict=False)
        ],
        "accountData": [
            {
                "account": key,
                "nativeBalanceChange": meta["postBalances"][index] - meta["preBalances"][index],
                "tokenBalanceChanges": [
                    {
                        "userAccount": change["owner"],
                        "tokenAccount": change["account"],
                        "mint": change["mint"],
                        "rawTokenAmount": {"tokenAmount": str(change["raw"]), "decimals": change["decimals"]},
                    }
                    for change in changes
                    if change["account"] == key
                ],
            }
            for index, key in enumerate(keys)
        ],
        "transactionError": None if entry.err is None else {"error": entry.err},
        "instructions": [
            {
                "programId": keys[one.program_id_index],
                "accounts": [keys[index] for index in bytes(one.accounts)],
                "data": data["data"],
                "innerInstructions": [],
            }
            for one, data in zip(
                message.instructions,
                encode_entry(entry, "json", 0)["transaction"]["message"]["instructions"],
                strict=True,
            )
        ],
        "events": {},
    }


def _token_changes(meta: dict[str, Any], keys: list[str]) -> list[dict[str, Any]]:
    """By token account: what it holds more or less than before, in base units."""
    before = {balance["accountIndex"]: int(balance["uiTokenAmount"]["amount"]) for balance in meta["preTokenBalances"]}
    changes = []
    for balance in meta["postTokenBalances"]:
        raw = int(balance["uiTokenAmount"]["amount"]) - before.get(balance["accountIndex"], 0)
        if raw:
            changes.append(
                {
                    "account": keys[balance["accountIndex"]],
                    "owner": balance["owner"],
                    "mint": balance["mint"],
                    "raw": raw,
                    "decimals": balance["uiTokenAmount"]["decimals"],
                }
            )
    return changes
