"""JSON-RPC calls about the chain itself: slots, heights, blockhashes, epochs, fees, the node's health."""

from typing import Any

from app.sandbox.devnet.blockhashes import VALID_BLOCKS
from app.sandbox.devnet.commitment import FIRST_SLOT, SLOTS_PER_EPOCH, block_height
from app.sandbox.devnet.errors import BLOCK_NOT_AVAILABLE, NODE_UNHEALTHY, RpcError, invalid_params
from app.sandbox.devnet.methods import API_VERSION, Call, Method
from app.sandbox.devnet.node import Sight
from app.sandbox.devnet.params import to_pubkey
from app.sandbox.devnet.wire import decode_message, fee

_FEATURE_SET = 2_287_185_017
_FEE_SLOTS = 150
_SAMPLE_SLOTS = 150


def get_latest_blockhash(call: Call) -> dict[str, Any]:
    slot = call.params.config(0).context_slot(call.sight.view)
    blockhash = call.cluster.blockhashes.at(slot)
    made = call.cluster.blockhashes.slot_of(blockhash) or slot
    return call.at(slot, {"blockhash": blockhash, "lastValidBlockHeight": block_height(made) + VALID_BLOCKS})


def is_blockhash_valid(call: Call) -> dict[str, Any]:
    slot = call.params.config(1).context_slot(call.sight.view)
    return call.at(slot, call.cluster.blockhashes.is_valid(call.params.text(0), slot))


def get_slot(call: Call) -> int:
    return call.params.config(0).context_slot(call.sight.view)


def get_block_height(call: Call) -> int:
    return block_height(call.params.config(0).context_slot(call.sight.view))


def get_epoch_info(call: Call) -> dict[str, int]:
    slot = call.params.config(0).context_slot(call.sight.view)
    return {
        "absoluteSlot": slot,
        "blockHeight": block_height(slot),
        "epoch": slot // SLOTS_PER_EPOCH,
        "slotIndex": slot % SLOTS_PER_EPOCH,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": call.cluster.ledger.count(slot),
    }


def get_health(call: Call) -> str:
    assert_healthy(call.sight)
    return "ok"


def assert_healthy(sight: Sight) -> None:
    """Raises RpcError as a node does that knows itself to lag."""
    if sight.is_unhealthy:
        raise RpcError(NODE_UNHEALTHY, f"Node is behind by {sight.lag} slots", {"numSlotsBehind": sight.lag})


def get_version(_: Call) -> dict[str, Any]:
    return {"solana-core": API_VERSION, "feature-set": _FEATURE_SET}


def get_genesis_hash(call: Call) -> str:
    return call.cluster.genesis_hash


def get_first_available_block(call: Call) -> int:
    return call.sight.oldest


def minimum_ledger_slot(call: Call) -> int:
    return call.sight.oldest


def get_block_time(call: Call) -> int:
    slot = call.params.integer(0)
    if not FIRST_SLOT <= slot <= call.sight.view.processed:
        raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
    return call.cluster.block_time(slot, call.node.slot_ms)


def get_transaction_count(call: Call) -> int:
    return call.cluster.ledger.count(call.params.config(0).context_slot(call.sight.view))


def get_recent_performance_samples(call: Call) -> list[dict[str, int]]:
    limit = min(call.params.integer(0, 720), 720)
    newest = call.sight.view.processed
    starts = range(newest - _SAMPLE_SLOTS, max(FIRST_SLOT, newest - limit * _SAMPLE_SLOTS) - 1, -_SAMPLE_SLOTS)
    samples: list[dict[str, int]] = []
    for start in starts:
        count = call.cluster.ledger.count(start + _SAMPLE_SLOTS) - call.cluster.ledger.count(start)
        sample = {"numTransactions": count, "numNonVoteTransactions": count, "numSlots": _SAMPLE_SLOTS}
        samples.append({"slot": start + _SAMPLE_SLOTS, **sample, "samplePeriodSecs": 60})
    return samples


def get_recent_prioritization_fees(call: Call) -> list[dict[str, int]]:
    addresses = call.params.items(0) if call.params.has(0) else []
    if len(addresses) > 128:
        raise invalid_params("Too many inputs provided; max 128")
    for address in addresses:
        to_pubkey(address)
    asked = call.node.figure("priority_fee", 10_000) or 0
    newest = call.sight.view.processed
    return [{"slot": slot, "prioritizationFee": asked} for slot in range(newest - _FEE_SLOTS + 1, newest + 1)]


def get_fee_for_message(call: Call) -> dict[str, Any]:
    message = decode_message(call.params.text(0))
    slot = call.params.config(1).context_slot(call.sight.view)
    is_alive = call.cluster.blockhashes.is_valid(str(message.recent_blockhash), slot)
    return call.at(slot, fee(message) if is_alive else None)


METHODS: dict[str, Method] = {
    "getLatestBlockhash": get_latest_blockhash,
    "isBlockhashValid": is_blockhash_valid,
    "getSlot": get_slot,
    "getBlockHeight": get_block_height,
    "getEpochInfo": get_epoch_info,
    "getHealth": get_health,
    "getVersion": get_version,
    "getGenesisHash": get_genesis_hash,
    "getFirstAvailableBlock": get_first_available_block,
    "minimumLedgerSlot": minimum_ledger_slot,
    "getBlockTime": get_block_time,
    "getTransactionCount": get_transaction_count,
    "getRecentPerformanceSamples": get_recent_performance_samples,
    "getRecentPrioritizationFees": get_recent_prioritization_fees,
    "getFeeForMessage": get_fee_for_message,
}
