"""JSON-RPC calls that send, try and fund: sendTransaction, simulateTransaction, requestAirdrop."""

from contextlib import suppress
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from app.sandbox.devnet.bank import Simulation
from app.sandbox.devnet.blockhashes import VALID_BLOCKS
from app.sandbox.devnet.chain_methods import assert_healthy
from app.sandbox.devnet.commitment import block_height
from app.sandbox.devnet.encoding import encode_account
from app.sandbox.devnet.errors import (
    PREFLIGHT_FAILURE,
    SIGNATURE_VERIFICATION_FAILURE,
    Refused,
    RpcError,
    describe,
    invalid_params,
)
from app.sandbox.devnet.methods import Call, Method
from app.sandbox.devnet.params import Config, to_pubkey
from app.sandbox.devnet.wire import decode_transaction, is_signed


def send_transaction(call: Call) -> str:
    """A transaction that passes preflight, or skips it, is answered with its signature even if no block takes it."""
    config = call.params.config(1)
    tx = decode_transaction(call.params.text(0), config.text("encoding") or "base58")
    slot = config.context_slot(call.sight.view, "preflightCommitment")
    if not config.flag("skipPreflight"):
        _preflight(call, tx, slot)
    if not call.node.fault("swallow"):
        with suppress(Refused):
            call.cluster.submit(tx)
    return str(tx.signatures[0])


def _preflight(call: Call, tx: VersionedTransaction, slot: int) -> None:
    _verify(tx)
    assert_healthy(call.sight)
    simulation = _simulate(call, tx, slot, blockhash=True)
    if simulation.err is not None:
        message = f"Transaction simulation failed: {describe(simulation.err)}"
        raise RpcError(PREFLIGHT_FAILURE, message, {**_result(simulation), "accounts": None})


def _verify(tx: VersionedTransaction) -> None:
    if not is_signed(tx):
        raise RpcError(SIGNATURE_VERIFICATION_FAILURE, "Transaction signature verification failure")


def _simulate(call: Call, tx: VersionedTransaction, slot: int, *, blockhash: bool) -> Simulation:
    try:
        call.cluster.check(tx, slot=slot, blockhash=blockhash)
        return call.cluster.bank.simulate(tx)
    except Refused as refused:
        return Simulation(refused.err, {}, {})


def _result(simulation: Simulation) -> dict[str, Any]:
    meta = simulation.meta
    return {
        "err": simulation.err,
        "logs": meta.get("logMessages", []),
        "unitsConsumed": meta.get("computeUnitsConsumed", 0),
        "returnData": meta.get("returnData"),
        "innerInstructions": None,
        "fee": meta.get("fee"),
        "loadedAddresses": meta.get("loadedAddresses"),
        "replacementBlockhash": None,
    }


def simulate_transaction(call: Call) -> dict[str, Any]:
    config = call.params.config(1)
    tx = decode_transaction(call.params.text(0), config.text("encoding") or "base58")
    slot = config.context_slot(call.sight.view)
    replaces = config.flag("replaceRecentBlockhash")
    if config.flag("sigVerify"):
        if replaces:
            raise invalid_params("sigVerify may not be used with replaceRecentBlockhash")
        _verify(tx)
    simulation = _simulate(call, tx, slot, blockhash=not replaces)
    result = _result(simulation) | {"accounts": _accounts_after(call, config, simulation)}
    if config.flag("innerInstructions"):
        result["innerInstructions"] = simulation.meta.get("innerInstructions")
    if replaces:
        last_valid = block_height(slot) + VALID_BLOCKS
        replacement = {"blockhash": call.cluster.blockhashes.at(slot), "lastValidBlockHeight": last_valid}
        result["replacementBlockhash"] = replacement
    return call.at(slot, result)


def _accounts_after(call: Call, config: Config, simulation: Simulation) -> list[dict[str, Any] | None] | None:
    wanted = config.config("accounts")
    if wanted is None:
        return None
    read = call.cluster.bank.read

    def after(address: Pubkey) -> Account | None:
        return simulation.accounts.get(address) or read(address)

    accounts = [after(to_pubkey(address)) for address in wanted.items("addresses")]
    if simulation.err is not None:
        return [None] * len(accounts)
    return [None if account is None else encode_account(account, wanted, after, "base64") for account in accounts]


def request_airdrop(call: Call) -> str:
    return call.faucet.airdrop(call.params.pubkey(0), call.params.integer(1)).signature


METHODS: dict[str, Method] = {
    "sendTransaction": send_transaction,
    "simulateTransaction": simulate_transaction,
    "requestAirdrop": request_airdrop,
}
