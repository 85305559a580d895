"""Every setting as an operator reads it: the text of .env.example."""

import inspect

from app.settings.every import Settings, describe, read_fields
from app.settings.variables import variable


def example() -> str:
    """The text of .env.example: every setting with its meaning and default, area by area."""
    lines = [
        "# Every setting of Settle, as app/settings/ defines it (`settle settings`). The values are the defaults.",
        "",
    ]
    for area, names in _areas():
        lines += [f"## {area}", ""] if area else []
        for name in names:
            lines += [*_explain(name), ""]
    return "\n".join(lines)


def _areas() -> list[tuple[str, list[str]]]:
    """What each area is about, with its settings; first those that belong to none."""
    areas = [(inspect.getdoc(area) or "", list(area.__annotations__)) for area in Settings.__bases__]
    return [("", list(Settings.__annotations__)), *areas]


def _explain(name: str) -> list[str]:
    field = read_fields()[name]
    description, marks, _ = describe(field)
    notes = [note for note, on in (("secret", marks["secret"]), ("sandbox only", marks["sandbox"])) if on]
    if field.required:
        notes.insert(0, "required")
    default = "" if field.required else field.default
    value = ",".join(default) if isinstance(default, tuple) else str(default)
    return [
        f"# {description}" + (f" ({', '.join(notes)})" if notes else ""),
        f"{'' if field.required else '# '}{variable(name)}={value}",
    ]
