"""How long a blockhash lives, to the block."""

import base64

import pytest
from solders.transaction import VersionedTransaction

from tests.integration.devnet.running import Running


def encode(tx: VersionedTransaction) -> str:
    return base64.b64encode(bytes(tx)).decode()


@pytest.mark.parametrize(("blocks", "lands"), [(0, True), (149, True), (150, True), (151, False), (400, False)])
async def test_a_transaction_lands_until_its_last_valid_block_height_and_not_after(
    running: Running, blocks: int, lands: bool
) -> None:
    key = await running.rich_key()
    latest = await running.result("getLatestBlockhash", {"commitment": "processed"})
    tx = running.pay_sol(key)
    running.devnet.advance_slots(blocks)

    height = await running.result("getBlockHeight", {"commitment": "processed"})
    valid = await running.result("isBlockhashValid", latest["value"]["blockhash"], {"commitment": "processed"})
    await running.result("sendTransaction", encode(tx), {"encoding": "base64", "skipPreflight": True})
    status = await running.result("getSignatureStatuses", [str(tx.signatures[0])])

    assert str(tx.message.recent_blockhash) == latest["value"]["blockhash"]
    assert (height <= latest["value"]["lastValidBlockHeight"]) == lands
    assert valid["value"] == lands
    assert (status["value"][0] is not None) == lands


async def test_an_expired_blockhash_is_said_in_preflight(running: Running) -> None:
    key = await running.rich_key()
    tx = running.pay_sol(key)
    running.devnet.advance_slots(151)

    error = await running.error(
        "sendTransaction", encode(tx), {"encoding": "base64", "preflightCommitment": "processed"}
    )

    assert error["code"] == -32002
    assert error["message"] == "Transaction simulation failed: Blockhash not found"
    assert error["data"]["err"] == "BlockhashNotFound"
    assert error["data"]["logs"] == []


async def test_a_blockhash_is_unknown_to_a_bank_older_than_it(running: Running) -> None:
    key = await running.rich_key()
    tx = running.pay_sol(key)

    error = await running.error("sendTransaction", encode(tx), {"encoding": "base64"})
    assert error["data"]["err"] == "BlockhashNotFound"
    await running.result("sendTransaction", encode(tx), {"encoding": "base64", "preflightCommitment": "processed"})


async def test_two_equal_transactions_land_once(running: Running) -> None:
    key = await running.rich_key()
    tx, options = running.pay_sol(key), {"encoding": "base64", "preflightCommitment": "processed"}
    signature = await running.result("sendTransaction", encode(tx), options)
    lamports = (await running.result("getBalance", str(key.pubkey())))["value"]

    error = await running.error("sendTransaction", encode(tx), options)
    again = await running.result("sendTransaction", encode(tx), options | {"skipPreflight": True})

    assert error["code"] == -32002
    assert error["data"]["err"] == "AlreadyProcessed"
    assert error["message"] == "Transaction simulation failed: This transaction has already been processed"
    assert again == signature
    assert (await running.result("getBalance", str(key.pubkey())))["value"] == lamports


async def test_many_slots_at_once_bring_finality_expiry_and_an_empty_status_cache(running: Running) -> None:
    key = await running.rich_key()
    tx = running.pay_sol(key)
    signature = await running.result("sendTransaction", encode(tx), {"encoding": "base64", "skipPreflight": True})
    running.devnet.advance_slots(100_000)

    with_history = await running.result("getSignatureStatuses", [signature], {"searchTransactionHistory": True})
    without = await running.result("getSignatureStatuses", [signature])
    valid = await running.result("isBlockhashValid", str(tx.message.recent_blockhash))

    assert with_history["value"][0]["confirmationStatus"] == "finalized"
    assert with_history["value"][0]["confirmations"] is None
    assert without["value"] == [None]
    assert valid["value"] is False
