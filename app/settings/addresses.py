"""Settings that are addresses of something: each has the scheme that is spoken there, and names a host."""

from urllib.parse import urlsplit

_HTTP, _WEBSOCKET, _POSTGRES = ("http", "https"), ("ws", "wss"), ("postgresql", "postgres")


def is_address(name: str) -> bool:
    """Whether a setting of this name holds one address, or several."""
    return name.endswith(("_url", "_urls", "_dsn"))


def find_fault(name: str, address: str) -> str | None:
    """What is wrong with a value of such a setting, without the value: it may hold a key or a password."""
    schemes = _schemes_of(name)
    try:
        parts = urlsplit(address)
        # Read only to be checked: it raises for a port that is none.
        _ = parts.port
    except ValueError:
        return "is not an address"
    # A database may be reached by a socket of this machine.
    if parts.scheme not in schemes or not (parts.hostname or schemes is _POSTGRES):
        return f"must be an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if name.endswith("_dsn") and not (parts.username and parts.path.strip("/")):
        return "must be an address like https://KEY@HOST/PROJECT"
    return None


def _schemes_of(name: str) -> tuple[str, ...]:
    if name == "database_url":
        return _POSTGRES
    return _WEBSOCKET if "websocket" in name else _HTTP
