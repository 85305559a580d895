"""Everything that reconciliation may find is told to operators, to merchants, and in a record's history."""

from pathlib import Path

import pytest

from app.portal.timeline import FOUND
from app.reconciliation.debts import Debt
from app.records import DiscrepancyKind

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("found", [*Debt, *DiscrepancyKind])
def test_what_can_be_found_is_explained_to_operators(found: str) -> None:
    assert f"| `{found}` |" in (ROOT / "docs" / "operating.md").read_text()


def test_what_was_repaired_is_in_the_history_in_words() -> None:
    assert set(FOUND) == set(Debt)


@pytest.mark.parametrize("found", DiscrepancyKind)
def test_what_contradicts_is_explained_to_merchants(found: str) -> None:
    assert f'"{found}": "' in (ROOT / "handlers" / "templates" / "portal" / "attention.html").read_text()
