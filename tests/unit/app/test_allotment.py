"""The allotment: parts of a payment never add up to more than the whole, in currency and in base units."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.money import EXPONENTS, exponent
from app.refunds.allotment import Share, allot

NOTHING = Share(Decimal(0), 0)
CURRENCIES = ["USD", *sorted(EXPONENTS)]


def test_parts_follow_the_whole_and_the_last_one_gets_exactly_the_rest() -> None:
    paid = Share(Decimal("10.00"), 10_000_001)
    first = allot(paid, NOTHING, Decimal("3.33"))
    second = allot(paid, Share(Decimal("3.33"), 3_330_000), Decimal("3.33"))
    third = allot(paid, Share(Decimal("6.66"), 6_660_000), Decimal("3.34"))
    assert (first, second, third) == (3_330_000, 3_330_000, 3_340_001)


@pytest.mark.parametrize(
    ("given_back", "amount", "usdc"),
    [("0", "10.00", 10_000_000), ("0", "10.01", None), ("9.99", "0.01", 10_000), ("9.99", "0.011", None)],
)
def test_more_than_what_is_left_has_no_share(given_back: str, amount: str, usdc: int | None) -> None:
    paid = Share(Decimal("10.00"), 10_000_000)
    before = Share(Decimal(given_back), int(Decimal(given_back) * 1_000_000))
    assert allot(paid, before, Decimal(amount)) == usdc


def test_an_amount_worth_less_than_a_base_unit_is_worth_nothing() -> None:
    assert allot(Share(Decimal(1_000_000), 1), NOTHING, Decimal(1)) == 0


@st.composite
def histories(draw: st.DrawFn) -> tuple[Share, list[tuple[Decimal, bool]]]:
    """What was paid, and refunds one after the other: each an amount, and whether it is denied afterwards."""
    unit = Decimal(1).scaleb(-exponent(draw(st.sampled_from(CURRENCIES))))
    units = draw(st.integers(1, 10**12))
    paid = Share(units * unit, draw(st.integers(1, 2**63 - 1)))
    steps = draw(st.lists(st.tuples(st.integers(1, units), st.booleans()), max_size=12))
    return paid, [(step * unit, denied) for step, denied in steps]


@settings(max_examples=500, deadline=None)
@given(histories())
def test_no_history_of_refunds_and_denials_gives_back_more_than_was_paid(
    history: tuple[Share, list[tuple[Decimal, bool]]],
) -> None:
    paid, steps = history
    kept: list[Share] = []
    for amount, denied in steps:
        before = Share(sum((share.amount for share in kept), Decimal(0)), sum(share.usdc for share in kept))
        usdc = allot(paid, before, amount)
        if usdc is None:
            assert before.amount + amount > paid.amount
        elif usdc and not denied:
            kept.append(Share(amount, usdc))
        assert sum(share.usdc for share in kept) <= paid.usdc
    # Whatever came before, the refund of all the rest gets exactly the rest.
    before = Share(sum((share.amount for share in kept), Decimal(0)), sum(share.usdc for share in kept))
    if before.amount < paid.amount:
        assert allot(paid, before, paid.amount - before.amount) == paid.usdc - before.usdc


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(CURRENCIES), st.integers(1, 10**12), st.integers(1, 2**63 - 1), st.data())
def test_a_share_is_within_a_base_unit_of_its_part(currency: str, units: int, usdc: int, data: st.DataObject) -> None:
    unit = Decimal(1).scaleb(-exponent(currency))
    paid, part = Share(units * unit, usdc), data.draw(st.integers(1, units))
    share = allot(paid, NOTHING, part * unit)
    assert share is not None
    assert 0 <= part * usdc - share * units < units
