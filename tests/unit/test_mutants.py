import ast
from pathlib import Path

import pytest

from scripts.mutants import make_mutants


def mutants(source: str) -> list[str]:
    """What is left of a function's body after each change."""
    return [mutant.source() for mutant in make_mutants(source)]


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("x = a < b", {"x = a <= b", "x = a >= b", "x = None"}),
        ("x = a is not None", {"x = a is None", "x = None"}),
        ("f(a or b)", {"f(a and b)", "f(a)", "f(b)", "pass"}),
        ("f(not a)", {"f(a)", "pass"}),
        ("f(a + 1)", {"f(a - 1)", "f(a + 2)", "f(a + 0)", "pass"}),
        ("f(True)", {"f(False)", "pass"}),
        ("if a:\n    f = b", {"if not a:\n    f = b", "if a:\n    f = None"}),
        ("x = (a, b)", {"x = (b,)", "x = (a,)", "x = None"}),
        ("x = a if b else c", {"x = c if b else a", "x = None"}),
    ],
)
def test_each_thing_that_could_be_wrong_is_made_wrong_alone(source: str, changed: set[str]) -> None:
    assert set(mutants(source)) == changed


def test_a_check_is_left_out_but_its_words_are_not_changed() -> None:
    source = "def f(x: int) -> int:\n    '''Says what.'''\n    if x:\n        raise ValueError('no')\n    return x"
    left_out, negated, nothing = (
        "pass" in mutant or "if not x" in mutant or "return None" in mutant for mutant in mutants(source)
    )
    assert left_out
    assert negated
    assert nothing


def test_every_mutant_is_another_program_with_a_name_of_its_own() -> None:
    source = Path(__file__).read_text()
    made = make_mutants(source)
    plain = ast.unparse(ast.parse(source))
    assert len({mutant.name for mutant in made}) == len(made) > 20
    assert not [mutant.name for mutant in made if mutant.source() == plain]
