"""The environment variable of each setting."""

PREFIX = "SETTLE_"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()
