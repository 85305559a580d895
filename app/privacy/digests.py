"""Keyed digests of a customer's address and number: by them a request for privacy finds its payments.

Nothing else of the two is kept. Each shop has a key of its own, sealed, so digests of two shops can not be compared, a
copy of the database gives nobody away, and without the key they tell nothing any more.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from app.keyring import KeyRing

_TEXT_MAX = 320
# Enough that no two customers of a shop share one.
_DIGEST_BYTES = 16


def new_customer_key(ring: KeyRing) -> bytes:
    """A shop's key, sealed."""
    return ring.seal(secrets.token_hex(32))


def digest_email(key: str | None, email: Any) -> str | None:
    """None without a key or an address; capitals and spaces around it do not matter."""
    return _digest(key, "email", email.strip().casefold()) if isinstance(email, str) else None


def digest_phone(key: str | None, phone: Any) -> str | None:
    """None without a key or a number; only its digits matter."""
    return _digest(key, "phone", re.sub(r"[^0-9]", "", phone)) if isinstance(phone, str) else None


def digest_customer(key: str | None, customer: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    """The digests of the `email` and of the `phone` (or `phone_number`) that Shopify names."""
    given = customer or {}
    return digest_email(key, given.get("email")), digest_phone(key, given.get("phone") or given.get("phone_number"))


def _digest(key: str | None, kind: str, text: str) -> str | None:
    if key is None or not text or len(text) > _TEXT_MAX:
        return None
    digest = hmac.digest(bytes.fromhex(key), f"{kind}\n{text}".encode(errors="replace"), hashlib.sha256)
    return urlsafe_b64encode(digest[:_DIGEST_BYTES]).rstrip(b"=").decode()
