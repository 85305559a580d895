"""Figures as a reader's locale writes them. No digit is rounded away: what is paid is what is shown."""

from copy import copy
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache

from babel.numbers import NumberPattern, format_decimal, get_currency_symbol

from app.languages.reader import Reader, babel_locale
from app.money import exponent, from_base_units

# Amounts come with up to 36 digits; Decimal's own context would refuse them.
_PRECISION = 80


@dataclass(frozen=True)
class Money:
    """`text` as the locale writes it, and the currency's `code`: a $ may be of many countries."""

    text: str
    code: str

    def __str__(self) -> str:
        return f"{self.text} {self.code}"


@lru_cache(maxsize=4_096)
def write_money(amount: Decimal, currency: str, reader: Reader) -> Money:
    """An amount with the currency's usual decimals, and never fewer than it has: `$12.34` and `USD`.

    With the currency's sign where the locale has one of its own, else with the code alone: `US$5 USD` says it twice.
    """
    sign = get_currency_symbol(currency, locale=reader.locale)
    locale = babel_locale(reader)
    with localcontext() as context:
        context.prec = _PRECISION
        decimals = max(exponent(currency), _decimals(amount))
        kind = locale.currency_formats if len(sign) == 1 else locale.decimal_formats
        pattern = _with_decimals(kind["standard" if len(sign) == 1 else None], decimals)
        text = pattern.apply(amount, locale, currency=currency, currency_digits=False)
    return Money(text, currency)


def write_usdc(units: int, reader: Reader) -> str:
    """USDC for base units, with two to six decimals: `1.234,50`."""
    return write_number(from_base_units(units), reader)


def write_number(number: Decimal, reader: Reader) -> str:
    """A number of coins, with at least two decimals: USDC has up to six, SOL up to nine."""
    with localcontext() as context:
        context.prec = _PRECISION
        return format_decimal(number, format="#,##0.00#######", locale=reader.locale)


def write_rate(rate: Decimal, reader: Reader) -> str:
    """A rate in five significant digits: it is there to be compared, not to be calculated with."""
    with localcontext() as context:
        context.prec = _PRECISION
        return format_decimal(rate, format="@@@@@", locale=reader.locale)


def _with_decimals(pattern: NumberPattern, decimals: int) -> NumberPattern:
    fixed = copy(pattern)
    fixed.frac_prec = (decimals, decimals)
    return fixed


def _decimals(amount: Decimal) -> int:
    digits = amount.normalize().as_tuple().exponent
    return max(0, -digits) if isinstance(digits, int) else 0
