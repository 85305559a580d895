"""The customer's language is chosen, and figures are written, as the customer's locale wants it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.languages.figures import write_money, write_rate, write_usdc
from app.languages.reader import ENGLISH, Language, choose_reader


@pytest.mark.parametrize(
    ("locale", "header", "language", "figures"),
    [
        ("de", None, "de", "de"),
        ("de-CH", None, "de", "de_CH"),
        ("DE_ch", None, "de", "de_CH"),
        ("pt-BR", None, "pt", "pt_BR"),
        ("en-XY", None, "en", "en"),
        ("zh-CN", None, "zh-Hans", "zh_Hans_CN"),
        ("zh", None, "zh-Hans", "zh_Hans"),
        ("zh-Hans-HK", None, "zh-Hans", "zh_Hans_HK"),
        # Shopify's word counts before the browser's.
        ("fr", "de", "fr", "fr"),
        ("nl", "de", "de", "de"),
        (None, "es-419,es;q=0.9", "es", "es_419"),
        (None, "nl, it;q=0.4, ja;q=0.8", "ja", "ja"),
        (None, "it;q=0.0, fr;q=0.1", "fr", "fr"),
        (None, "*", "en", "en"),
        (None, "fr;q=x, it", "it", "it"),
        # Traditional Chinese is another script.
        ("zh-TW", "ja", "ja", "ja"),
        ("zh-Hant-HK", None, "en", "en"),
        (None, None, "en", "en"),
        (None, ";;,=,q=1", "en", "en"),
    ],
)
def test_the_language_is_shopifys_then_the_browsers_then_english(
    locale: str | None, header: str | None, language: str, figures: str
) -> None:
    reader = choose_reader(locale, header)
    assert (reader.language, reader.locale) == (language, figures)


@given(st.text(max_size=40), st.text(max_size=300))
def test_whatever_is_sent_as_a_language_there_is_a_reader(locale: str, header: str) -> None:
    assert choose_reader(locale, header).language in Language


@pytest.mark.parametrize(
    ("locale", "amount", "currency", "told"),
    [
        ("en-US", "1234.5", "USD", "$1,234.50 USD"),
        ("en-CA", "1234.5", "USD", "1,234.50 USD"),
        ("en-CA", "1234.5", "CAD", "$1,234.50 CAD"),
        ("de-DE", "1234.5", "EUR", "1.234,50\xa0€ EUR"),
        ("de-CH", "1234.5", "CHF", "1’234.50 CHF"),
        ("fr", "1234.5", "EUR", "1\u202f234,50\xa0€ EUR"),
        ("ja", "3600", "JPY", "￥3,600 JPY"),
        ("en", "1.005", "KWD", "1.005 KWD"),
    ],
)
def test_an_amount_is_written_as_the_locale_has_it_and_names_its_currency(
    locale: str, amount: str, currency: str, told: str
) -> None:
    assert str(write_money(Decimal(amount), currency, choose_reader(locale))) == told


@given(
    st.decimals(min_value="0.000000000000000001", max_value=10**18 - 1, places=18),
    st.sampled_from(["USD", "JPY", "KWD"]),
)
def test_no_digit_of_an_amount_is_lost(amount: Decimal, currency: str) -> None:
    shown = write_money(amount, currency, ENGLISH).text
    assert Decimal("".join(sign for sign in shown if sign.isdigit() or sign == ".")) == amount


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_no_base_unit_is_lost(units: int) -> None:
    assert Decimal(write_usdc(units, ENGLISH).replace(",", "")).scaleb(6) == units


def test_usdc_has_two_to_six_decimals_in_the_locales_own_signs() -> None:
    german = choose_reader("de")
    assert [write_usdc(units, german) for units in (1, 12_340_000, 1_234_567_890)] == [
        "0,000001",
        "12,34",
        "1.234,56789",
    ]


def test_a_rate_has_five_digits_that_count() -> None:
    assert [write_rate(Decimal(rate), ENGLISH) for rate in ("1.0801234", "0.00678123")] == ["1.0801", "0.0067812"]
