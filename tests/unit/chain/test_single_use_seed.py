from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.single_use import SingleUse, derive_seed, single_use_address
from tests.unit.chain.samples import FEE_PAYER, a_key

SECRET = b"a secret of enough bytes"
parts = st.tuples(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6), st.integers(0, 99))


@pytest.mark.rule("B04")
@given(parts, parts)
def test_seeds_are_equal_only_for_equal_inputs(one, other):
    assert (derive_seed(SECRET, *one) == derive_seed(SECRET, *other)) == (one == other)


@pytest.mark.rule("B04")
def test_moving_a_letter_from_one_part_to_the_next_gives_another_seed():
    assert derive_seed(SECRET, "payment", "shop", "1", 12) != derive_seed(SECRET, "payment", "shop", "11", 2)
    assert derive_seed(SECRET, "payment", "sho", "pgroup", 1) != derive_seed(SECRET, "payment", "shop", "group", 1)


@pytest.mark.rule("B04")
def test_another_secret_gives_another_seed():
    assert derive_seed(SECRET, "payment", "shop", "g", 1) != derive_seed(SECRET + b"!", "payment", "shop", "g", 1)


@pytest.mark.rule("B04")
def test_a_seed_is_22_characters_that_hold_128_bits():
    seed = derive_seed(SECRET, "payment", "shop", "g", 1)
    assert len(seed) == 22
    assert len(urlsafe_b64decode(seed + "==")) == 16


def test_a_seed_never_changes_for_what_is_already_on_the_chain():
    assert derive_seed(SECRET, "payment", "a.myshopify.com", "group", 1) == "9MCDxg4pEi7C8vWSqZg5Zw"


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        derive_seed(b"s" * 15, "payment", "shop", "g", 1)
    assert len(derive_seed(b"s" * 16, "payment", "shop", "g", 1)) == 22


@pytest.mark.rule("B03")
def test_a_pinned_account_must_be_at_the_address_of_its_base_and_seed():
    base = FEE_PAYER.pubkey()
    good = SingleUse(base, "seed", single_use_address(base, "seed"))
    assert good == SingleUse.derive(base, "seed")
    for base_, seed in ((a_key("other"), "seed"), (base, "seeds")):
        with pytest.raises(ValueError, match="not the single-use address"):
            SingleUse(base_, seed, good.address)


@pytest.mark.parametrize("seed", ["x", "x" * 32])
def test_a_seed_that_the_chain_takes_is_taken(seed):
    assert SingleUse.derive(FEE_PAYER.pubkey(), seed).seed == seed


@pytest.mark.parametrize("seed", ["", "x" * 33])
def test_a_seed_that_the_chain_would_refuse_is_refused(seed):
    with pytest.raises(ValueError, match="32 bytes"):
        SingleUse(FEE_PAYER.pubkey(), seed, a_key("any"))
