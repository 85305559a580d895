"""Secrets at rest are sealed, and keys can be rotated."""

import pytest

from app.keyring import KeyRing, SealBroken

OLD, NEW, OTHER = "11" * 32, "22" * 32, "33" * 32


def test_what_is_sealed_can_be_opened_and_does_not_show() -> None:
    sealed = KeyRing([OLD]).seal("shpat_canary")
    assert b"canary" not in sealed
    assert KeyRing([OLD]).open(sealed) == "shpat_canary"


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    ring = KeyRing([OLD])
    assert ring.seal("same") != ring.seal("same")


def test_after_a_rotation_the_old_key_opens_and_the_new_one_seals() -> None:
    sealed = KeyRing([OLD]).seal("secret")
    rotated = KeyRing([NEW, OLD])
    assert rotated.open(sealed) == "secret"
    assert KeyRing([NEW]).open(rotated.seal("secret")) == "secret"


def test_without_its_key_or_with_a_bit_changed_nothing_is_opened() -> None:
    sealed = KeyRing([OLD]).seal("secret")
    with pytest.raises(SealBroken):
        KeyRing([OTHER]).open(sealed)
    with pytest.raises(SealBroken):
        KeyRing([OLD]).open(sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_only_what_is_not_under_the_first_key_is_sealed_anew() -> None:
    sealed = KeyRing([OLD]).seal("secret")
    rotated = KeyRing([NEW, OLD])
    fresh = rotated.reseal(sealed)
    assert fresh is not None
    assert KeyRing([NEW]).open(fresh) == "secret"
    assert rotated.reseal(fresh) is None
    with pytest.raises(SealBroken):
        KeyRing([NEW]).reseal(sealed)
