"""schema.prisma, the generated app/records.py and a migrated database say the same."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from app import records

ROOT = Path(__file__).resolve().parents[3]
PRISMA = ROOT / ".node" / "node_modules" / ".bin" / "prisma"

# Types as PostgreSQL itself spells them, with length, precision and nullability: information_schema says less.
COLUMNS = """
SELECT class.relname AS table, attribute.attname AS column,
    format_type(attribute.atttypid, attribute.atttypmod)
        || CASE WHEN attribute.attnotnull THEN ' NOT NULL' ELSE '' END AS type
FROM pg_attribute AS attribute JOIN pg_class AS class ON class.oid = attribute.attrelid
WHERE class.relnamespace = 'public'::regnamespace AND class.relkind = 'r' AND class.relname <> '_prisma_migrations'
    AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY class.relname, attribute.attnum
"""

ENUMS = """
SELECT type.typname AS name, array_agg(value.enumlabel::text ORDER BY value.enumsortorder) AS values
FROM pg_type AS type JOIN pg_enum AS value ON value.enumtypid = type.oid
WHERE type.typnamespace = 'public'::regnamespace GROUP BY type.typname
"""

# Partial indexes, which Prisma can not say and does not see, are left out; so is the primary key.
KEYS = """
SELECT class.relname AS name FROM pg_index AS index JOIN pg_class AS class ON class.oid = index.indexrelid
WHERE class.relnamespace = 'public'::regnamespace AND index.indpred IS NULL AND NOT index.indisprimary
UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype = 'f'
"""


def keys_of_schema() -> set[str]:
    """The names that Prisma gives to the schema's indexes, unique keys and foreign keys."""
    names = set()
    schema = (ROOT / "prisma" / "schema.prisma").read_text()
    for body in re.findall(r"^model \w+ \{(.*?)^\}", schema, re.MULTILINE | re.DOTALL):
        table = re.findall(r'@@map\("(\w+)"\)', body)[0]
        names |= {f"{table}_{column}_key" for column in re.findall(r"^ +(\w+) .* @unique\b", body, re.MULTILINE)}
        for marker, ending in ((r"@@unique\(", "key"), (r"@@index\(", "idx"), (r"@relation\(.*?fields: ", "fkey")):
            for columns in re.findall(marker + r"\[([^]]*)\]", body):
                names.add("_".join([table, *columns.split(", "), ending]))
    return names


def generate_records(folder: Path) -> str:
    """Run the generator as `make records` does, on a copy of the schema, and return what it writes."""
    if not PRISMA.exists():
        pytest.fail("Prisma's command line is not in .node: run `make setup`.", pytrace=False)
    (folder / "prisma").mkdir()
    (folder / "app").mkdir()
    for name in ("schema.prisma", "generator.py"):
        shutil.copy(ROOT / "prisma" / name, folder / "prisma" / name)
    environment = {
        # The generator is called as plain `python`: it must be this one.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "CHECKPOINT_DISABLE": "1",
        # Engines that nobody calls: without a value Prisma would go and fetch them.
        "PRISMA_QUERY_ENGINE_LIBRARY": "/bin/false",
        "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/false",
    }
    command = [str(PRISMA), "generate", "--schema", "prisma/schema.prisma"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "app" / "records.py").read_text()


def test_the_generated_records_are_what_the_schema_makes(tmp_path: Path) -> None:
    made = generate_records(tmp_path)
    assert made == (ROOT / "app" / "records.py").read_text(), "app/records.py is out of date: run `make records`"


async def test_a_migrated_database_has_the_tables_and_columns_of_the_records(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        found: dict[str, dict[str, str]] = {}
        for row in await connection.fetch(COLUMNS):
            found.setdefault(row["table"], {})[row["column"]] = row["type"]
    finally:
        await connection.close()
    assert found == {record.TABLE: record.COLUMN_TYPES for record in records.RECORDS}
    assert [list(columns) for _, columns in sorted(found.items())] == [
        list(record.COLUMNS) for record in sorted(records.RECORDS, key=lambda record: record.TABLE)
    ]


async def test_a_migrated_database_has_the_enums_of_the_records_in_their_order(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        found = {row["name"]: row["values"] for row in await connection.fetch(ENUMS)}
    finally:
        await connection.close()
    assert found == {name: [member.value for member in enum] for name, enum in records.ENUMS.items()}


async def test_a_migrated_database_has_the_indexes_and_foreign_keys_of_the_schema(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        found = {row["name"] for row in await connection.fetch(KEYS)}
    finally:
        await connection.close()
    assert found == keys_of_schema()
    assert len(found) > len(records.RECORDS)


def test_every_enum_and_each_of_its_values_says_what_it_means() -> None:
    source = (ROOT / "app" / "records.py").read_text()
    lines = source.splitlines()
    silent = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name in {enum.__name__ for enum in records.ENUMS.values()}:
            values = [statement for statement in node.body if isinstance(statement, ast.Assign)]
            silent += [node.name] if ast.get_docstring(node) is None else []
            silent += [
                f"{node.name}.{ast.unparse(value.targets[0])}"
                for value in values
                if not lines[value.lineno - 2].strip().startswith("# ")
            ]
            assert len(values) == len(getattr(records, node.name))
    assert silent == []


def test_every_record_has_its_fields_in_the_order_of_its_columns() -> None:
    for record in records.RECORDS:
        assert record.__struct_fields__ == record.COLUMNS
