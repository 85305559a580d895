"""The network address that a request comes from: the socket's peer, or what a proxy of ours says of its client."""

import ipaddress
import re
from functools import lru_cache

from starlette.requests import Request

from app.settings import Settings

_FOR = re.compile(r'(?:^|;)\s*for=("[^"]*"|[^;,\s]*)', re.IGNORECASE)


def read_network_address(request: Request, settings: Settings) -> str | None:
    """The address, or None where there is none (a unix socket without a proxy's word).

    A list of forwarded addresses grows to the right, so it is read from there: each trusted proxy vouches for the one
    before it, and the first that is no proxy of ours is the client. What that client wrote itself, further left, is
    never read; nor is a word that is no address.
    """
    address = request.client.host if request.client else None
    if address is None or not is_among(address, settings.trusted_proxies):
        return address
    for claimed in reversed(_claims(request, settings.forwarded_header)):
        cleaned = _clean(claimed)
        if cleaned is None:
            break
        address = cleaned
        if not is_among(address, settings.trusted_proxies):
            break
    return address


def _claims(request: Request, header: str) -> list[str]:
    parts = [part.strip() for line in request.headers.getlist(header) for part in line.split(",")]
    if header == "x-forwarded-for":
        return parts
    found = (_FOR.search(part) for part in parts)
    return [match.group(1).strip('"') if match else "" for match in found]


def _clean(text: str) -> str | None:
    """The address without brackets and port, or None when it is none."""
    bracketed = re.fullmatch(r"\[([^]]+)\](?::\d+)?", text)
    with_port = re.fullmatch(r"([\d.]+):\d+", text)
    match = bracketed or with_port
    candidate = match.group(1) if match else text
    try:
        return str(ipaddress.ip_address(candidate))
    except ValueError:
        return None


def is_among(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address is one of these, or in one of these networks."""
    if not networks:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in _parse(networks))


@lru_cache(maxsize=8)
def _parse(networks: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(network) for network in networks]
