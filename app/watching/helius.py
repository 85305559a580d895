"""Helius' webhook: it names transactions that a fee payer of ours took part in, and nothing else of it is read.

It has two formats, raw and enhanced; both are arrays, and both name each transaction's signature.
"""

import re
from collections.abc import Iterator
from hmac import compare_digest

import msgspec

from app.arrivals import Arrival
from app.arrivals import receive as store
from app.errors import RequestInvalid, SettleError
from app.jobs.outcomes import Done, Outcome
from app.logs import get_logger
from app.records import Cluster, InboxEvent, InboxSource, WatchKind
from app.system import System
from app.watching.hints import take_hint

_SIGNATURE = re.compile(r"[1-9A-HJ-NP-Za-km-z]{64,88}")


class WebhookOff(SettleError):
    """Webhooks of Helius are not taken here."""

    reason = "webhook_off"
    status = 404


class WebhookUnauthorized(SettleError):
    """The Authorization header is not the one that was agreed on."""

    reason = "webhook_unauthorized"
    status = 401


class _Transaction(msgspec.Struct):
    signatures: list[str] = []


class _Item(msgspec.Struct):
    """One of an array, in either format: the enhanced one has the signature at its top."""

    signature: str | None = None
    transaction: _Transaction | None = None


_body_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_item_decoder = msgspec.json.Decoder(_Item)


def find_cluster(system: System, authorization: str) -> Cluster:
    """The cluster whose webhooks come with this header. Raises WebhookOff or WebhookUnauthorized.

    Takes the same time whatever the header says.
    """
    settings = system.settings
    known = [(Cluster.live, one) for one in settings.helius_authorizations]
    known += [(Cluster.test, one) for one in settings.test_helius_authorizations if Cluster.test in system.clusters]
    if not settings.watch_webhook or not known:
        raise WebhookOff
    given = authorization.encode()
    matches = [cluster for cluster, one in known if compare_digest(one.encode(), given)]
    if not matches:
        raise WebhookUnauthorized
    return matches[0]


async def receive(system: System, cluster: Cluster, body: bytes) -> int:
    """Store what a webhook brings, once per transaction; returns how many were new. Raises RequestInvalid."""
    try:
        items = _body_decoder.decode(body)
        arrivals = list(_read(items, cluster))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestInvalid(problem="the body must be a JSON array of transactions") from None
    if len(arrivals) < len(items):
        # Some other kind of event: what can be read is taken all the same.
        get_logger().warning("webhook_unread", cluster=cluster, unread=len(items) - len(arrivals))
    if items and not arrivals:
        raise RequestInvalid(problem="nothing in it has a transaction's signature")
    async with system.database.acquire() as connection:
        return await store(connection, InboxSource.helius, arrivals, at=system.clock.now())


def _read(items: list[msgspec.Raw], cluster: Cluster) -> Iterator[Arrival]:
    for raw in items:
        try:
            item = _item_decoder.decode(raw)
        except msgspec.ValidationError:
            continue
        if item.signature is not None:
            topic, signature = "enhanced", item.signature
        else:
            topic, signature = "raw", next(iter(item.transaction.signatures if item.transaction else ()), "")
        if _SIGNATURE.fullmatch(signature):
            yield Arrival(signature, topic, bytes(raw), cluster=cluster)


async def process(system: System, event: InboxEvent) -> Outcome:
    """What an event means: look at that signature, if we issued it."""
    parts = system.clusters.get(event.cluster) if event.cluster else None
    if parts is not None:
        await take_hint(system, parts, [event.event_id], WatchKind.webhook)
    return Done()
