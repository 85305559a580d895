"""The life of a payment and of its price: it ends only when nothing can land, and the customer may come back."""

from app.money import format_usdc
from tests.box import Box

DAY = 86_400


async def test_a_payment_nobody_pays_expires_and_shopify_is_not_told(box: Box) -> None:
    checkout = await box.checkout()
    await box.advance(DAY + 1)
    page = await box.until_status(checkout, "expired")
    assert (page["stage"], page["back_url"].startswith("http")) == ("expired", True)
    known = await box.at_shopify(checkout)
    assert (known["state"], known["mutations"]) == ("open", [])
    refused = await box.pay(await box.wallet(), checkout["link"])
    assert (refused.status_code, "expired" in refused.json()["message"]) == (422, True)


async def test_it_does_not_expire_while_something_handed_out_may_land(box: Box) -> None:
    checkout = await box.checkout()
    await box.advance(DAY - 1)
    wallet = await box.wallet()
    fetched = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
    # Overdue, but only 40 blocks old.
    await box.advance(2)

    refused = await box.pay(await box.wallet(), checkout["link"])
    assert (refused.status_code, "expired" in refused.json()["message"]) == (422, True)
    # Nobody is sent away while the transaction may still be signed and land.
    page = await box.status(checkout)
    assert (page["status"], page["stage"], page["ended"]) == ("pending", "approve", False)
    sent = await box.outside.post(
        f"/sandbox/wallets/{wallet}/send", json={"transaction": fetched.json()["transaction"]}
    )
    assert sent.status_code == 200
    await box.until_status(checkout, "completed")


async def test_it_expires_once_what_was_handed_out_is_dead(box: Box) -> None:
    checkout = await box.checkout()
    wallet = await box.wallet()
    await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
    await box.advance(DAY + 60)
    await box.until_status(checkout, "expired")
    [issued] = await box.house.rows("SELECT fate, final FROM issued_transactions")
    assert tuple(issued) == ("dead", True)


async def test_the_customer_may_come_back_and_pay_at_a_new_price(box: Box) -> None:
    checkout = await box.checkout("10.00", "EUR")
    before = (await box.status(checkout))["usdc"]
    await box.outside.post("/sandbox/prices", json={"EUR": "0.50"})
    await box.advance(DAY + 1)
    await box.until_status(checkout, "expired")
    answer = await box.house.public.post(f"/pay/{checkout['payment']}/renew")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/pay/{checkout['payment']}")
    page = await box.status(checkout)
    assert (page["stage"], page["usdc"]) == ("waiting", "20.00")
    assert before != "20.00"
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")


async def test_renewing_changes_nothing_unless_it_is_expired(box: Box) -> None:
    checkout = await box.checkout()
    before = await box.house.rows("SELECT * FROM payments")
    assert (await box.house.public.post(f"/pay/{checkout['payment']}/renew")).status_code == 303
    assert await box.house.rows("SELECT * FROM payments") == before
    assert (await box.house.public.post("/pay/nothing/renew")).status_code == 404


async def test_after_its_life_a_price_is_quoted_anew_and_no_transaction_is_issued_at_the_old_one(box: Box) -> None:
    checkout = await box.checkout("10.00", "EUR")
    # Another price, and not so far from the last that it would be taken for a mistake.
    await box.outside.post("/sandbox/prices", json={"EUR": "0.80"})
    await box.advance(601)
    page = await box.status(checkout)
    assert page["usdc"] == "12.50"
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    [issued] = await box.house.rows("SELECT usdc FROM issued_transactions")
    assert issued["usdc"] == 12_500_000
    await box.until_status(checkout, "completed")


async def test_while_a_transaction_at_the_old_price_may_land_no_new_price_is_given(box: Box) -> None:
    checkout = await box.checkout("10.00", "EUR")
    await box.advance(597)
    wallet = await box.wallet()
    fetched = await box.outside.post(f"/sandbox/wallets/{wallet}/fetch", json={"link": checkout["link"]})
    old = (await box.house.rows("SELECT usdc FROM payments"))[0]["usdc"]
    await box.outside.post("/sandbox/prices", json={"EUR": "0.80"})
    await box.advance(4)
    page = await box.status(checkout)
    assert (page["stage"], page["usdc"]) == ("approve", format_usdc(old))
    refused = await box.pay(await box.wallet(), checkout["link"])
    assert (refused.status_code, "price" in refused.json()["message"].lower()) == (422, True)
    sent = await box.outside.post(
        f"/sandbox/wallets/{wallet}/send", json={"transaction": fetched.json()["transaction"]}
    )
    assert sent.status_code == 200
    await box.until_status(checkout, "completed")
    [payment] = await box.house.rows("SELECT usdc FROM payments")
    assert payment["usdc"] == old
