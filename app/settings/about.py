"""What is said of a setting where it is defined: its meaning, its bounds, and whether it is secret."""

from typing import Any

from msgspec import Meta


def about(description: str, *, secret: bool = False, sandbox: bool = False, **bounds: Any) -> Meta:
    """A setting's meaning; `secret`: never shown; `sandbox`: refused in production; bounds as msgspec.Meta has them."""
    return Meta(description=description, extra={"secret": secret, "sandbox": sandbox}, **bounds)
