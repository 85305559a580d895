"""The allotment: how much USDC a refund gives back, so that parts never add up to more than what was paid."""

from dataclasses import dataclass
from decimal import Decimal, localcontext


@dataclass(frozen=True)
class Share:
    """`amount` in the payment's currency, and the USDC that stands for it, in base units."""

    amount: Decimal
    usdc: int


# So many digits that no product of an amount and base units is ever rounded.
_DIGITS = 80


def allot(paid: Share, given_back: Share, amount: Decimal) -> int | None:
    """Base units for a refund of `amount`, after `given_back`; None when that is more than what is left.

    The share of everything given back so far, rounded down, less what was allotted before: so the parts never exceed
    the whole, and the refund that completes it gets exactly the rest. 0 when the amount is worth less than a base unit,
    or was given before by parts that rounding favoured.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        total = given_back.amount + amount
        if total > paid.amount:
            return None
        return max(0, int(total * paid.usdc // paid.amount) - given_back.usdc)
