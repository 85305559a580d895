"""What a merchant's wallet has only signed is sent on, and nothing else is."""

from tests.box import Box


async def test_only_a_refunds_own_transaction_that_its_wallet_has_signed_is_sent(box: Box) -> None:
    paid, other = await box.paid("20.00"), await box.checkout()
    refund = await box.refund(paid, "5.00")
    wallet = await box.wallet()
    unsigned = await box.fetch(wallet, refund["link"])
    others = await box.fetch(wallet, other["link"])
    address = f"/transactions/refund/{refund['row']['id']}/signed"
    for transaction, reason in (
        (unsigned, "not_countersigned"),
        (others, "not_countersigned"),
        ("?", "request_invalid"),
    ):
        answer = await box.house.public.post(address, json={"transaction": transaction})
        assert (answer.status_code, answer.json()["reason"]) == (400, reason)
    unknown = await box.house.public.post("/transactions/refund/nothing/signed", json={"transaction": unsigned})
    assert unknown.status_code == 404
    assert (await box.refund_row(refund))["status"] == "pending"
