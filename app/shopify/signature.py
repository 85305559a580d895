"""Shopify's signatures: HMAC-SHA256 with the app's client secret (facts/shopify.md sections 6 and 7).

While the secret is being changed, Shopify may still sign with the old one, so every secret of the setting is believed.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from app.errors import RequestInvalid, SettleError

_FIELDS_MAX = 50
# What is not signed: the signature itself, in its present and in its former shape.
_UNSIGNED = frozenset({"hmac", "signature"})

Pairs = list[tuple[str, str]]


class SignatureInvalid(SettleError):
    """This request is not signed by Shopify."""

    reason = "signature_invalid"
    status = 401


class RequestStale(SettleError):
    """This link is too old, or this server's clock is wrong. Open the app from your Shopify admin again."""

    reason = "request_stale"
    status = 401


def read_signed_query(query: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The parameters of a query that Shopify signed (the text behind the `?`), without the signature.

    Raises RequestInvalid or SignatureInvalid.
    """
    try:
        text = query.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError:
        raise RequestInvalid(problem="the address has parameters that can not be read") from None
    names = [name for name, _ in pairs if not name.endswith("[]")]
    if len(names) != len(set(names)):
        # Which of them was signed, and which would be read?
        raise RequestInvalid(problem="a parameter is there twice")
    given = dict(pairs).get("hmac", "")
    signed = [(name, value) for name, value in pairs if name not in _UNSIGNED]
    forms = [form(signed).encode() for form in (_join_plain, _join_encoded)]
    # All are looked at, whichever fits, so that the time says nothing.
    fits = [_equal(hmac.digest(s.encode(), form, hashlib.sha256).hex(), given) for s in secrets for form in forms]
    if not any(fits):
        raise SignatureInvalid
    return dict(signed)


def check_fresh(parameters: dict[str, str], now: datetime, seconds: int) -> None:
    """Shopify's own time in a signed query must be about now. Raises RequestInvalid or RequestStale."""
    text = parameters.get("timestamp", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 11):
        raise RequestInvalid(problem="the timestamp is missing or is no number")
    if abs(now - datetime.fromtimestamp(int(text), UTC)) > timedelta(seconds=seconds):
        raise RequestStale


def check_signed_body(body: bytes, given: str | None, secrets: Sequence[str]) -> None:
    """Raises SignatureInvalid unless `given` (base64, X-Shopify-Hmac-Sha256) is the signature of the raw body."""
    fits = [_equal(b64encode(hmac.digest(s.encode(), body, hashlib.sha256)).decode(), given or "") for s in secrets]
    if not any(fits):
        raise SignatureInvalid


def _equal(made: str, given: str) -> bool:
    return hmac.compare_digest(made.encode(), given.encode(errors="replace"))


# Shopify's libraries differ in what they do with reserved characters, which its parameters hardly ever have: one
# escapes what separates the pairs, one encodes as an address does. No text is the form of two different queries.


def _join_plain(pairs: Pairs) -> str:
    escaped = (
        f"{name.replace('%', '%25').replace('=', '%3D')}={value.replace('%', '%25')}".replace("&", "%26")
        for name, value in _with_lists(pairs)
    )
    return "&".join(sorted(escaped))


def _join_encoded(pairs: Pairs) -> str:
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in sorted(_with_lists(pairs)))


def _encode(text: str) -> str:
    return quote(text, safe="*").replace("~", "%7E")


def _with_lists(pairs: Pairs) -> Iterator[tuple[str, str]]:
    """`ids[]=1&ids[]=2` is signed as `ids=["1", "2"]`."""
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        if name.endswith("[]"):
            lists.setdefault(name.removesuffix("[]"), []).append(value)
        else:
            yield name, value
    for name, values in lists.items():
        yield name, json.dumps(values)
