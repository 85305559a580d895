"""The merchant pays a refund: the wallet that paid has its money back, and Shopify knows, exactly once."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from app.records import Cluster
from tests.box import Box
from tests.integration.refunds.test_rejecting import applied

RESOLVE = "refundSessionResolve"


async def usdc(box: Box, wallet: str) -> Decimal:
    return Decimal((await box.outside.get(f"/sandbox/wallets/{wallet}")).json()["usdc"])


async def merchant(box: Box) -> str:
    address: str = (await box.outside.get("/sandbox/merchant")).json()["wallet"]
    return address


async def test_a_refund_goes_back_to_the_wallet_that_paid_and_is_resolved_once(box: Box) -> None:
    checkout = await box.paid("12.34")
    wallet = await merchant(box)
    refund = await box.refund(checkout, "5.00")
    answer = await box.pay(wallet, refund["link"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "Settle Sandbox Store: refund of $5.00 USD (5.00 USDC)"
    row = await box.until_refund(refund, "completed")
    assert (row["paid_signature"], row["paid_wallet"]) == (answer.json()["signature"], wallet)
    known = await box.refund_at_shopify(refund)
    assert (known["state"], known["alarms"], applied(known)) == ("resolved", [], [RESOLVE])
    assert await usdc(box, checkout["wallet"]) == Decimal(1000) - Decimal("7.34")
    assert await usdc(box, wallet) == Decimal("7.34")
    history = await box.house.rows(
        "SELECT from_status, to_status FROM events WHERE record = 'refund' AND to_status IS NOT NULL ORDER BY id"
    )
    assert [tuple(step) for step in history] == [(None, "pending"), ("pending", "paid"), ("paid", "completed")]
    again = await box.pay(wallet, refund["link"])
    assert (again.status_code, "already paid" in again.json()["message"]) == (422, True)


async def test_parts_add_up_to_the_whole_and_not_a_unit_more(box: Box) -> None:
    checkout = await box.paid("1.00", "EUR")
    paid = Decimal(1000) - await usdc(box, checkout["wallet"])
    wallet = await merchant(box)
    for amount in ("0.33", "0.33", "0.34"):
        refund = await box.refund(checkout, amount)
        assert (await box.pay(wallet, refund["link"])).status_code == 200
        await box.until_refund(refund, "completed")
    assert await usdc(box, checkout["wallet"]) == Decimal(1000)
    assert await usdc(box, wallet) == 0
    assert paid > 0
    assert (await box.refund(checkout, "0.01"))["row"]["status"] == "rejecting"


async def test_any_wallet_of_the_merchant_may_pay_and_of_two_at_once_exactly_one_lands(box: Box) -> None:
    checkout = await box.paid("12.34")
    refund = await box.refund(checkout, "5.00")
    wallets = [await box.wallet("20"), await box.wallet("20")]
    fetched = [
        (await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": refund["link"]})).json()[
            "transaction"
        ]
        for wallet in wallets
    ]
    answers = await asyncio.gather(
        *(
            box.outside.post(f"/sandbox/wallets/{wallet}/send", json={"transaction": transaction})
            for wallet, transaction in zip(wallets, fetched, strict=True)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422]
    await box.until_refund(refund, "completed")
    assert applied(await box.refund_at_shopify(refund)) == [RESOLVE]
    assert await usdc(box, checkout["wallet"]) == Decimal(1000) - Decimal("7.34")
    assert sorted([await usdc(box, wallet) for wallet in wallets]) == [15, 20]


async def test_the_same_wallet_asking_again_gets_the_same_transaction(box: Box) -> None:
    refund = await box.refund(await box.paid())
    wallet = await merchant(box)
    path = f"/transactions/refund/{refund['row']['id']}"
    answers = await asyncio.gather(*(box.house.public.post(path, json={"account": wallet}) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["transaction"] for answer in answers}) == 1
    [issued] = await box.house.rows("SELECT * FROM issued_transactions WHERE refund_id IS NOT NULL")
    assert issued["payment_id"] is None
    label = (await box.house.public.get(path)).json()["label"]
    assert label == "Refund by Settle Sandbox Store"
    assert len(await box.house.rows("SELECT id FROM payment_groups")) == 2


async def test_who_can_not_pay_is_told_why(box: Box) -> None:
    checkout = await box.paid("12.34")
    refund = await box.refund(checkout, "5.00")

    async def refused(wallet: str, path: str = f"/transactions/refund/{refund['row']['id']}") -> tuple[int, str]:
        answer = await box.house.public.post(path, json={"account": wallet})
        return answer.status_code, answer.json()["reason"]

    assert await refused(checkout["wallet"]) == (400, "payee_wallet")
    assert await refused(await box.wallet("4.99")) == (400, "too_little_usdc")
    assert await refused("9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin") == (400, "no_token_account")
    assert await refused("nonsense") == (400, "invalid_address")
    fee_payer = str(box.house.system.clusters[Cluster.live].fee_payer.address)
    assert await refused(fee_payer) == (400, "own_address")
    wallet = await merchant(box)
    assert await refused(wallet, "/transactions/refund/AAAAAAAAAAAAAAAAAAAAAA") == (404, "refund_not_found")
    assert await refused(wallet, "/transactions/refund/short") == (404, "refund_not_found")
    unknown = await box.house.public.get("/transactions/refund/AAAAAAAAAAAAAAAAAAAAAA")
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "refund_not_found")
    above = await box.refund(checkout, "99")
    assert await refused(wallet, f"/transactions/refund/{above['row']['id']}") == (409, "refund_closed")
    assert await box.house.rows("SELECT id FROM issued_transactions WHERE refund_id IS NOT NULL") == []
    await box.house.rows("UPDATE merchants SET status = 'inactive'")
    assert await refused(wallet) == (403, "shop_disconnected")


async def test_the_merchants_wallet_is_told_in_its_language_or_else_in_the_shops(box: Box) -> None:
    refund = await box.refund(await box.paid("20.00"), "5.00")
    path, poor, rich = f"/transactions/refund/{refund['row']['id']}", await box.wallet("1.5"), await merchant(box)
    await box.house.rows("UPDATE merchants SET language = 'fr'")
    told = {
        "de-DE": (
            "Erstattung von Settle Sandbox Store",
            (
                "Diese Wallet enthält 1,50 USDC, die Zahlung benötigt 5,00. "
                "Laden Sie USDC auf, oder bezahlen Sie mit einer anderen Wallet."
            ),
            "Settle Sandbox Store: Erstattung über 5,00\xa0$ USD (5,00 USDC)",
            "Diese Erstattung gibt es nicht. Im Portal finden Sie alle, die es gibt.",
        ),
        "nl": (
            "Remboursement de Settle Sandbox Store",
            (
                "Ce portefeuille contient 1,50 USDC, le paiement en demande 5,00. "
                "Ajoutez des USDC ou payez avec un autre portefeuille."
            ),
            "Settle Sandbox Store\xa0: remboursement de 5,00 USD (5,00 USDC)",
            # Of which shop it would be, nobody knows.
            "This refund does not exist. Look in the portal for those that do.",
        ),
    }
    for language, (label, refusal, message, unknown) in told.items():
        headers = {"Accept-Language": language}

        async def ask(account: str, where: str = path, headers: dict[str, str] = headers) -> str:
            answer = await box.house.public.post(where, json={"account": account}, headers=headers)
            said: str = answer.json()["message"]
            return said

        assert (await box.house.public.get(path, headers=headers)).json()["label"] == label
        assert await ask(poor) == refusal
        assert await ask(rich) == message
        for nowhere in ("A" * 22, "short"):
            assert await ask(rich, f"/transactions/refund/{nowhere}") == unknown
            answer = await box.house.public.get(f"/transactions/refund/{nowhere}", headers=headers)
            assert answer.json()["message"] == unknown
    await box.house.rows("UPDATE merchants SET language = NULL")


async def test_a_flagged_wallet_of_either_side_gets_nothing_and_the_refund_stays_open(box: Box) -> None:
    checkout = await box.paid()
    refund = await box.refund(checkout)
    wallet = await merchant(box)
    path = f"/transactions/refund/{refund['row']['id']}"
    for flagged, reason in ((wallet, "refund_wallet_screened_out"), (checkout["wallet"], "payee_screened_out")):
        await box.outside.post("/sandbox/trm/flagged", json={"address": flagged})
        answer = await box.house.public.post(path, json={"account": wallet})
        assert (answer.status_code, answer.json()["reason"]) == (403, reason)
        assert (await box.refund_row(refund))["status"] == "pending"
        await box.outside.delete("/sandbox/trm/flagged")
    noted = await box.house.rows("SELECT detail FROM events WHERE record = 'refund' AND kind = 'screened_out'")
    assert [event["detail"]["wallet"] for event in noted] == [wallet, checkout["wallet"]]
    assert (await box.pay(wallet, refund["link"])).status_code == 200
    await box.until_refund(refund, "completed")


async def test_a_test_payment_is_refunded_on_the_test_cluster(box: Box) -> None:
    checkout = await box.paid(test=True)
    refund = await box.refund(checkout, "2.00")
    assert (await box.pay(await merchant(box), refund["link"])).status_code == 200
    await box.until_refund(refund, "completed")
    balance = (await box.outside.get(f"/sandbox/wallets/{checkout['wallet']}?cluster=test")).json()["usdc"]
    assert Decimal(balance) == Decimal(1000) - Decimal("10.34")


async def test_a_refund_above_the_threshold_is_paid_only_when_final(box: Box) -> None:
    checkout = await box.paid("300.00")
    refund = await box.refund(checkout, "250.00")
    await box.fault("rpc", "hold_finality")
    assert (await box.pay(await merchant(box), refund["link"])).status_code == 200
    [issued] = await box.house.rows("SELECT id FROM issued_transactions WHERE refund_id IS NOT NULL")
    assert issued
    assert (await box.refund_row(refund))["status"] == "pending"
    await box.mend()
    await box.until_refund(refund, "completed")


@pytest.mark.parametrize(
    ("fault", "value"), [("status", 503), ("lost_answer", None), ("internal_error", "after"), ("not_received", None)]
)
async def test_a_fault_of_shopifys_delays_the_resolve_and_no_more(box: Box, fault: str, value: Any) -> None:
    refund = await box.refund(await box.paid())
    await box.fault("shopify", fault, value=value, times=1)
    assert (await box.pay(await merchant(box), refund["link"])).status_code == 200
    await box.until_refund(refund, "paid")
    await box.advance(6)
    await box.until_refund(refund, "completed")
    known = await box.refund_at_shopify(refund)
    assert (known["alarms"], applied(known)) == ([], [RESOLVE])
