"""What a migration must not do, because the previous release's code runs on while it is applied, and for a while after.

Each rule has a name, which docs/upgrading.md explains. A change that breaks one is made in two releases: the first adds
and the code uses it, the second takes away. Migrations up to `UNRELEASED` are older than any release.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "prisma" / "migrations"
# The last migration that no release went before.
UNRELEASED = "20261125151500_scanned_wallets"

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_CREATED = re.compile(r'CREATE TABLE (?:IF NOT EXISTS )?"?(\w+)"?', re.IGNORECASE)
_TABLE = re.compile(r'\b(?:ALTER TABLE|ON) (?:ONLY )?"?(\w+)"?', re.IGNORECASE)
# A statement with this in it breaks the rule.
RULES = {
    "drops": re.compile(r"\bDROP (?:COLUMN|TABLE|TYPE|DEFAULT|VIEW|FUNCTION|TRIGGER)\b", re.IGNORECASE),
    "renames": re.compile(r"\bRENAME\b", re.IGNORECASE),
    "requires": re.compile(r"\bSET NOT NULL\b|\bADD COLUMN\b(?![^,;]*\bDEFAULT\b)[^,;]*\bNOT NULL\b", re.IGNORECASE),
    "retypes": re.compile(r"\bALTER COLUMN\b[^,;]*\bTYPE\b", re.IGNORECASE),
    "checks_all_rows": re.compile(
        r"\bADD CONSTRAINT\b(?![^;]*\bNOT VALID\b)[^;]*\b(?:CHECK|FOREIGN KEY)\b", re.IGNORECASE
    ),
    "locks_for_an_index": re.compile(
        r"\bCREATE (?:UNIQUE )?INDEX\b(?! CONCURRENTLY)|\bADD (?:CONSTRAINT \S+ )?(?:UNIQUE|PRIMARY KEY)\b",
        re.IGNORECASE,
    ),
    "rewrites_rows": re.compile(r"^\s*(?:UPDATE|DELETE)\b", re.IGNORECASE),
}
# Of a table that the same migration makes there are no rows, and no older code knows it.
_HARMLESS_WHEN_NEW = {"requires", "checks_all_rows", "locks_for_an_index", "rewrites_rows"}


def find_problems(script: str) -> Iterator[tuple[str, str]]:
    """The rule that each statement of a migration breaks, and the statement."""
    plain = _TEXT.sub("''", _COMMENT.sub("", script))
    created = {name.lower() for name in _CREATED.findall(plain)}
    for statement in filter(str.strip, plain.split(";")):
        tables = {name.lower() for name in _TABLE.findall(statement)}
        for rule, pattern in RULES.items():
            is_new = rule in _HARMLESS_WHEN_NEW and bool(tables) and tables <= created
            if pattern.search(statement) and not is_new:
                yield rule, " ".join(statement.split())


def main() -> int:
    problems = [
        f"{path.parent.name}: {rule}: {statement[:100]}"
        for path in sorted(FOLDER.glob("*/migration.sql"))
        if path.parent.name > UNRELEASED
        for rule, statement in find_problems(path.read_text())
    ]
    for problem in problems:
        sys.stderr.write(f"{problem} (docs/upgrading.md)\n")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
