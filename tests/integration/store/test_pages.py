"""The shop as its customer sees it."""

import re
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from app.sandbox.store.money import show_amount
from tests.integration.store.harness import REJECT, RESOLVE, World

FORM = {"amount": "24.00", "currency": "USD"}


async def test_the_product_page_asks_for_nothing_outside_itself(world: World) -> None:
    page = await world.http.get("/")
    assert page.status_code == 200
    assert "Pay with Solana" in page.text
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', page.text)
    assert addresses
    assert all(address.startswith("/") for address in addresses)
    for address in [*addresses, "/favicon.ico"]:
        if address != "/buy":
            answer = await world.http.get(address)
            assert answer.status_code == 200
            assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "")


async def test_buying_sends_the_session_and_redirects_to_the_payment_page(world: World) -> None:
    headers = {"Accept-Language": "de-CH,de;q=0.9"}
    answer = await world.http.post("/buy", data=FORM | {"test": "on"}, headers=headers)
    session = world.door.sessions[0]
    assert (answer.status_code, answer.headers["location"]) == (303, f"https://settle.example/pay/{session['id']}")
    assert (session["amount"], session["currency"], session["test"]) == ("24.00", "USD", True)
    assert session["customer"]["locale"] == "de-CH"


async def test_yen_are_sent_without_a_point(world: World) -> None:
    await world.http.post("/buy", data={"amount": "3600", "currency": "JPY"})
    assert (world.door.sessions[0]["amount"], world.door.sessions[0]["test"]) == ("3600", False)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"amount": "12.345", "currency": "USD"}, "USD has 2 digits after the point"),
        ({"amount": "10.5", "currency": "JPY"}, "JPY has no digits after the point"),
        ({"amount": "1", "currency": "XAU"}, "The shop sells in USD, EUR, JPY"),
        ({"amount": "", "currency": "EUR"}, "Amount must be a string"),
        ({}, "Amount must be a string"),
    ],
)
async def test_an_impossible_price_is_explained_on_the_product_page(
    world: World, form: dict[str, str], sentence: str
) -> None:
    answer = await world.http.post("/buy", data=form)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert world.door.received == []


async def test_a_refusal_by_the_app_is_shown_honestly_and_can_be_tried_again(world: World) -> None:
    async def refuse(_: dict[str, Any]) -> Response:
        return JSONResponse({"error": "<unknown_shop>"}, 404)

    world.door.respond = refuse
    answer = await world.http.post("/buy", data=FORM)
    assert answer.status_code == 502
    assert "the app answered 404" in answer.text
    assert "&lt;unknown_shop&gt;" in answer.text
    world.door.respond = None
    again = await world.http.post(re.findall(r'action="([^"]+)"', answer.text)[0])
    assert again.status_code == 303
    assert world.door.sessions[-1]["group"] == world.door.sessions[0]["group"]


async def test_a_paid_checkout_shows_the_order_and_the_amount(world: World) -> None:
    checkout = await world.open("1250.5")
    await world.ask(RESOLVE, {"id": checkout["gid"]})
    thanks = await world.http.get(f"/checkouts/{checkout['id']}/thank-you")
    assert "your order is confirmed" in thanks.text
    assert "#1001" in thanks.text
    assert "$1,250.50 USD" in thanks.text
    assert "See your order" in (await world.http.get(f"/checkouts/{checkout['id']}")).text
    assert "already paid" in (await world.http.get(f"/checkouts/{checkout['id']}/cancelled")).text


async def test_an_unpaid_checkout_has_no_thank_you_page(world: World) -> None:
    checkout = await world.open()
    answer = await world.http.get(f"/checkouts/{checkout['id']}/thank-you")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/checkouts/{checkout['id']}")
    page = await world.http.get(answer.headers["location"])
    assert checkout["redirect_url"] in page.text


async def test_a_rejected_checkout_says_so_and_a_retry_stays_in_the_group(world: World) -> None:
    checkout = await world.open()
    await world.ask(REJECT, {"id": checkout["gid"], "reason": {"code": "FRAUD_SUSPECTED"}})
    page = await world.http.get(f"/checkouts/{checkout['id']}")
    assert "declined" in page.text
    assert "fraud suspected" in page.text
    retried = await world.http.post(f"/checkouts/{checkout['id']}/retry")
    assert retried.status_code == 303
    one, two = world.door.sessions
    assert one["group"] == two["group"]
    assert one["id"] != two["id"]


async def test_a_cancelled_checkout_offers_to_try_again(world: World) -> None:
    checkout = await world.open()
    page = await world.http.get(f"/checkouts/{checkout['id']}/cancelled")
    assert "back at the checkout" in page.text
    assert f'action="/checkouts/{checkout["id"]}/retry"' in page.text


@pytest.mark.parametrize("path", ["", "/thank-you", "/cancelled"])
async def test_an_unknown_checkout_is_a_page_of_its_own(world: World, path: str) -> None:
    page = await world.http.get(f"/checkouts/nobody{path}")
    assert page.status_code == 404
    assert "no such checkout" in page.text


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("10.0", "USD", "$10.00 USD"),
        ("1250", "JPY", "¥1,250 JPY"),
        ("0.105", "EUR", "€0.105 EUR"),
        ("100", "KWD", "100.000 KWD"),
    ],
)
def test_an_amount_is_shown_with_its_currencys_digits_and_never_cut(amount: str, currency: str, shown: str) -> None:
    assert show_amount(amount, currency) == shown
