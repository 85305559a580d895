"""Reading the settings from the environment."""

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from app.settings.errors import SettingsInvalid
from app.settings.every import Settings, describe, read_fields
from app.settings.variables import PREFIX, variable


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsInvalid, which names each variable but never shows a secret's value."""
    fields = read_fields()
    given: dict[str, Any] = {}
    for name, field in fields.items():
        text = environment.get(variable(name), "")
        if text == "":
            if field.required:
                raise SettingsInvalid(problem=f"{variable(name)} is missing")
            continue
        _, _, kind = describe(field)
        is_list = isinstance(kind, msgspec.inspect.VarTupleType)
        given[name] = [part.strip() for part in text.split(",") if part.strip()] if is_list else text
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        problem = str(error)
        for name in fields:
            problem = problem.replace(f"$.{name}", variable(name))
        raise SettingsInvalid(problem=problem) from None


def unknown(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that carry our prefix but are no setting: most likely misspelt."""
    known = {variable(name) for name in read_fields()}
    return sorted(key for key in environment if key.startswith(PREFIX) and key not in known)
