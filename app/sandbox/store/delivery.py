"""Shopify's sender: POSTs payment sessions to the app's door over mutual TLS, and judges the answer."""

import asyncio
import json
import ssl
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store.books import Books, Delivery, Session, write_time
from app.sandbox.store.switches import TARGET

# How long Shopify waits, how often and when it tries again is not documented.
TIMEOUT = 10.0
WAITS = (0.2, 0.5)
LARGEST_ANSWER = 8192


@dataclass(frozen=True)
class Answer:
    """What became of a session: `redirect_url` of a good answer, or None and in `reason` why not.

    `status` is the HTTP status of the last answer, None when none came; `text` its body, or the network's complaint.
    """

    redirect_url: str | None
    status: int | None
    text: str
    reason: str | None

    def as_refusal(self) -> dict[str, Any]:
        """`{"status","body","reason"}`; the body parsed when it is JSON."""
        try:
            body = json.loads(self.text)
        except ValueError:
            body = self.text
        return {"status": self.status, "body": body, "reason": self.reason}


class Sender:
    """One HTTP client with Shopify's client certificate, made by `start` from the files under `tls_dir`."""

    def __init__(
        self,
        books: Books,
        clock: VirtualClock,
        faults: Faults,
        *,
        door_url: str,
        tls_dir: Path,
        timeout: float = TIMEOUT,
        waits: tuple[float, ...] = WAITS,
    ) -> None:
        self._books = books
        self._clock = clock
        self._faults = faults
        self._url = f"{door_url}/shopify/payment"
        self._tls_dir = tls_dir
        self._timeout = timeout
        self._waits = waits
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Read the certificates. Raises OSError or ssl.SSLError when they are not there or broken."""
        context = ssl.create_default_context(cafile=self._tls_dir / "ca.crt")
        context.load_cert_chain(self._tls_dir / "shopify-client.crt", self._tls_dir / "shopify-client.key")
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
        # trust_env: a proxy of the machine has no business between the store and a door on localhost.
        self._client = httpx.AsyncClient(verify=context, timeout=self._timeout, limits=limits, trust_env=False)

    async def stop(self) -> None:
        if self._client:
            await self._client.aclose()
            self._client = None

    async def send(self, session: Session, body: str, headers: dict[str, str]) -> Answer:
        """Send until the app answers well or the tries are spent; the good answer is written into the books."""
        duplicate = self._faults.take(TARGET, "duplicate_session")
        times = int(duplicate.value or 2) if duplicate else 1
        answers = await asyncio.gather(*(self._insist(session, body, headers) for _ in range(times)))
        good = [answer for answer in answers if answer.redirect_url]
        return good[0] if good else answers[0]

    async def _insist(self, session: Session, body: str, headers: dict[str, str]) -> Answer:
        for wait in self._waits:
            answer = await self._try(session, body, headers)
            if answer.redirect_url:
                return answer
            await asyncio.sleep(wait)
        return await self._try(session, body, headers)

    async def _try(self, session: Session, body: str, headers: dict[str, str]) -> Answer:
        if self._client is None:
            raise RuntimeError("the sender has not been started")
        request_id = str(uuid.uuid4())
        full = {"Shopify-Request-Id": request_id, "Content-Type": "application/json"} | headers
        try:
            response = await self._client.post(self._url, content=body.encode(), headers=full)
            status, text = response.status_code, response.content.decode(errors="replace")
            answer = judge(status, text)
        except httpx.HTTPError as error:
            text = f"{type(error).__name__}: {error}"
            answer = Answer(None, None, text, "the app gave no answer")
        if answer.redirect_url and self._faults.take(TARGET, "drop_session_answer"):
            answer = Answer(None, None, "", "the answer was lost (fault drop_session_answer)")
        at = write_time(self._clock.now())
        self._books.add_delivery(session.id, Delivery(request_id, answer.status, answer.text, at))
        if answer.redirect_url:
            self._accept(session, answer.redirect_url, at)
        return answer

    def _accept(self, session: Session, redirect_url: str, at: str) -> None:
        known = self._books.session(session.id)
        if known and known.redirect_url and known.redirect_url != redirect_url:
            text = f"the app answered the same session first with {known.redirect_url}, then with {redirect_url}"
            self._books.raise_alarm(session.id, text, at)
        self._books.set_answered(session.id, redirect_url)


def judge(status: int, text: str) -> Answer:
    """Shopify's view of an answer: any 2xx whose JSON has a redirect_url, under 8192 bytes in all."""
    if not 200 <= status < 300:
        return Answer(None, status, text, f"the app answered {status}")
    if len(text.encode()) >= LARGEST_ANSWER:
        return Answer(None, status, text[:LARGEST_ANSWER], f"the answer has {LARGEST_ANSWER} bytes or more")
    try:
        message = json.loads(text)
        url = message["redirect_url"]
        parts = urlsplit(url)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Answer(None, status, text, "the answer is no JSON object with a redirect_url")
    if not isinstance(url, str) or parts.scheme not in ("http", "https") or not parts.netloc:
        return Answer(None, status, text, "redirect_url is no address of a web page")
    return Answer(url, status, text, None)
