"""The customer has closed the USDC account: the merchant's own SOL opens it again, and the fee payer's never does."""

import base64
from decimal import Decimal

from solders.instruction import AccountMeta, Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from app.records import Cluster
from chain.addresses import token_account
from chain.programs import TOKEN_PROGRAM
from tests.box import Box
from tests.integration.refunds.test_paying import merchant, usdc
from tests.waiting import wait_until

CLOSE_ACCOUNT_TAG = 9
_OPTIONS = {"encoding": "base64", "skipPreflight": True}


async def test_the_merchants_sol_opens_the_account_again(box: Box) -> None:
    customer = await box.wallet("12.34", sol="0.01")
    checkout = await box.checkout("12.34")
    assert (await box.pay(customer, checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    refund = await box.refund(checkout, "5.00")
    await close_account(box, customer)
    wallet = await merchant(box)
    refused = await box.pay(wallet, refund["link"])
    assert (refused.status_code, "To open it takes" in refused.json()["message"]) == (422, True)
    assert await box.house.rows("SELECT id FROM issued_transactions WHERE refund_id IS NOT NULL") == []
    await box.wallet("0", address=wallet, sol="0.1")
    fee_payer = str(box.house.system.clusters[Cluster.live].fee_payer.address)
    before = await sol(box, fee_payer)
    answer = await box.pay(wallet, refund["link"])
    assert answer.status_code == 200, answer.text
    await box.until_refund(refund, "completed")
    assert await usdc(box, customer) == 5
    assert await sol(box, wallet) == Decimal("0.1") - Decimal("0.00203928")
    [issued] = await box.house.rows("SELECT * FROM issued_transactions WHERE refund_id IS NOT NULL")
    assert issued["opens_account"] is True
    spent = (before - await sol(box, fee_payer)) * 10**9
    assert spent == issued["fee_lamports"] + issued["rent_lamports"]


async def sol(box: Box, address: str) -> Decimal:
    return Decimal((await box.outside.get(f"/sandbox/wallets/{address}")).json()["sol"])


async def close_account(box: Box, wallet: str) -> None:
    """As a wallet's clean-up does: the empty USDC account is closed, and its rent taken back."""
    key = box.world._wallets._keys.key(wallet)
    assert key is not None
    account = token_account(key.pubkey(), Pubkey.from_string(box.house.settings.usdc_mint))
    close = Instruction(
        TOKEN_PROGRAM,
        bytes([CLOSE_ACCOUNT_TAG]),
        [
            AccountMeta(account, is_signer=False, is_writable=True),
            AccountMeta(key.pubkey(), is_signer=False, is_writable=True),
            AccountMeta(key.pubkey(), is_signer=True, is_writable=False),
        ],
    )
    node = box.house.system.clusters[Cluster.live].node
    message = Message.new_with_blockhash([close], key.pubkey(), (await node.latest_blockhash("confirmed")).hash)
    wire = base64.b64encode(bytes(VersionedTransaction(message, [key]))).decode()
    body = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": [wire, _OPTIONS]}
    answer = (await box.outside.post("/sandbox/rpc", json=body)).json()
    assert "result" in answer, answer

    async def is_closed() -> bool:
        return (await node.accounts([account], "confirmed")).accounts == [None]

    await wait_until(is_closed, 10, "the account is closed")
