"""A migration leaves the previous release's code working: what would not is refused, rule by rule."""

from pathlib import Path

import pytest

from scripts.lint_migrations import FOLDER, RULES, UNRELEASED, find_problems, main

ROOT = Path(__file__).resolve().parents[2]
BROKEN = {
    "drops": ['ALTER TABLE "payments" DROP COLUMN "memo";', "DROP TABLE payments;"],
    "renames": ['ALTER TABLE "payments" RENAME COLUMN "memo" TO "note";', "ALTER TYPE fate RENAME VALUE 'a' TO 'b';"],
    "requires": [
        'ALTER TABLE "payments" ALTER COLUMN "memo" SET NOT NULL;',
        'ALTER TABLE "payments" ADD COLUMN "a" TEXT DEFAULT \'\', ADD COLUMN "b" TEXT NOT NULL;',
    ],
    "retypes": ['ALTER TABLE "payments" ALTER COLUMN "usdc" SET DATA TYPE NUMERIC;'],
    "checks_all_rows": ['ALTER TABLE "payments" ADD CONSTRAINT "c" CHECK ("usdc" > 0);'],
    "locks_for_an_index": ['CREATE INDEX "i" ON "payments"("memo");', 'CREATE UNIQUE INDEX "i" ON "payments"("memo");'],
    "rewrites_rows": ["UPDATE payments SET memo = '';", "DELETE FROM events;"],
}
SOUND = [
    """CREATE TABLE "new" ("a" TEXT NOT NULL); CREATE INDEX "i" ON "new"("a");
    ALTER TABLE "new" ADD CONSTRAINT "c" CHECK ("a" <> '');""",
    'ALTER TABLE "payments" ADD COLUMN "note" TEXT;',
    "ALTER TABLE payments ADD COLUMN note TEXT NOT NULL DEFAULT '';",
    "ALTER TYPE inbox_source ADD VALUE 'another';",
    'CREATE INDEX CONCURRENTLY "i" ON "payments"("memo");',
    'ALTER TABLE "payments" ADD CONSTRAINT "c" CHECK ("usdc" > 0) NOT VALID;',
    "-- DROP TABLE payments\nALTER TABLE payments ADD COLUMN note TEXT DEFAULT 'DROP COLUMN';",
]


@pytest.mark.parametrize(("rule", "script"), [(rule, script) for rule, each in BROKEN.items() for script in each])
def test_what_breaks_older_code_or_locks_for_long_is_refused(rule: str, script: str) -> None:
    assert [found for found, _ in find_problems(script)] == [rule]


@pytest.mark.parametrize("script", SOUND)
def test_what_older_code_does_not_notice_is_taken(script: str) -> None:
    assert list(find_problems(script)) == []


def test_every_rule_is_broken_by_a_test_and_explained() -> None:
    explained = (ROOT / "docs" / "upgrading.md").read_text()
    assert set(BROKEN) == set(RULES) == {rule for rule in RULES if f"| `{rule}` |" in explained}


def test_the_migrations_keep_the_rules_since_the_first_release() -> None:
    assert (FOLDER / UNRELEASED).is_dir()
    assert main() == 0
