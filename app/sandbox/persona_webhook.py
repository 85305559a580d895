"""Persona's webhook: each step of an inquiry is sent to the app, signed, and again until it answers 200."""

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
from typing import Any

import httpx

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults, number_between

log = logging.getLogger(__name__)

TARGET = "persona_webhook"
SECRET = "wbhsec_sandbox"  # noqa: S105  # of the sandbox
# Persona sends; so a fault of the transport strikes what it sends.
KINDS = {
    "status": "the app's answer counts as this HTTP status (default 503), and the event does not reach it",
    "rate_limit": "as status, with 429",
    "delay": "an event is sent this many seconds later (default 1)",
    "drop": "an event is never sent",
    "lost_answer": "the event reaches the app, its answer is lost, and the event is sent again",
    "broken_json": "half of the body is sent, signed",
    "duplicate": "an event is sent this many times (default 2)",
    "wrong_signature": "the signature is of another secret",
}
_CHECKS = {"duplicate": number_between(2, 100)}
ANSWER_SECONDS = 5.0
TRIES = 8
RETRY_SECONDS = 0.5


class PersonaWebhook:
    """Events live in memory: what was not sent when the world stops is lost."""

    def __init__(self, clock: VirtualClock, faults: Faults, url: str) -> None:
        faults.register(TARGET, KINDS, _CHECKS)
        self._clock = clock
        self._faults = faults
        self._url = url
        self._client: httpx.AsyncClient | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        # trust_env: a proxy of the machine has no business between the world and a door on localhost.
        self._client = httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False)

    async def stop(self) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def notice(self, inquiry: dict[str, Any]) -> None:
        """An inquiry has another status. The event names it as Persona does, with the papers' fields left out."""
        if self._faults.take(TARGET, "drop"):
            return
        status = inquiry["attributes"]["status"].replace("needs_review", "marked-for-review")
        attributes = {
            "name": f"inquiry.{status}",
            "created-at": self._clock.now().isoformat(),
            "payload": {"data": inquiry},
        }
        event = {"data": {"type": "event", "id": f"evt_{secrets.token_hex(12)}", "attributes": attributes}}
        duplicate = self._faults.take(TARGET, "duplicate")
        for _ in range(1 if duplicate is None else int(duplicate.value or 2)):
            task = asyncio.create_task(self._send(json.dumps(event).encode()))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, body: bytes) -> None:
        if (delay := self._faults.take(TARGET, "delay")) is not None:
            await asyncio.sleep(1 if delay.value is None else delay.value)
        for _ in range(TRIES):
            if await self._post(body):
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _post(self, body: bytes) -> bool:
        """Whether the app has it, as Persona sees it."""
        assert self._client is not None
        if self._faults.take(TARGET, "status", "rate_limit"):
            return False
        if self._faults.take(TARGET, "broken_json"):
            body = body[: len(body) // 2]
        secret = secrets.token_hex(16) if self._faults.take(TARGET, "wrong_signature") else SECRET
        at = int(self._clock.now().timestamp())
        signature = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hex()
        headers = {"Persona-Signature": f"t={at},v1={signature}", "Content-Type": "application/json"}
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            log.info("the webhook did not answer: %s", type(error).__name__)
            return False
        return answer.status_code == httpx.codes.OK and not self._faults.take(TARGET, "lost_answer")
