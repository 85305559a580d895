"""The rules, the reason codes, the errors and the tests name the same set."""

import re
from collections import Counter
from pathlib import Path

from chain import errors
from chain.death import Doubt
from chain.reasons import Reason

ROOT = Path(__file__).parents[3]
RULE = re.compile(r"^- \*\*([A-Z]\d\d)\*\*(?: \(`(\w+)`\))?: (.+)$", re.MULTILINE)
MARK = re.compile(r"""mark\.rule\(["']([BVDNFR]\d\d)["']\)""")
RULES = RULE.findall((ROOT / "chain/RULES.md").read_text())


def every_error(kind: type[errors.ChainError]) -> list[type[errors.ChainError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every_error(child))]


def test_every_line_of_the_rules_is_a_rule_of_one_sentence_with_must():
    lines = [line for line in (ROOT / "chain/RULES.md").read_text().splitlines() if line.startswith("- ")]
    assert len(lines) == len(RULES) > 60
    for number, _, sentence in RULES:
        assert "MUST" in sentence, number
        assert sentence.endswith("."), number
        assert sentence.count(". ") == 0, number


def test_rules_are_numbered_without_gaps():
    numbers = [number for number, _, _ in RULES]
    for family in "BVDNFR":
        own = [number for number in numbers if number.startswith(family)]
        assert own == [f"{family}{n:02d}" for n in range(1, len(own) + 1)]


def test_every_reason_code_stands_in_one_rule():
    named = [code for _, code, _ in RULES if code]
    assert not [code for code, times in Counter(named).items() if times > 1]
    assert set(named) == {*Reason, *Doubt}


def test_every_reason_code_has_one_error():
    given = Counter(kind.reason for kind in every_error(errors.ChainError) if "reason" in vars(kind))
    assert given == Counter(Reason)


def test_every_rule_has_a_test_and_every_marked_rule_exists():
    names = (
        "unit/chain",
        *(f"integration/{name}" for name in ("chain", "fees", "kms", "pinning", "reclaim", "watching")),
    )
    folders = [ROOT / "tests" / name for name in names]
    tested = {rule for folder in folders for file in folder.rglob("*.py") for rule in MARK.findall(file.read_text())}
    assert tested == {number for number, _, _ in RULES}
