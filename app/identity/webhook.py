"""Persona's webhook: it rings when an inquiry has moved on. What is believed is what Persona answers when asked.

So an event is a reason to look, no more: forged in time or replayed, it changes nothing. Of what it carries only the
inquiry's id is kept; the papers' contents are none of our business.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence

import msgspec

from app.arrivals import Arrival, receive
from app.errors import RequestInvalid, SettleError
from app.records import InboxSource
from app.shopify.payloads import ShopInvalid, read_shop
from app.system import System

_ID = re.compile(r"[A-Za-z0-9_]{1,100}")
# An account may have other events sent, and other inquiries, that are none of ours.
_TOPIC = re.compile(r"inquiry\.[a-z.-]{1,40}")
# Persona sends two while its secret changes. Each costs a digest of the whole body, before we know who asks.
_SIGNATURES_MAX = 2


class IdentityWebhookOff(SettleError):
    """Webhooks of the identity check are not taken here."""

    reason = "identity_webhook_off"
    status = 404


class IdentitySignatureInvalid(SettleError):
    """The webhook's signature is missing, or is not that of its body."""

    reason = "identity_signature_invalid"
    status = 401


class _Known(msgspec.Struct):
    reference: str | None = msgspec.field(name="reference-id", default=None)


class _Subject(msgspec.Struct):
    id: str
    attributes: _Known


class _Payload(msgspec.Struct):
    data: _Subject


class _Attributes(msgspec.Struct):
    name: str
    payload: _Payload


class _Event(msgspec.Struct):
    id: str
    attributes: _Attributes


class _Body(msgspec.Struct):
    data: _Event


_decoder = msgspec.json.Decoder(_Body)


async def receive_event(system: System, header: str, body: bytes) -> None:
    """Store what a webhook brings, once. Raises IdentityWebhookOff, IdentitySignatureInvalid or RequestInvalid."""
    known = system.settings.persona_webhook_secrets
    if not known:
        raise IdentityWebhookOff
    check_signature(header, body, known)
    try:
        event = _decoder.decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestInvalid(problem="the body must be an event as Persona describes it") from None
    subject = event.attributes.payload.data
    if not _ID.fullmatch(event.id) or not _ID.fullmatch(subject.id):
        raise RequestInvalid(problem="an id in it can not be read")
    if not _TOPIC.fullmatch(event.attributes.name):
        return
    try:
        # As it was given to Persona when the inquiry was made (app/identity/persona.py).
        shop = read_shop(subject.attributes.reference)
    except ShopInvalid:
        return
    arrival = Arrival(event.id, event.attributes.name, subject.id.encode(), shop=shop)
    async with system.database.acquire() as connection:
        await receive(connection, InboxSource.persona, [arrival], at=system.clock.now())


def check_signature(header: str, body: bytes, secrets: Sequence[str]) -> None:
    """`Persona-Signature`: `t=<unix time>,v1=<hex>`, of the HMAC-SHA256 of `<t>.<raw body>`; while Persona changes its
    secret two of them, with a space in between. (Persona's documentation, "Webhook best practices".)

    Raises IdentitySignatureInvalid.
    """
    signatures = header.split()
    if len(signatures) > _SIGNATURES_MAX:
        raise IdentitySignatureInvalid
    for part in signatures:
        said = dict(pair.partition("=")[::2] for pair in part.split(","))
        signed = said.get("t", "").encode(errors="replace") + b"." + body
        given = said.get("v1", "").encode(errors="replace")
        # Not `any`: how long it takes shall not tell which secret fits.
        fits = [
            hmac.compare_digest(hmac.digest(s.encode(), signed, hashlib.sha256).hex().encode(), given) for s in secrets
        ]
        if True in fits:
            return
    raise IdentitySignatureInvalid
