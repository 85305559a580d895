"""Every setting as an operator reads it: the text of .env.example."""

from app.settings import describe, read_fields, variable


def example() -> str:
    """The text of .env.example: every setting with its meaning and default."""
    lines = [
        "# Every setting of Settle, generated from app/settings.py by `settle settings`. The values are the defaults.",
        "",
    ]
    for name, field in read_fields().items():
        description, marks, _ = describe(field)
        notes = [note for note, on in (("secret", marks["secret"]), ("sandbox only", marks["sandbox"])) if on]
        if field.required:
            notes.insert(0, "required")
        lines.append(f"# {description}" + (f" ({', '.join(notes)})" if notes else ""))
        default = "" if field.required else field.default
        value = ",".join(default) if isinstance(default, tuple) else str(default)
        lines += [f"{'' if field.required else '# '}{variable(name)}={value}", ""]
    return "\n".join(lines)
