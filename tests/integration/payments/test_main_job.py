"""A customer pays, and Shopify knows: exactly once, whatever the world does in between."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.box import Box
from tests.waiting import wait_until

RESOLVE, REJECT = "paymentSessionResolve", "paymentSessionReject"


def applied(known: dict[str, Any]) -> list[str]:
    """The mutations that changed Shopify's session."""
    return [mutation["name"] for mutation in known["mutations"] if mutation["applied"]]


async def test_a_payment_is_paid_in_usdc_without_sol_and_resolved_once(box: Box) -> None:
    checkout = await box.checkout("12.34")
    wallet = await box.wallet("20")
    answer = await box.pay(wallet, checkout["link"])
    assert answer.status_code == 200, answer.text
    page = await box.until_status(checkout, "completed")
    known = await box.at_shopify(checkout)
    assert (known["state"], known["alarms"]) == ("resolved", [])
    assert applied(known) == [RESOLVE]
    assert page["redirect_url"] == known["next_url"]
    balance = (await box.outside.get(f"/sandbox/wallets/{wallet}")).json()
    assert (Decimal(balance["usdc"]), Decimal(balance["sol"])) == (Decimal("7.66"), 0)
    [issued] = await box.house.rows("SELECT * FROM issued_transactions")
    assert issued["signature"] == answer.json()["signature"]
    history = await box.house.rows("SELECT from_status, to_status FROM events WHERE to_status IS NOT NULL ORDER BY id")
    assert [tuple(row) for row in history] == [(None, "pending"), ("pending", "paid"), ("paid", "completed")]


@pytest.mark.parametrize(("amount", "currency"), [("1250", "JPY"), ("0.10", "EUR"), ("10.0", "GBP"), ("0.500", "KWD")])
async def test_fiat_amounts_are_paid_at_the_quoted_rate(box: Box, amount: str, currency: str) -> None:
    checkout = await box.checkout(amount, currency)
    quoted = (await box.status(checkout))["usdc"]
    wallet = await box.wallet("100")
    assert (await box.pay(wallet, checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    left = (await box.outside.get(f"/sandbox/wallets/{wallet}")).json()["usdc"]
    assert 100 - Decimal(left) == Decimal(quoted)


async def test_a_payment_above_the_threshold_is_paid_only_when_final(box: Box) -> None:
    await box.fault("rpc", "hold_finality")
    checkout = await box.checkout("200.01")
    assert (await box.pay(await box.wallet("500"), checkout["link"])).status_code == 200

    async def is_received() -> bool:
        return bool((await box.status(checkout))["stage"] == "received")

    await wait_until(is_received, 20, "the page says received")
    assert (await box.at_shopify(checkout))["state"] == "open"
    await box.mend()
    await box.until_status(checkout, "completed")


async def test_two_wallets_with_transactions_of_one_payment_exactly_one_lands(box: Box) -> None:
    checkout = await box.checkout()
    wallets = [await box.wallet(), await box.wallet()]
    fetched = [
        (await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})).json()[
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
    await box.until_status(checkout, "completed")
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]
    spent = [100 - Decimal((await box.outside.get(f"/sandbox/wallets/{wallet}")).json()["usdc"]) for wallet in wallets]
    assert sorted(spent) == [0, Decimal("12.34")]


async def test_two_sessions_of_one_order_exactly_one_is_paid_and_resolved(box: Box) -> None:
    first = await box.checkout()
    second = await box.checkout(group=first["group"])
    wallets = [await box.wallet(), await box.wallet()]
    fetched = []
    for wallet, checkout in zip(wallets, (first, second), strict=True):
        answer = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
        fetched.append(answer.json()["transaction"])
    answers = await asyncio.gather(
        *(
            box.outside.post(f"/sandbox/wallets/{wallet}/send", json={"transaction": transaction})
            for wallet, transaction in zip(wallets, fetched, strict=True)
        )
    )
    codes = [answer.status_code for answer in answers]
    assert sorted(codes) == [200, 422]
    winner, loser = (first, second) if codes[0] == 200 else (second, first)
    await box.until_status(winner, "completed")
    page = await box.until_status(loser, "superseded")
    assert page["stage"] == "already_paid"
    assert (await box.at_shopify(loser))["mutations"] == []
    refused = await box.pay(await box.wallet(), loser["link"])
    assert (refused.status_code, "already paid" in refused.json()["message"]) == (422, True)
    third = await box.checkout(group=first["group"])
    assert (await box.status(third))["stage"] == "already_paid"


async def test_the_same_wallet_asking_again_gets_the_same_transaction(box: Box) -> None:
    checkout = await box.checkout()
    wallet = await box.wallet()
    path = f"/transactions/payment/{checkout['payment']}"
    answers = await asyncio.gather(*(box.house.public.post(path, json={"account": wallet}) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["transaction"] for answer in answers}) == 1
    assert len(await box.house.rows("SELECT id FROM issued_transactions")) == 1


async def test_a_warm_transaction_request_makes_one_rpc_call(box: Box) -> None:
    checkout = await box.checkout()
    wallet = await box.wallet()
    before = await _rpc_calls(box, "getMultipleAccounts")
    answer = await box.house.public.post(f"/transactions/payment/{checkout['payment']}", json={"account": wallet})
    assert answer.status_code == 200
    assert answer.json()["message"] == "Settle Sandbox Store: $12.34 USD (12.34 USDC)"
    assert await _rpc_calls(box, "getMultipleAccounts") == before + 1


async def _rpc_calls(box: Box, method: str) -> int:
    for line in (await box.house.public.get("/metrics")).text.splitlines():
        if line.startswith("settle_rpc_calls_total{") and f'method="{method}"' in line and 'outcome="ok"' in line:
            return int(float(line.rpartition(" ")[2]))
    return 0


async def test_too_little_usdc_is_said_with_both_figures(box: Box) -> None:
    checkout = await box.checkout("50.00")
    refused = await box.pay(await box.wallet("1.5"), checkout["link"])
    assert refused.status_code == 422
    assert "1.50" in refused.json()["message"]
    assert "50.00" in refused.json()["message"]
    assert await box.house.rows("SELECT id FROM issued_transactions") == []


async def test_a_wallet_without_a_usdc_account_is_told_so(box: Box) -> None:
    checkout = await box.checkout()
    answer = await box.house.public.post(
        f"/transactions/payment/{checkout['payment']}", json={"account": "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"}
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "no_token_account")


async def test_a_test_session_is_paid_on_the_test_cluster_only(box: Box) -> None:
    checkout = await box.checkout(test=True)
    assert (await box.status(checkout))["test"] is True
    poor = await box.pay(await box.wallet("100"), checkout["link"])
    assert poor.status_code == 422
    assert (await box.pay(await box.wallet("100", cluster="test"), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")


async def test_the_store_may_send_its_session_again_at_any_time(box: Box) -> None:
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")
    again = await box.outside.post(f"/sandbox/checkouts/{checkout['id']}/resend")
    assert again.status_code == 201
    assert again.json()["redirect_url"] == checkout["redirect_url"]
    other = await box.outside.post(
        f"/sandbox/checkouts/{checkout['id']}/resend", json={"options": {"body": {"amount": "99"}}}
    )
    assert (other.status_code, other.json()["status"]) == (502, 409)
