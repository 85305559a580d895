"""The page's server sends what a wallet has only signed: transactions of the payment at hand, and nothing else."""

import base64

from solders.keypair import Keypair
from solders.message import to_bytes_versioned
from solders.transaction import VersionedTransaction

from tests.box import Box


async def _signed(box: Box, payment: str, key: Keypair) -> str:
    answer = await box.house.public.post(f"/transactions/payment/{payment}", json={"account": str(key.pubkey())})
    tx = VersionedTransaction.from_bytes(base64.b64decode(answer.json()["transaction"]))
    signatures = [tx.signatures[0], key.sign_message(to_bytes_versioned(tx.message))]
    return base64.b64encode(bytes(VersionedTransaction.populate(tx.message, signatures))).decode()


async def test_what_was_issued_and_signed_is_sent_and_again_does_no_harm(box: Box) -> None:
    key = Keypair()
    await box.wallet(address=str(key.pubkey()))
    checkout = await box.checkout()
    signed = {"transaction": await _signed(box, checkout["payment"], key)}
    first = await box.house.public.post(f"/pay/{checkout['payment']}/signed", json=signed)
    assert (first.status_code, list(first.json())) == (200, ["signature"])
    again = await box.house.public.post(f"/pay/{checkout['payment']}/signed", json=signed)
    assert again.status_code in (200, 400, 409)
    await box.until_status(checkout, "completed")


async def test_another_payments_transaction_and_an_unsigned_one_are_refused(box: Box) -> None:
    key = Keypair()
    await box.wallet(address=str(key.pubkey()))
    mine, other = await box.checkout(locale="it"), await box.checkout()
    signed = await _signed(box, mine["payment"], key)
    unsigned = base64.b64encode(base64.b64decode(signed)[:65] + bytes(64) + base64.b64decode(signed)[129:]).decode()
    for payment, transaction in ((other, signed), (mine, unsigned), (mine, signed[:200]), (mine, "")):
        answer = await box.house.public.post(f"/pay/{payment['payment']}/signed", json={"transaction": transaction})
        assert (answer.status_code, answer.json()["reason"]) == (400, "not_countersigned")
    assert "wallet" in answer.json()["message"]
    nonsense = await box.house.public.post(f"/pay/{mine['payment']}/signed", content=b'{"transaction": "%%"}')
    assert (nonsense.status_code, nonsense.json()["reason"]) == (400, "request_invalid")


async def test_with_the_node_down_the_customer_is_told_to_try_again(box: Box) -> None:
    key = Keypair()
    await box.wallet(address=str(key.pubkey()))
    checkout = await box.checkout()
    signed = {"transaction": await _signed(box, checkout["payment"], key)}
    await box.fault("rpc", "status", value=503)
    answer = await box.house.public.post(f"/pay/{checkout['payment']}/signed", json=signed)
    assert (answer.status_code, answer.json()["reason"]) == (503, "chain_unavailable")
    await box.mend()
    assert (await box.house.public.post(f"/pay/{checkout['payment']}/signed", json=signed)).status_code == 200
