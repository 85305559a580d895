"""Amounts as the shop shows them."""

from decimal import Decimal

_EXPONENTS = {"JPY": 0, "KRW": 0, "VND": 0, "KWD": 3, "BHD": 3, "TND": 3}
_SIGNS = {"USD": "$", "EUR": "€", "JPY": "¥", "GBP": "£"}


def count_decimals(currency: str) -> int:
    """Digits after the point that the currency has."""
    return _EXPONENTS.get(currency, 2)


def show_amount(amount: str, currency: str) -> str:
    """'1250.5' of USD is '$1,250.50 USD'. No digit of the amount is ever dropped."""
    value = Decimal(amount)
    least, written = count_decimals(currency), -int(value.normalize().as_tuple().exponent)
    return f"{_SIGNS.get(currency, '')}{value:,.{max(least, written)}f} {currency}"
