"""Screened-out wallets: refused kindly, and Shopify is told once nothing that was handed out can land."""

from tests.box import Box
from tests.integration.payments.test_main_job import REJECT, RESOLVE, applied
from tests.waiting import wait_until


async def test_a_flagged_wallet_is_refused_and_the_session_rejected(box: Box) -> None:
    checkout = await box.checkout()
    wallet = await box.wallet()
    await box.outside.post("/sandbox/trm/flagged", json={"address": wallet})
    answer = await box.house.public.post(f"/transactions/payment/{checkout['payment']}", json={"account": wallet})
    assert (answer.status_code, answer.json()["reason"]) == (403, "wallet_screened_out")
    page = await box.until_status(checkout, "rejected")
    assert page["stage"] == "refused"
    known = await box.at_shopify(checkout)
    assert (known["state"], known["reason"]) == ("rejected", "FRAUD_SUSPECTED")
    assert applied(known) == [REJECT]
    refused = await box.pay(await box.wallet(), checkout["link"])
    assert refused.status_code == 422


async def test_older_api_versions_get_the_reason_they_know(box: Box) -> None:
    checkout = await box.checkout(options={"api_version": "2026-01"})
    wallet = await box.wallet()
    await box.outside.post("/sandbox/trm/flagged", json={"address": wallet})
    await box.pay(wallet, checkout["link"])
    await box.until_status(checkout, "rejected")
    known = await box.at_shopify(checkout)
    assert (known["reason"], known["alarms"]) == ("RISKY", [])


async def test_shopify_is_not_told_while_a_clean_wallets_transaction_may_land(box: Box) -> None:
    checkout = await box.checkout()
    clean, flagged = await box.wallet(), await box.wallet()
    fetched = await box.outside.post(f"/sandbox/wallets/{clean}/fetch", json={"link": checkout["link"]})
    assert fetched.status_code == 200
    await box.outside.post("/sandbox/trm/flagged", json={"address": flagged})
    assert (await box.pay(flagged, checkout["link"])).status_code == 422
    assert (await box.status(checkout))["status"] == "rejecting"
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 422
    # 100 blocks later it is still alive.
    await box.advance(5)
    assert (await box.at_shopify(checkout))["mutations"] == []
    await box.advance(5)
    await box.until_status(checkout, "rejected")
    assert applied(await box.at_shopify(checkout)) == [REJECT]
    [issued] = await box.house.rows("SELECT fate, final FROM issued_transactions")
    assert tuple(issued) == ("dead", True)


async def test_a_clean_wallets_transaction_that_lands_first_makes_it_paid(box: Box) -> None:
    checkout = await box.checkout()
    clean, flagged = await box.wallet(), await box.wallet()
    fetched = await box.outside.post(f"/sandbox/wallets/{clean}/fetch", json={"link": checkout["link"]})
    await box.outside.post("/sandbox/trm/flagged", json={"address": flagged})
    await box.pay(flagged, checkout["link"])
    sent = await box.outside.post(f"/sandbox/wallets/{clean}/send", json={"transaction": fetched.json()["transaction"]})
    assert sent.status_code == 200
    await box.until_status(checkout, "completed")
    assert applied(await box.at_shopify(checkout)) == [RESOLVE]


async def test_with_screening_away_nothing_is_lost_and_the_wallet_tries_again(box: Box) -> None:
    checkout = await box.checkout()
    wallet = await box.wallet()
    for fault in ("status", "drop", "broken_json"):
        await box.fault("trm", fault)
        answer = await box.house.public.post(f"/transactions/payment/{checkout['payment']}", json={"account": wallet})
        assert (answer.status_code, answer.json()["reason"]) == (503, "screening_unavailable")
        await box.mend()
    assert (await box.status(checkout))["status"] == "pending"
    assert (await box.pay(wallet, checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")


async def test_a_lost_reject_is_repeated_identically(box: Box) -> None:
    await box.fault("shopify", "lost_answer", times=1)
    checkout = await box.checkout()
    wallet = await box.wallet()
    await box.outside.post("/sandbox/trm/flagged", json={"address": wallet})
    await box.pay(wallet, checkout["link"])

    async def has_waited() -> bool:
        return bool(await box.house.rows("SELECT FROM jobs WHERE status = 'waiting' AND attempts = 1"))

    await wait_until(has_waited, 10, "the first try failed")
    await box.advance(6)
    await box.until_status(checkout, "rejected")
    first, second = (await box.at_shopify(checkout))["mutations"]
    assert (first["variables"], first["name"]) == (second["variables"], second["name"])
