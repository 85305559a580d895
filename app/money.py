"""Amounts: a shop's currency in Decimal, USDC in integer base units (1 USDC = 1,000,000). Never a float."""

import re
from decimal import ROUND_CEILING, Context, Decimal

from app.errors import SettleError

USDC_DECIMALS = 6
USDC_UNIT = 10**USDC_DECIMALS

# ISO 4217: the currencies whose minor unit is not the second decimal.
EXPONENTS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}

# Wide enough for the product of any two of our numbers: nothing is rounded in between.
_WIDE = Context(prec=80)

_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


class AmountInvalid(SettleError):
    """The amount {text!r} is not a positive decimal number that we can handle."""

    reason = "amount_invalid"
    status = 400


class CurrencyInvalid(SettleError):
    """The currency {text!r} is not an ISO 4217 code of three capital letters."""

    reason = "currency_invalid"
    status = 400


def parse_amount(text: str) -> Decimal:
    """A positive amount as Shopify writes it: any number of decimals, point as separator. Raises AmountInvalid."""
    if not _AMOUNT.fullmatch(text) or not (amount := Decimal(text)):
        raise AmountInvalid(text=text[:40])
    return amount


def parse_currency(text: str) -> str:
    """An ISO 4217 code. Raises CurrencyInvalid."""
    if not _CURRENCY.fullmatch(text):
        raise CurrencyInvalid(text=text[:10])
    return text


def exponent(currency: str) -> int:
    """Decimals of the currency's minor unit."""
    return EXPONENTS.get(currency, 2)


def to_base_units(amount: Decimal, rate: Decimal) -> int:
    """Base units of USDC for an amount at `rate` USDC a unit, rounded up: the merchant is never short."""
    exact = _WIDE.multiply(_WIDE.multiply(amount, rate), USDC_UNIT)
    return int(exact.to_integral_value(ROUND_CEILING))


def from_base_units(units: int) -> Decimal:
    """USDC for base units, exactly."""
    return Decimal(units).scaleb(-USDC_DECIMALS)


def format_amount(amount: Decimal, currency: str) -> str:
    """An amount with the currency's usual decimals, and never fewer than it has: `1250 JPY`, `10.00 USD`."""
    return f"{_fixed(amount, exponent(currency)):,f} {currency}"


def format_usdc(units: int) -> str:
    """USDC with at least two decimals: `12.34`, `0.000001`."""
    return f"{_fixed(from_base_units(units), 2):,f}"


def _fixed(amount: Decimal, decimals: int) -> Decimal:
    plain = amount.normalize(_WIDE)
    digits = -plain.as_tuple().exponent  # type: ignore[operator]  # a finite number's exponent is an int
    return plain.quantize(Decimal((0, (1,), -max(digits, decimals))), context=_WIDE)
