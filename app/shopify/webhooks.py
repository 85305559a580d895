"""What Shopify's webhooks mean: done by the worker, whatever their order (facts/shopify.md section 7)."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from app import metrics
from app.database import Connection
from app.install.uninstall import uninstall
from app.jobs.outcomes import Done, Outcome
from app.logs import bind_contextvars, get_logger
from app.privacy.requests import TOPICS, note_request
from app.records import InboxEvent
from app.system import System

_REMOVE = "UPDATE inbox_events SET payload = NULL WHERE id = $1"


class About(msgspec.Struct):
    """The shop that a webhook is about, as its signed body names it: one of the two, by topic."""

    shop_domain: str | None = None
    myshopify_domain: str | None = None


_about = msgspec.json.Decoder(About)

# Does what an event means, in the transaction that closes it.
Reaction = Callable[[System, Connection, InboxEvent], Awaitable[None]]


async def _uninstalled(system: System, connection: Connection, event: InboxEvent) -> None:
    assert event.shop is not None
    happened_at = event.sent_at or event.received_at
    await uninstall(connection, event.shop, happened_at=happened_at, at=system.clock.now())


REACTIONS: Mapping[str, Reaction] = {"app/uninstalled": _uninstalled, **dict.fromkeys(TOPICS, note_request)}


async def process_webhook(system: System, event: InboxEvent) -> Outcome:
    """The job of a webhook. What it carried is removed with it: nothing of it is needed any more."""
    bind_contextvars(shop=event.shop, topic=event.topic)
    reaction = REACTIONS.get(event.topic)

    async def record(connection: Connection) -> None:
        if reaction is None:
            get_logger().info("webhook_ignored")
        elif (shop := _read_shop(event.payload or b"")) != event.shop:
            # The headers are not signed, the body is.
            metrics.alarms_total.labels(reason="webhook_not_understood").inc()
            get_logger().error("webhook_not_understood", named=shop)
        else:
            await reaction(system, connection, event)
        await connection.execute(_REMOVE, event.id)
        metrics.webhooks_total.labels(topic=event.topic if reaction else "other").inc()

    return Done(record)


def _read_shop(body: bytes) -> str | None:
    try:
        about = _about.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    named = about.shop_domain or about.myshopify_domain
    return named.lower() if named else None
