"""Helius: watches addresses on the clusters and POSTs what happens to them to the app's webhook.

As the real one does: an array of transactions once they are confirmed, raw or enhanced; the agreed string in
`Authorization`; 200 within a second, or up to three more tries; then the event is lost.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from app.sandbox.clock import VirtualClock
from app.sandbox.devnet import Devnet
from app.sandbox.devnet.cluster import Landing
from app.sandbox.faults import Faults, number_between
from app.sandbox.helius_formats import enhanced_item, raw_item

log = logging.getLogger(__name__)

TARGET = "helius"
# Helius sends; so a fault of the transport strikes what it sends, not a request to it.
KINDS = {
    "status": "the app's answer counts as this HTTP status (default 503), and the event does not reach it",
    "rate_limit": "as status, with 429",
    "delay": "an event is sent this many seconds of virtual time later (default 3600)",
    "drop": "an event is never sent",
    "lost_answer": "the event reaches the app, its answer is lost, and the event is sent again",
    "broken_json": "half of the body is sent",
    "duplicate": "an event is sent this many times (default 2)",
    "reorder": "events are kept back until there are this many (default 3), then sent the last one first",
    "wrong_auth": "the Authorization header is not the one agreed on",
    "enhanced": "events come in the enhanced format (off: raw)",
}
_CHECKS = {
    "delay": number_between(0, 30 * 86_400),
    "duplicate": number_between(2, 100),
    "reorder": number_between(2, 1_000),
}
ANSWER_SECONDS = 1.0
RETRIES = 3
RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Webhook:
    """What is watched on a cluster, and how the app knows that it is Helius who calls."""

    cluster: str
    addresses: frozenset[str]
    authorization: str


@dataclass(frozen=True)
class Event:
    """Something to send: when it is due, in virtual time, and how often it was tried."""

    webhook: Webhook
    item: dict[str, Any]
    due_at: datetime
    tries: int = 0


class _Listener:
    """Hears of one cluster's landings."""

    def __init__(self, helius: "Helius", webhook: Webhook) -> None:
        self._helius = helius
        self._webhook = webhook

    def landed(self, landing: Landing) -> None:
        if landing.level == "confirmed" and not self._webhook.addresses.isdisjoint(landing.addresses):
            self._helius.notice(self._webhook, landing)

    def advanced(self, parent: int, slot: int, old_root: int, root: int) -> None:
        """Slots are nothing to it."""


class Helius:
    """Sends to `url`. Events live in memory: what was not sent when the world stops is lost, as with the real one."""

    def __init__(
        self,
        clock: VirtualClock,
        faults: Faults,
        devnets: Mapping[str, Devnet],
        *,
        url: str,
        fee_payers: Mapping[str, str],
        authorizations: Mapping[str, str],
    ) -> None:
        faults.register(TARGET, KINDS, _CHECKS)
        self._clock = clock
        self._faults = faults
        self._url = url
        self._waiting: list[Event] = []
        # What is kept back to be sent in another order.
        self._held: list[Event] = []
        self._changed = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None
        self._runner: asyncio.Task[None] | None = None
        for name, devnet in devnets.items():
            webhook = Webhook(name, frozenset({fee_payers[name]}), authorizations[name])
            devnet.cluster.watchers.append(_Listener(self, webhook))
        clock.listeners.append(lambda _: self._changed.set())

    async def start(self) -> None:
        # trust_env: a proxy of the machine has no business between the world and a door on localhost.
        self._client = httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False)
        self._runner = asyncio.create_task(self._run(), name="helius")

    async def stop(self) -> None:
        tasks = [*self._sending, *filter(None, [self._runner])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def notice(self, webhook: Webhook, landing: Landing) -> None:
        """A transaction of a watched address was confirmed."""
        if self._faults.take(TARGET, "drop"):
            return
        make = enhanced_item if self._faults.peek(TARGET, "enhanced") else raw_item
        now = self._clock.now()
        delay = self._faults.take(TARGET, "delay")
        late = timedelta(seconds=0 if delay is None else 3_600 if delay.value is None else delay.value)
        event = Event(webhook, make(landing.entry), now + late)
        duplicate = self._faults.take(TARGET, "duplicate")
        times = 1 if duplicate is None else int(duplicate.value or 2)
        kept = self._held if self._faults.peek(TARGET, "reorder") else self._waiting
        kept.extend([event] * times)
        self._changed.set()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            self._release()
            now = self._clock.now()
            due = [event for event in self._waiting if event.due_at <= now]
            self._waiting = [event for event in self._waiting if event.due_at > now]
            for event in due:
                task = asyncio.create_task(self._send(event))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
            await self._rest()

    async def _rest(self) -> None:
        """Until there is something to send. A switch that is turned off tells nobody, so it looks now and then."""
        wait = 1.0 if self._held else None
        if self._waiting:
            soonest = min(event.due_at for event in self._waiting)
            wait = min(1.0, max(0.0, (soonest - self._clock.now()).total_seconds()))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), wait)

    def _release(self) -> None:
        """Send what was kept back, the last one first, when there is enough of it or the switch was turned off."""
        switch = next(iter(self._faults.peek(TARGET, "reorder")), None)
        if switch is not None and len(self._held) < int(switch.value or 3):
            return
        if self._held and switch is not None:
            self._faults.take(TARGET, "reorder")
        self._waiting += reversed(self._held)
        self._held = []

    async def _send(self, event: Event) -> None:
        if await self._post(event) or event.tries >= RETRIES:
            return
        later = self._clock.now() + timedelta(seconds=RETRY_SECONDS)
        self._waiting.append(replace(event, due_at=later, tries=event.tries + 1))
        self._changed.set()

    async def _post(self, event: Event) -> bool:
        """Whether the app has it, as Helius sees it."""
        assert self._client is not None
        if self._faults.take(TARGET, "status", "rate_limit"):
            return False
        body = msgspec.json.encode([event.item])
        if self._faults.take(TARGET, "broken_json"):
            body = body[: len(body) // 2]
        authorization = event.webhook.authorization
        if self._faults.take(TARGET, "wrong_auth"):
            authorization = secrets.token_urlsafe(24)
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            log.info("the webhook did not answer: %s", type(error).__name__)
            return False
        return answer.status_code == httpx.codes.OK and not self._faults.take(TARGET, "lost_answer")
