"""Shopify's signatures: the vectors of facts/shopify.md sections 6 and 7, and everything that is not quite one."""

import hashlib
import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import RequestInvalid
from app.shopify.signature import RequestStale, SignatureInvalid, check_fresh, check_signed_body, read_signed_query

SECRET = "hush"
VECTOR = "code=0907a61c0c8d55e99db179b68161bc00&shop=some-shop.myshopify.com&timestamp=1337178173"
VECTOR_HMAC = "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20"
STATE_HMAC = "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf"
BODY = b'{"shop_id":954889,"shop_domain":"snowdevil.myshopify.com"}'
BODY_HMAC = "unXxOs41nqtk5v6Btqh9qz9Dh6mprKtn5eLN4XfJwSY="


def sign(text: str, secret: str = SECRET) -> str:
    return hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()


def read(query: str, *secrets: str) -> dict[str, str]:
    return read_signed_query(query.encode(), secrets or (SECRET,))


def test_shopifys_vectors_are_accepted() -> None:
    assert read(f"{VECTOR}&hmac={VECTOR_HMAC}")["code"] == "0907a61c0c8d55e99db179b68161bc00"
    with_state = VECTOR.replace("&timestamp", "&state=0.6784241404160823&timestamp")
    assert read(f"hmac={STATE_HMAC}&{with_state}")["state"] == "0.6784241404160823"


def test_the_order_of_arrival_does_not_matter_and_the_legacy_signature_is_not_signed() -> None:
    shuffled = "&".join(reversed(VECTOR.split("&")))
    assert "signature" not in read(f"{shuffled}&signature=anything&hmac={VECTOR_HMAC}")


@pytest.mark.parametrize(
    "query",
    [
        VECTOR,
        f"{VECTOR}&hmac=",
        f"{VECTOR}&hmac={VECTOR_HMAC.upper()}",
        f"{VECTOR}&hmac={VECTOR_HMAC[:-1]}",
        f"{VECTOR}&hmac={VECTOR_HMAC}0",
        f"{VECTOR}&hmac=%00{VECTOR_HMAC}",
        f"{VECTOR}&hmac={quote('é')}",
        f"{VECTOR}&hmac={VECTOR_HMAC}&extra=1",
        f"{VECTOR.replace('some-shop', 'other-shop')}&hmac={VECTOR_HMAC}",
        f"{VECTOR.replace('code=', 'code%3D=')}&hmac={VECTOR_HMAC}",
        # The separators moved into a value.
        f"code=0907a61c0c8d55e99db179b68161bc00%26shop%3Dsome-shop.myshopify.com&timestamp=1337178173&hmac={VECTOR_HMAC}",
    ],
)
def test_what_shopify_did_not_sign_is_refused(query: str) -> None:
    with pytest.raises(SignatureInvalid):
        read(query)


@pytest.mark.parametrize(
    "query",
    [
        f"{VECTOR}&shop=evil.myshopify.com&hmac={VECTOR_HMAC}",
        f"{VECTOR}&hmac={VECTOR_HMAC}&hmac={VECTOR_HMAC}",
        f"{VECTOR}&hmac={VECTOR_HMAC}&broken=%ff",
        "&".join(f"p{n}=1" for n in range(60)),
    ],
)
def test_a_query_that_can_be_read_in_two_ways_or_not_at_all_is_refused(query: str) -> None:
    with pytest.raises(RequestInvalid):
        read(query)


def test_both_secrets_are_believed_while_they_are_changed_and_no_other() -> None:
    for secret in ("new", "old"):
        assert read(f"a=1&hmac={sign('a=1', secret)}", "new", "old") == {"a": "1"}
    with pytest.raises(SignatureInvalid):
        read(f"a=1&hmac={sign('a=1', 'older')}", "new", "old")


def test_reserved_characters_are_read_as_either_of_shopifys_libraries_signs_them() -> None:
    host = "c29tZS1zaG9wL2FkbWlu+/=="
    given = urlencode({"host": host, "shop": "a.myshopify.com"})
    plain, encoded = f"host={host}&shop=a.myshopify.com", f"host={quote(host, safe='')}&shop=a.myshopify.com"
    for text in (plain, encoded):
        assert read(f"{given}&hmac={sign(text)}")["host"] == host


def test_lists_are_signed_as_one_parameter() -> None:
    text = 'ids=["1", "2"]&shop=a.myshopify.com'
    read(f"ids%5B%5D=1&ids%5B%5D=2&shop=a.myshopify.com&hmac={sign(text)}")


parameters = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), min_size=1, max_size=5).filter(
    lambda given: not {"hmac", "signature"} & given.keys() and not any(name.endswith("[]") for name in given)
)


@given(signed=parameters, other=parameters)
def test_one_signature_never_fits_two_queries(signed: dict[str, str], other: dict[str, str]) -> None:
    """Whatever separators and escapes the values hold: a signature for one set of parameters is none for another."""
    text = "&".join(f"{quote(k, safe='*')}={quote(v, safe='*')}" for k, v in sorted(signed.items())).replace("~", "%7E")
    digest = sign(text)
    assert read(f"{urlencode(signed)}&hmac={digest}") == signed
    if signed != other:
        with pytest.raises((SignatureInvalid, RequestInvalid)):
            read(f"{urlencode(other)}&hmac={digest}")


@pytest.mark.parametrize(("seconds", "is_fresh"), [(0, True), (90, True), (-90, True), (91, False), (-91, False)])
def test_a_signed_time_counts_for_its_window_on_both_sides(seconds: int, is_fresh: bool) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    stamp = {"timestamp": str(int((now + timedelta(seconds=seconds)).timestamp()))}
    if is_fresh:
        check_fresh(stamp, now, 90)
    else:
        with pytest.raises(RequestStale):
            check_fresh(stamp, now, 90)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e9", "٣", "9" * 12, "1.5", " 1337178173"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalid):
        check_fresh({"timestamp": text}, datetime.now(UTC), 90)
    with pytest.raises(RequestInvalid):
        check_fresh({}, datetime.now(UTC), 90)


def test_the_vector_of_a_webhook_is_accepted() -> None:
    check_signed_body(BODY, BODY_HMAC, (SECRET,))
    check_signed_body(BODY, BODY_HMAC, ("new", SECRET))


@pytest.mark.parametrize(
    ("body", "given"),
    [
        (BODY, None),
        (BODY, ""),
        (BODY, BODY_HMAC.rstrip("=")),
        (BODY, BODY_HMAC.lower()),
        (BODY, hmac.digest(b"hush", BODY, hashlib.sha256).hex()),
        (BODY, b64encode(hmac.digest(b"other", BODY, hashlib.sha256)).decode()),
        (BODY + b"\n", BODY_HMAC),
        (json.dumps(json.loads(BODY)).encode(), BODY_HMAC),
        (BODY, "é"),
    ],
)
def test_a_webhook_that_is_not_signed_over_its_raw_body_is_refused(body: bytes, given: Any) -> None:
    with pytest.raises(SignatureInvalid):
        check_signed_body(body, given, (SECRET,))
