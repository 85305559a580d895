"""Amounts: read as Shopify writes them, turned into USDC without the merchant ever being short."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import (
    USDC_UNIT,
    AmountInvalid,
    CurrencyInvalid,
    exponent,
    format_amount,
    format_usdc,
    from_base_units,
    parse_amount,
    parse_currency,
    to_base_units,
)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("10.0", "10"), ("1250", "1250"), ("0.10", "0.1"), ("123.00", "123"), ("0.000000000000000001", "1E-18")],
)
def test_every_way_shopify_writes_an_amount_is_read(text: str, amount: str) -> None:
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.00",
        "-1",
        "+1",
        "1e3",
        "1,00",
        " 1",
        "1 ",
        "1.",
        ".5",
        "NaN",
        "Infinity",
        "0x1",
        "١",
        "1" * 19,
        "1\n",
    ],
)
def test_what_is_no_positive_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(AmountInvalid):
        parse_amount(text)


@pytest.mark.parametrize("text", ["", "usd", "US", "USDC", "U$D", "USD\n"])
def test_what_is_no_currency_code_is_refused(text: str) -> None:
    with pytest.raises(CurrencyInvalid):
        parse_currency(text)


def test_minor_units_follow_iso_4217() -> None:
    assert [exponent(currency) for currency in ("USD", "JPY", "KWD", "CLF", "ISK", "EUR")] == [2, 0, 3, 4, 0, 2]


amounts = st.decimals(min_value="0.000001", max_value="9999999", places=6)
rates = st.decimals(min_value="0.000000000000000001", max_value="99", places=18)


@given(amounts, rates)
def test_the_merchant_is_never_short_and_the_customer_never_pays_a_whole_unit_more(
    amount: Decimal, rate: Decimal
) -> None:
    exact = Fraction(amount) * Fraction(rate) * USDC_UNIT
    units = to_base_units(amount, rate)
    assert exact <= units < exact + 1


@given(st.integers(min_value=1, max_value=2**63 - 1))
def test_base_units_and_usdc_are_the_same_figure(units: int) -> None:
    assert from_base_units(units) * USDC_UNIT == units
    assert Decimal(format_usdc(units).replace(",", "")) == from_base_units(units)


def test_amounts_are_shown_with_the_currencys_decimals_and_never_cut() -> None:
    assert format_amount(Decimal("10.000000000000000000"), "USD") == "10.00 USD"
    assert format_amount(Decimal(1250), "JPY") == "1,250 JPY"
    assert format_amount(Decimal("0.1"), "KWD") == "0.100 KWD"
    assert format_amount(Decimal("1.005"), "USD") == "1.005 USD"
    assert [format_usdc(units) for units in (1, 12_340_000, 1_234_567_890)] == ["0.000001", "12.34", "1,234.56789"]
