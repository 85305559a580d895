"""From a source's price to base units, against exact arithmetic: no unit too many, and the merchant never short."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from app.money import EXPONENTS, USDC_UNIT, exponent
from app.payments.quotes import make_quote
from app.prices.source import Price, rate_of
from tests.conftest import Scale

NOW = datetime(2026, 11, 20, tzinfo=UTC)
# Those whose minor unit is not the second decimal, and as many of the others.
CURRENCIES = [*EXPONENTS, "EUR", "GBP", "BRL", "INR", "NGN", "CHF", "IDR", "MRU", "ZAR", "PLN"]


def draw(random_: random.Random) -> tuple[str, Decimal, Decimal]:
    """A currency, an amount in its minor units, and what one USDC costs in it."""
    currency = random_.choice(CURRENCIES)
    # Mostly of a shop's size; some of them of a size that no shop has.
    minor = random_.randint(1, 10 ** random_.choice((1, 3, 5, 7, 10)))
    digits = random_.randint(1, 18)
    cost = Decimal(random_.randint(1, 10**digits)).scaleb(-random_.randint(max(0, digits - 6), digits))
    return currency, Decimal(minor).scaleb(-exponent(currency)), cost.max(Decimal("0.002"))


def test_every_quote_is_exact_to_the_base_unit_and_the_merchant_never_short(scale: Scale) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    random_ = random.Random(seed)
    seen = set()
    for _ in range(scale.pick(ci=5_000, soak=100_000)):
        currency, amount, cost = draw(random_)
        seen.add(exponent(currency))
        rate = rate_of(cost)
        quote = make_quote(amount, Price(currency, rate, "test", NOW), 600, NOW)
        # By the rate that is stored: not a base unit more or less than the next whole one.
        by_rate = Fraction(amount) * Fraction(rate) * USDC_UNIT
        assert 0 <= quote.usdc - by_rate < 1, (currency, amount, cost)
        # By the price itself: never less, and no more than the rate's eighteenth decimal adds.
        by_price = Fraction(amount) / Fraction(cost) * USDC_UNIT
        assert by_price <= quote.usdc < by_price + 1 + Fraction(amount) / 10**12, (currency, amount, cost)
    assert seen == {0, 2, 3, 4}


def test_the_rate_that_is_stored_is_the_price_turned_round_and_up() -> None:
    for cost in (Decimal(3), Decimal("0.86442"), Decimal("26341.7"), Decimal("0.306842")):
        exact = 1 / Fraction(cost)
        assert 0 <= Fraction(rate_of(cost)) - exact < Fraction(1, 10**18)
