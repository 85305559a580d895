"""Payment sessions as Shopify sends them: everything it may send is read, everything else refused with a reason."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.errors import RequestInvalid, SettleError
from app.money import AmountInvalid, CurrencyInvalid
from app.shopify.payloads import KindUnsupported, ShopInvalid, read_payment_session, read_shop
from app.shopify.versions import SUPPORTED, ApiVersionUnknown, check_version

BODY: dict[str, Any] = {
    "id": "u0nwmSrNntjIWozmNslK5Tlq",
    "gid": "gid://shopify/PaymentSession/u0nwmSrNntjIWozmNslK5Tlq",
    "group": "rZNvy+1jH6Z+BcPqA5U5BSIcnUavBha3C63xBalm+xE=",
    "session_id": "4B2dxmle3vGgimS4deUX3+2PgLF2+/0ZWnNsNSZcgdU=",
    "amount": "123.00",
    "currency": "CAD",
    "test": False,
    "merchant_locale": "en",
    "payment_method": {"type": "offsite", "data": {"cancel_url": "https://shop.example/checkouts/cn/1/processing"}},
    "proposed_at": "2020-07-13T00:00:00Z",
    "customer": {"email": "canary@example.com", "phone_number": "5555555555", "locale": "fr"},
    "kind": "sale",
}


def read(**changes: Any) -> Any:
    return read_payment_session(json.dumps({**BODY, **changes}).encode())


def test_the_documented_body_is_read() -> None:
    session = read()
    assert session.amount == Decimal(123)
    assert session.group == BODY["group"]
    assert session.locale == "fr"
    assert session.cancel_url == "https://shop.example/checkouts/cn/1/processing"
    assert session.proposed_at == datetime(2020, 7, 13, tzinfo=UTC)


def test_of_the_customer_only_the_language_is_kept() -> None:
    assert "canary" not in repr(read())


@pytest.mark.parametrize(("amount", "value"), [("10.0", "10"), (10.5, "10.5"), (1250, "1250"), ("0.10", "0.1")])
def test_amounts_are_read_from_text_and_from_numbers(amount: Any, value: str) -> None:
    assert read(amount=amount).amount == Decimal(value)


def test_a_number_keeps_every_digit() -> None:
    body = json.dumps({**BODY, "amount": "AMOUNT"}).replace('"AMOUNT"', "0.123456789012345678").encode()
    assert read_payment_session(body).amount == Decimal("0.123456789012345678")


def test_the_cancel_address_may_be_nested_or_at_the_top() -> None:
    top = "https://shop.example/top"
    assert read(payment_method=None, cancel_url=top).cancel_url == top
    assert read(payment_method={"type": "offsite"}, cancel_url=top).cancel_url == top
    assert read(cancel_url=top).cancel_url == BODY["payment_method"]["data"]["cancel_url"]


def test_unknown_fields_are_tolerated() -> None:
    assert read(surprise={"deep": [1, 2]}, payment_method={**BODY["payment_method"], "moto": True}) == read()


@pytest.mark.parametrize("customer", [None, {}, {"locale": None}, {"email": "a@b.c"}])
def test_a_customer_may_be_missing_or_say_nothing(customer: Any) -> None:
    assert read(customer=customer).locale is None


@pytest.mark.parametrize("name", ["id", "gid", "amount", "currency", "test", "kind"])
def test_a_missing_field_is_named(name: str) -> None:
    body = {key: value for key, value in BODY.items() if key != name}
    with pytest.raises(RequestInvalid, match=name):
        read_payment_session(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"amount": "0"}, AmountInvalid),
        ({"amount": None}, AmountInvalid),
        ({"amount": {"value": 1}}, AmountInvalid),
        ({"amount": "-5"}, AmountInvalid),
        ({"currency": "dollars"}, CurrencyInvalid),
        ({"kind": "authorization"}, KindUnsupported),
        ({"id": ""}, RequestInvalid),
        ({"id": "../../etc"}, RequestInvalid),
        ({"gid": "gid://shopify/Order/1"}, RequestInvalid),
        ({"test": "yes"}, RequestInvalid),
        ({"proposed_at": "yesterday"}, RequestInvalid),
        ({"payment_method": None}, RequestInvalid),
        ({"payment_method": None, "cancel_url": "javascript:alert(1)"}, RequestInvalid),
        ({"payment_method": None, "cancel_url": "/relative"}, RequestInvalid),
        ({"payment_method": None, "cancel_url": "https://shop.example/" + "x" * 3000}, RequestInvalid),
    ],
)
def test_what_can_not_be_used_is_refused_with_its_reason(changes: dict[str, Any], error: type[SettleError]) -> None:
    with pytest.raises(error):
        read(**changes)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"text"', b'{"id": "\xff"}'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(RequestInvalid):
        read_payment_session(body)


def test_the_shops_domain_is_fully_anchored() -> None:
    assert read_shop("Some-Shop.myshopify.com") == "some-shop.myshopify.com"
    for header in (
        None,
        "",
        "evil.com/x.myshopify.com",
        "x.myshopify.com.evil.com",
        "-x.myshopify.com",
        "x.myshopify.com\n",
    ):
        with pytest.raises(ShopInvalid):
            read_shop(header)


@pytest.mark.parametrize("version", ["", "2025-10", "2027-01", "unstable", "2026-10 "])
def test_an_unknown_api_version_is_refused(version: str) -> None:
    with pytest.raises(ApiVersionUnknown):
        check_version(version)


@pytest.mark.parametrize("version", SUPPORTED)
def test_every_supported_api_version_is_taken(version: str) -> None:
    assert check_version(version) == version
