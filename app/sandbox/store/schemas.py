"""Shopify's Payments Apps schema per API version, and which version a request gets."""

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from graphql import GraphQLScalarType, GraphQLSchema, build_schema

_FOLDER = Path(__file__).parent / "schema"

# Served version -> the file that holds what it has beyond base.graphql.
_ADDITIONS = {
    "2026-01": "2026-01.graphql",
    "2026-04": "2026-04.graphql",
    "2026-07": "2026-04.graphql",
    "2026-10": "2026-04.graphql",
    "2027-01": "2026-04.graphql",
    "unstable": "2026-04.graphql",
}
SUPPORTED = ("2026-01", "2026-04", "2026-07", "2026-10")
PUBLIC_VERSIONS = [
    *({"handle": v, "displayName": v, "supported": True} for v in SUPPORTED[:-1]),
    {"handle": SUPPORTED[-1], "displayName": f"{SUPPORTED[-1]} (Latest)", "supported": True},
    {"handle": "2027-01", "displayName": "2027-01 (Release candidate)", "supported": False},
    {"handle": "unstable", "displayName": "unstable", "supported": False},
]


def choose_version(requested: str) -> str | None:
    """The version that a request for `requested` is served with; None when there is no such version.

    A version that has run out falls forward to the oldest one supported.
    """
    if requested in _ADDITIONS:
        return requested
    if re.fullmatch(r"20\d\d-(01|04|07|10)", requested) and requested < SUPPORTED[0]:
        return SUPPORTED[0]
    return None


@cache
def load_schema(version: str) -> GraphQLSchema:
    """The schema of a version that `choose_version` returned."""
    text = (_FOLDER / "base.graphql").read_text() + (_FOLDER / _ADDITIONS[version]).read_text()
    schema = build_schema(text)
    _set_parser(schema, "DateTime", _parse_moment)
    _set_parser(schema, "URL", _parse_url)
    return schema


def _set_parser(schema: GraphQLSchema, name: str, parse: Any) -> None:
    scalar = schema.type_map[name]
    assert isinstance(scalar, GraphQLScalarType)
    scalar.coerce_input_value = parse


def _parse_moment(value: Any) -> str:
    """Checks an ISO 8601 moment with an offset, and keeps it as it was written."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"invalid DateTime '{value}'") from None
    if moment.tzinfo is None:
        raise ValueError(f"invalid DateTime '{value}': it has no offset from UTC")
    return str(value)


def _parse_url(value: Any) -> str:
    if not isinstance(value, str) or urlsplit(value).scheme not in ("http", "https"):
        raise ValueError(f"invalid URL '{value}'")
    return value
