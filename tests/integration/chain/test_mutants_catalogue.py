"""How many mutants there are, and that together they meet every rule of settlement."""

from collections import Counter

from chain import errors
from tests.integration.chain import (
    test_mutants_around_the_payment,
    test_mutants_in_token_2022,
    test_mutants_of_the_answer,
    test_mutants_of_the_instructions,
    test_mutants_of_the_opening,
    test_mutants_of_the_transfer,
    test_mutants_that_failed,
)

EXECUTED = [
    *test_mutants_of_the_transfer.MUTANTS,
    *test_mutants_of_the_instructions.MUTANTS,
    *test_mutants_of_the_opening.MUTANTS,
    *test_mutants_around_the_payment.MUTANTS,
    *test_mutants_in_token_2022.MUTANTS,
    *test_mutants_that_failed.MUTANTS,
]
FED = [*test_mutants_of_the_answer.LIES, *test_mutants_of_the_answer.IMPOSSIBLE]


def test_at_least_60_mutants_are_executed_and_each_is_another() -> None:
    assert len(EXECUTED) >= 60
    names = [mutant.name for mutant in [*EXECUTED, *FED]]
    assert [name for name, times in Counter(names).items() if times > 1] == []


def test_every_reason_for_which_a_settled_transaction_is_refused_meets_a_mutant() -> None:
    reasons = {kind.reason for kind in errors.Unverified.__subclasses__()}
    met = {mutant.reason for mutant in [*EXECUTED, *FED]}
    assert reasons - met == set()
