"""Turns schema.prisma into app/records.py: `make records`, which lets Prisma's CLI run this file.

The folder must stay without an `__init__.py`: beside it lives the installed package `prisma`.
"""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from prisma.generator import GenericGenerator, Manifest
from pydantic import BaseModel, Field

LINE_LENGTH = 120

PYTHON_TYPES = {
    "BigInt": "int",
    "Boolean": "bool",
    "Bytes": "bytes",
    "DateTime": "datetime",
    "Decimal": "Decimal",
    "Int": "int",
    "Json": "dict[str, Any]",
    "String": "str",
}

# As PostgreSQL's format_type() spells them, for types without a @db attribute.
SQL_TYPES = {
    "BigInt": "bigint",
    "Boolean": "boolean",
    "Bytes": "bytea",
    "DateTime": "timestamp(3) without time zone",
    "Decimal": "numeric(65,30)",
    "Int": "integer",
    "Json": "jsonb",
    "String": "text",
}

# The same for those with one: {0} stands for its arguments.
NATIVE_SQL_TYPES = {
    "Timestamptz": "timestamp({0}) with time zone",
    "Decimal": "numeric({0})",
    "Char": "character({0})",
    "VarChar": "character varying({0})",
}

HEADER = '''\
"""The rows and enums of Settle's tables.

Generated from prisma/schema.prisma by prisma/generator.py: change the schema and run `make records`.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self

import msgspec


class Row(Protocol):
    """What `from_row` reads: an asyncpg.Record or a dict. Columns it does not know are left alone."""

    def __getitem__(self, column: str, /) -> Any: ...


class Record(msgspec.Struct, frozen=True):
    """One row of `TABLE`. `COLUMN_TYPES` has each column's SQL type, in the table's order.

    `PERSONAL` names the columns that may tell of a person, and of whom: the customer or the shop.
    """

    TABLE: ClassVar[str]
    COLUMNS: ClassVar[tuple[str, ...]]
    COLUMN_TYPES: ClassVar[dict[str, str]]
    PERSONAL: ClassVar[dict[str, str]] = {}

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Raises KeyError when a column is missing or an enum's value is unknown."""
        raise NotImplementedError
'''


class SchemaError(Exception):
    """The schema says something this generator has no Python or SQL for."""


class EnumValue(BaseModel):
    name: str
    db_name: str | None = Field(alias="dbName")
    documentation: str | None = None


class EnumType(BaseModel):
    name: str
    db_name: str | None = Field(alias="dbName")
    documentation: str | None = None
    values: list[EnumValue]

    @property
    def sql_name(self) -> str:
        return self.db_name or self.name

    @property
    def lookup(self) -> str:
        return "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).upper()


class Column(BaseModel):
    name: str
    db_name: str | None = Field(alias="dbName", default=None)
    kind: str
    type: str
    is_list: bool = Field(alias="isList")
    is_required: bool = Field(alias="isRequired")
    documentation: str | None = None

    @property
    def sql_name(self) -> str:
        return self.db_name or self.name


class Model(BaseModel):
    name: str
    db_name: str | None = Field(alias="dbName")
    documentation: str | None = None
    fields_: list[Column] = Field(alias="fields")

    @property
    def table(self) -> str:
        return self.db_name or self.name

    @property
    def columns(self) -> list[Column]:
        """The fields without the relations, which are no columns."""
        return [field for field in self.fields_ if field.kind in ("scalar", "enum")]


class Datamodel(BaseModel):
    enums: list[EnumType]
    models: list[Model]


class Dmmf(BaseModel):
    datamodel: Datamodel


class Output(BaseModel):
    value: str


class Generator(BaseModel):
    output: Output


class Request(BaseModel):
    """The part of Prisma's `generate` request that is read here; `datamodel` is the schema's text."""

    datamodel: str
    dmmf: Dmmf
    generator: Generator


def parse_native_types(schema: str) -> dict[tuple[str, str], str]:
    """(model, field) -> the field's `@db` attribute; the DMMF of Prisma 5 leaves them out."""
    native = {}
    for name, body in re.findall(r"^model\s+(\w+)\s*\{(.*?)^\}", schema, re.MULTILINE | re.DOTALL):
        for field, attribute in re.findall(r"^\s*(\w+)\s[^\n]*?@db\.(\w+(?:\([^)]*\))?)", body, re.MULTILINE):
            native[name, field] = attribute
    return native


def name_sql_type(column: Column, native: str | None, enums: dict[str, EnumType]) -> str:
    """The column's type with `NOT NULL`, as the drift test reads it back from the database."""
    if column.kind == "enum":
        sql = enums[column.type].sql_name
    elif native is None:
        sql = SQL_TYPES[column.type]
    else:
        kind, _, arguments = native.rstrip(")").partition("(")
        if kind not in NATIVE_SQL_TYPES:
            raise SchemaError(f"{column.name}: no SQL type is known for @db.{native}")
        sql = NATIVE_SQL_TYPES[kind].format(arguments.replace(" ", ""))
    return sql + " NOT NULL" if column.is_required else sql


def whose(column: Column) -> str | None:
    """Whom a column tells of: a line `@personal customer` or `@personal shop` of its documentation."""
    found = re.search(r"^@personal (customer|shop)$", column.documentation or "", re.MULTILINE)
    return found[1] if found else None


def render_comment(documentation: str | None) -> list[str]:
    return [f"    # {line}".rstrip() for line in wrap(documentation, LINE_LENGTH - 6)]


def render_docstring(documentation: str | None) -> list[str]:
    lines = wrap(documentation, LINE_LENGTH - 10)
    if len(lines) == 1:
        return [f'    """{lines[0]}"""', ""]
    return [f'    """{lines[0]}', *(f"    {line}".rstrip() for line in lines[1:]), '    """', ""] if lines else []


def wrap(documentation: str | None, width: int) -> list[str]:
    lines = [line for line in (documentation or "").splitlines() if not line.startswith("@personal")]
    return [part for line in lines for part in textwrap.wrap(line, width) or [""]]


def render_enum(enum: EnumType) -> str:
    lines = ["", "", f"class {enum.name}(StrEnum):", *render_docstring(enum.documentation)]
    for value in enum.values:
        lines += [*render_comment(value.documentation), f'    {value.name} = "{value.db_name or value.name}"']
    # A dict is three times as fast as calling the enum, and every row read pays it.
    lines += ["", "", f"{enum.lookup} = {{member.value: member for member in {enum.name}}}"]
    return "\n".join(lines)


def render_reading(column: Column, enums: dict[str, EnumType]) -> str:
    value = f'row["{column.sql_name}"]'
    if column.kind != "enum":
        return value
    lookup = enums[column.type].lookup
    return f"{lookup}[{value}]" if column.is_required else f"{lookup}.get({value})"


def render_model(model: Model, enums: dict[str, EnumType], native: dict[tuple[str, str], str]) -> str:
    columns = model.columns
    lines = ["", "", f"class {model.name}(Record, frozen=True):", *render_docstring(model.documentation)]
    lines += [f'    TABLE: ClassVar[str] = "{model.table}"', "    COLUMN_TYPES: ClassVar[dict[str, str]] = {"]
    for column in columns:
        if column.is_list or (column.kind == "scalar" and column.type not in PYTHON_TYPES):
            raise SchemaError(f"{model.name}.{column.name}: no Python type is known for it")
        sql = name_sql_type(column, native.get((model.name, column.name)), enums)
        lines.append(f'        "{column.sql_name}": "{sql}",')
    lines += ["    }", "    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)"]
    personal = {column.sql_name: whose(column) for column in columns if whose(column)}
    lines += [f"    PERSONAL: ClassVar[dict[str, str]] = {personal!r}"] if personal else []
    lines += [""]
    for column in columns:
        python = column.type if column.kind == "enum" else PYTHON_TYPES[column.type]
        lines += [*render_comment(column.documentation)]
        lines += [f"    {column.name}: {python if column.is_required else python + ' | None'}"]
    # Positional: keywords cost msgspec twice the time.
    lines += ["", "    @classmethod", "    def from_row(cls, row: Row) -> Self:", "        return cls("]
    lines += [f"            {render_reading(column, enums)}," for column in columns]
    return "\n".join([*lines, "        )"])


def render_module(schema: str, datamodel: Datamodel) -> str:
    """The text of app/records.py, formatted as the project's formatter wants it."""
    enums = {enum.name: enum for enum in datamodel.enums}
    native = parse_native_types(schema)
    parts = [HEADER.rstrip()]
    parts += [render_enum(enum) for enum in datamodel.enums]
    parts += [render_model(model, enums, native) for model in datamodel.models]
    parts += ["", "", "# Every enum by its name in the database, and every record, in the schema's order."]
    parts += ["ENUMS: dict[str, type[StrEnum]] = {"]
    parts += [f'    "{enum.sql_name}": {enum.name},' for enum in datamodel.enums]
    parts += ["}", "RECORDS: tuple[type[Record], ...] = ("]
    parts += [f"    {model.name}," for model in datamodel.models]
    return format_source("\n".join([*parts, ")", ""]))


def format_source(source: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", str(LINE_LENGTH), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


class RecordsGenerator(GenericGenerator[Request]):
    def get_manifest(self) -> Manifest:
        return Manifest(name="Settle's records", default_output="../app/records.py")

    def generate(self, data: Request) -> None:
        Path(data.generator.output.value).write_text(render_module(data.datamodel, data.dmmf.datamodel))


if __name__ == "__main__":
    RecordsGenerator.invoke()
