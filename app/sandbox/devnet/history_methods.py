"""JSON-RPC calls about transactions that were executed."""

from typing import Any

from app.sandbox.devnet.commitment import Commitment
from app.sandbox.devnet.encoding import encode_entry
from app.sandbox.devnet.errors import invalid_params
from app.sandbox.devnet.ledger import Entry, Status
from app.sandbox.devnet.methods import Call, Method
from app.sandbox.devnet.node import STATUS_CACHE_SLOTS
from app.sandbox.devnet.params import Config, to_signature
from app.sandbox.devnet.wire import memo, message_of

MAX_STATUSES = 256
MAX_HISTORY = 1_000
_MADE_UP_ERROR = {"InstructionError": [4, {"Custom": 1}]}


def get_signature_statuses(call: Call) -> dict[str, Any]:
    asked, config = call.params.items(0), call.params.config(1)
    if len(asked) > MAX_STATUSES:
        raise invalid_params(f"Too many inputs provided; max {MAX_STATUSES}")
    signatures = [to_signature(one) for one in asked]
    view = call.sight.view
    oldest = call.sight.oldest if config.flag("searchTransactionHistory") else view.finalized - STATUS_CACHE_SLOTS
    is_blind = call.node.fault("null_status")
    found = [None if is_blind else call.cluster.ledger.status(signature) for signature in signatures]
    lie = _MADE_UP_ERROR if call.node.fault("false_error") else None
    shown = [_shown(call, status, max(oldest, call.sight.oldest), lie) for status in found]
    return call.at(view.processed, shown)


def _shown(call: Call, status: Status | None, oldest: int, lie: Any) -> dict[str, Any] | None:
    view = call.sight.view
    level = view.level(status.slot) if status else None
    if status is None or level is None or status.slot < oldest:
        return None
    error = lie or status.err
    return {
        "slot": status.slot,
        "confirmations": None if level == "finalized" else view.processed - status.slot,
        "err": error,
        "status": {"Ok": None} if error is None else {"Err": error},
        "confirmationStatus": level,
    }


def get_transaction(call: Call) -> dict[str, Any] | None:
    signature = call.params.signature(0)
    # Clients of old give only the encoding, as a string.
    config = Config({"encoding": call.params.text(1)}) if call.params.is_text(1) else call.params.config(1)
    newest = call.sight.view.slot(_not_processed(config))
    entry = None if call.node.fault("null_transaction") else call.cluster.ledger.entry(signature)
    if entry is None or not call.sight.oldest <= entry.slot <= newest:
        return None
    shown = encode_entry(entry, config.text("encoding") or "json", config.integer("maxSupportedTransactionVersion"))
    return _forge(shown) if call.node.fault("forged") else shown


def _forge(shown: dict[str, Any]) -> dict[str, Any]:
    """What a node that lies shows."""
    after = [
        {**balance, "uiTokenAmount": {**amount, "amount": str(int(amount["amount"]) + 1)}}
        for balance in shown["meta"]["postTokenBalances"]
        for amount in (balance["uiTokenAmount"],)
    ]
    return {**shown, "meta": {**shown["meta"], "postTokenBalances": after}}


def _not_processed(config: Config) -> Commitment:
    commitment = config.commitment()
    if commitment == "processed":
        raise invalid_params("Method does not support commitment below `confirmed`")
    return commitment


def get_signatures_for_address(call: Call) -> list[dict[str, Any]]:
    address, config = str(call.params.pubkey(0)), call.params.config(1)
    limit = config.integer("limit")
    if limit is not None and not 1 <= limit <= MAX_HISTORY:
        raise invalid_params(f"Invalid limit; max {MAX_HISTORY}")
    _not_processed(config)
    newest = config.context_slot(call.sight.view)
    before, until = _place(call, config.text("before")), _place(call, config.text("until"))
    if config.text("before") is not None and before is None:
        return []
    entries = call.cluster.ledger.history(
        address,
        before=before,
        after=until or 0,
        newest_slot=newest,
        oldest_slot=call.sight.oldest,
        limit=limit or MAX_HISTORY,
    )
    return [_line(call, entry) for entry in entries]


def _place(call: Call, signature: str | None) -> int | None:
    """The place of a signature in the history, if the node knows it."""
    entry = call.cluster.ledger.entry(to_signature(signature)) if signature is not None else None
    return entry.sequence if entry else None


def _line(call: Call, entry: Entry) -> dict[str, Any]:
    return {
        "signature": entry.signature,
        "slot": entry.slot,
        "err": entry.err,
        "memo": memo(message_of(entry.transaction)),
        "blockTime": entry.block_time,
        "confirmationStatus": call.sight.view.level(entry.slot),
    }


METHODS: dict[str, Method] = {
    "getSignatureStatuses": get_signature_statuses,
    "getTransaction": get_transaction,
    "getSignaturesForAddress": get_signatures_for_address,
}
