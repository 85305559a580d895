import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.death import Candidate, Doubt, Life, decide
from chain.node import EpochInfo, SignatureStatus

MARGIN = 32
LAST_VALID = 1_000
ISSUED_AT = 1_100
CANDIDATE = Candidate("signature", LAST_VALID, ISSUED_AT)


def verdict(*, height=LAST_VALID + MARGIN + 1, slot=1_400, status=None, status_slot=1_400, first=0):
    return decide(
        CANDIDATE,
        finalized=EpochInfo(slot, height),
        margin_blocks=MARGIN,
        status=status,
        status_slot=status_slot,
        first_available_block=first,
    )


def test_a_signature_that_nothing_speaks_for_is_dead():
    assert verdict().life is Life.DEAD


@pytest.mark.rule("D01")
@pytest.mark.parametrize("height", [0, LAST_VALID, LAST_VALID + 1, LAST_VALID + MARGIN])
def test_a_signature_whose_blockhash_may_still_be_valid_is_not_dead(height):
    assert (verdict(height=height).life, verdict(height=height).doubt) == (Life.UNKNOWN, Doubt.STILL_VALID)


@pytest.mark.rule("D02")
def test_an_answer_older_than_the_finalized_slot_decides_nothing():
    assert verdict(status_slot=1_399).doubt is Doubt.OLDER_ANSWER
    assert verdict(status_slot=1_401).life is Life.DEAD


@pytest.mark.rule("D03")
def test_a_node_that_forgot_the_slot_of_the_issue_decides_nothing():
    assert verdict(first=ISSUED_AT + 1).doubt is Doubt.HISTORY_TOO_SHORT
    assert verdict(first=ISSUED_AT).life is Life.DEAD


@pytest.mark.rule("D04")
@given(
    height=st.integers(0, 3_000),
    status_slot=st.integers(0, 3_000),
    first=st.integers(0, 3_000),
    error=st.none() | st.just('"AccountInUse"'),
    confirmation=st.sampled_from(["processed", "confirmed", "finalized"]),
)
def test_what_is_found_is_never_dead(height, status_slot, first, error, confirmation):
    status = SignatureStatus(1_200, confirmation, error)
    found = verdict(height=height, status_slot=status_slot, first=first, status=status)
    assert (found.life, found.status) == (Life.FOUND, status)


@given(
    height=st.integers(900, 1_200),
    slot=st.integers(1_000, 1_500),
    status_slot=st.integers(1_000, 1_500),
    first=st.integers(1_000, 1_200),
)
def test_dead_means_all_three_conditions_at_once(height, slot, status_slot, first):
    dead = height > LAST_VALID + MARGIN and status_slot >= slot and first <= ISSUED_AT
    found = verdict(height=height, slot=slot, status_slot=status_slot, first=first)
    assert (found.life is Life.DEAD) == dead
    assert (found.doubt is None) == dead
