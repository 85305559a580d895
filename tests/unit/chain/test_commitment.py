import pytest

from chain.commitment import Commitment, has_reached

ORDER: list[Commitment] = ["processed", "confirmed", "finalized"]


@pytest.mark.rule("V24")
@pytest.mark.parametrize("found", ORDER)
@pytest.mark.parametrize("required", ORDER)
def test_what_is_surer_has_reached_what_is_less_sure_and_not_the_other_way_round(
    found: Commitment, required: Commitment
) -> None:
    assert has_reached(found, required) == (ORDER.index(found) >= ORDER.index(required))
