"""Whose address a request has: only a proxy of ours is believed, and only in the header that it writes."""

from typing import Any

import pytest
from starlette.requests import Request

from app.networks import digest_network
from handlers.network_address import read_network_address
from tests.house import make_settings

PROXY, STRANGER = "10.0.0.1", "203.0.113.9"


def request_of(peer: str | None, headers: dict[str, str]) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "client": (peer, 1) if peer else None, "headers": raw})


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        (STRANGER, {}, STRANGER),
        (STRANGER, {"x-forwarded-for": "198.51.100.1"}, STRANGER),
        (PROXY, {}, PROXY),
        (PROXY, {"x-forwarded-for": "198.51.100.1"}, "198.51.100.1"),
        (PROXY, {"x-forwarded-for": "1.2.3.4, 198.51.100.1, 10.9.9.9"}, "198.51.100.1"),
        (PROXY, {"x-forwarded-for": "198.51.100.1:4711"}, "198.51.100.1"),
        (PROXY, {"x-forwarded-for": "198.51.100.1, nonsense"}, PROXY),
        (PROXY, {"x-forwarded-for": "1.2.3.4, unknown, 10.9.9.9"}, "10.9.9.9"),
        (PROXY, {"forwarded": "for=198.51.100.1"}, PROXY),
        (None, {"x-forwarded-for": "198.51.100.1"}, None),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy_of_ours(
    tmp_path: Any, peer: str | None, headers: dict[str, str], expected: str | None
) -> None:
    settings = make_settings("postgresql://nowhere/none", tmp_path, trusted_proxies="10.0.0.0/8")
    assert read_network_address(request_of(peer, headers), settings) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('for=1.2.3.4, For="198.51.100.1:80";proto=https', "198.51.100.1"),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        ("for=_hidden", PROXY),
        ("proto=https", PROXY),
    ],
)
def test_the_standard_header_is_read_where_it_is_the_one_set(tmp_path: Any, header: str, expected: str) -> None:
    settings = make_settings(
        "postgresql://nowhere/none", tmp_path, trusted_proxies="10.0.0.0/8", forwarded_header="forwarded"
    )
    request = request_of(PROXY, {"forwarded": header, "x-forwarded-for": "192.0.2.1"})
    assert read_network_address(request, settings) == expected


def test_a_digest_tells_networks_apart_and_no_addresses() -> None:
    secret = b"s" * 32
    first = digest_network(secret, "2001:db8::1")
    assert first == digest_network(secret, "2001:db8::ffff") != digest_network(secret, "2001:db8:0:1::1")
    assert digest_network(secret, "::ffff:192.0.2.1") == digest_network(secret, "192.0.2.1")
    assert digest_network(secret, "192.0.2.1") != digest_network(secret, "192.0.2.2")
    assert digest_network(b"t" * 32, "192.0.2.1") != digest_network(secret, "192.0.2.1")
    assert digest_network(secret, "not an address") is None
    assert digest_network(secret, None) is None
