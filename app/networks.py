"""What of a network address counts when we count by it."""

import hashlib
import socket

# Before an IPv4 address that is written as one of IPv6.
_MAPPED = bytes(10) + b"\xff\xff"


def read_network(address: str | None) -> bytes | None:
    """4 bytes of IPv4, or the first 8 of IPv6: whoever has an IPv6 address has its whole /64. None: no address."""
    if address is None:
        return None
    try:
        return _pack(address.partition("%")[0])
    except (OSError, ValueError):
        return None


def digest_network(secret: bytes, address: str | None) -> str | None:
    """A keyed digest of a network address: enough to count by, and nobody's address. None for what is no address."""
    network = read_network(address)
    if network is None:
        return None
    return hashlib.blake2b(network, key=secret, digest_size=16, person=b"network").hexdigest()


def _pack(address: str) -> bytes:
    """Raises OSError or ValueError."""
    if ":" not in address:
        return socket.inet_pton(socket.AF_INET, address)
    packed = socket.inet_pton(socket.AF_INET6, address)
    return packed.removeprefix(_MAPPED) if packed.startswith(_MAPPED) else packed[:8]
