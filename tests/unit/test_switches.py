"""Whatever the sandbox can do wrong is done to us by a test."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# The table is drawn from the code: tests/unit/test_docs.py.
SWITCHES = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", (TESTS.parent / "docs" / "sandbox.md").read_text(), re.MULTILINE)


def test_every_switch_of_the_sandbox_is_played_by_a_test():
    written = "\n".join(path.read_text() for path in TESTS.rglob("*.py"))
    assert len(SWITCHES) > 50
    assert [f"{target} {fault}" for target, fault in SWITCHES if f'"{fault}"' not in written] == []
