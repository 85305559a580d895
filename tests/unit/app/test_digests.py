"""Digests of customers: the same person always, two persons or two shops never, nothing without the key."""

import re

from app.keyring import KeyRing
from app.privacy.digests import digest_customer, digest_email, digest_phone, new_customer_key

KEY, OTHER = "11" * 32, "22" * 32


def test_the_same_address_or_number_has_one_digest_however_it_is_written() -> None:
    assert len({digest_email(KEY, text) for text in ("a@b.example", " A@B.example ", "a@B.EXAMPLE")}) == 1
    assert len({digest_phone(KEY, text) for text in ("+16135550127", "1 (613) 555-0127", "+1.613.555.0127")}) == 1


def test_different_ones_have_different_digests_and_so_has_the_same_one_in_another_shop() -> None:
    found = [
        digest_email(KEY, "a@b.example"),
        digest_email(KEY, "b@b.example"),
        digest_email(OTHER, "a@b.example"),
        digest_phone(KEY, "16135550127"),
        # A number is no address, though the text is the same.
        digest_email(KEY, "16135550127"),
    ]
    assert len(set(found)) == len(found)
    assert all(text is not None and re.fullmatch(r"[A-Za-z0-9_-]{22}", text) for text in found)


def test_what_is_no_text_is_empty_or_endless_has_none_and_neither_has_a_shop_without_a_key() -> None:
    for nothing in (None, 7, [], {}, "", "   ", "x" * 400, True):
        assert digest_email(KEY, nothing) is None
        assert digest_phone(KEY, nothing) is None
    assert digest_email(None, "a@b.example") is None
    assert digest_phone(KEY, "none") is None
    assert digest_email(KEY, "\ud800@b.example") is not None


def test_shopify_calls_the_number_one_thing_in_a_session_and_another_in_a_webhook() -> None:
    session = digest_customer(KEY, {"email": "a@b.example", "phone_number": "+16135550127"})
    webhook = digest_customer(KEY, {"id": 1, "email": "A@b.example", "phone": "1 613 555 0127"})
    assert session == webhook
    assert digest_customer(KEY, None) == (None, None)


def test_every_shop_gets_a_key_of_its_own() -> None:
    ring = KeyRing(["33" * 32])
    keys = {ring.open(new_customer_key(ring)) for _ in range(10)}
    assert len(keys) == 10
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)
