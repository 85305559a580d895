"""Shopify's sender: POSTs sessions to the app's door over mutual TLS, and has the answer judged."""

import asyncio
import json
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store.books import Books, Delivery, write_time
from app.sandbox.store.switches import TARGET

# How long Shopify waits, how often and when it tries again is not documented.
TIMEOUT = 10.0
WAITS = (0.2, 0.5)
LARGEST_ANSWER = 8192


@dataclass(frozen=True)
class Answer:
    """What became of a session: `reason` says why its answer is no good; None: it is.

    `redirect_url` is that of a payment session. `status` is the HTTP status of the last answer, None when none came;
    `text` its body, or the network's complaint.
    """

    redirect_url: str | None
    status: int | None
    text: str
    reason: str | None

    @property
    def is_good(self) -> bool:
        return self.reason is None

    def as_refusal(self) -> dict[str, Any]:
        """`{"status","body","reason"}`; the body parsed when it is JSON."""
        try:
            body = json.loads(self.text)
        except ValueError:
            body = self.text
        return {"status": self.status, "body": body, "reason": self.reason}


@dataclass(frozen=True)
class Parcel:
    """A session to be sent: where on the door, how its answer is judged, and what is done with a good one.

    `accept` is called with the answer and the time, as often as a good one comes.
    """

    id: str
    path: str
    body: str
    headers: dict[str, str]
    judge: Callable[[int, str], Answer]
    accept: Callable[[Answer, str], None]


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
        self._door_url = door_url
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

    async def send(self, parcel: Parcel) -> Answer:
        """Send until the app answers well or the tries are spent."""
        duplicate = self._faults.take(TARGET, "duplicate_session")
        times = int(duplicate.value or 2) if duplicate else 1
        answers = await asyncio.gather(*(self._insist(parcel) for _ in range(times)))
        good = [answer for answer in answers if answer.is_good]
        return good[0] if good else answers[0]

    async def _insist(self, parcel: Parcel) -> Answer:
        limit = self._faults.peek(TARGET, "session_tries")
        waits = self._waits[: int(limit[0].value or 1) - 1] if limit else self._waits
        for wait in waits:
            answer = await self._try(parcel)
            if answer.is_good:
                return answer
            await asyncio.sleep(wait)
        return await self._try(parcel)

    async def _try(self, parcel: Parcel) -> Answer:
        if self._client is None:
            raise RuntimeError("the sender has not been started")
        request_id = str(uuid.uuid4())
        full = {"Shopify-Request-Id": request_id, "Content-Type": "application/json"} | parcel.headers
        patience = self._faults.peek(TARGET, "session_timeout")
        seconds = float(patience[0].value or 2) if patience else self._timeout
        try:
            response = await self._client.post(
                f"{self._door_url}{parcel.path}", content=parcel.body.encode(), headers=full, timeout=seconds
            )
            answer = parcel.judge(response.status_code, response.content.decode(errors="replace"))
        except httpx.HTTPError as error:
            answer = Answer(None, None, f"{type(error).__name__}: {error}", "the app gave no answer")
        if answer.is_good and self._faults.take(TARGET, "drop_session_answer"):
            answer = Answer(None, None, "", "the answer was lost (fault drop_session_answer)")
        at = write_time(self._clock.now())
        self._books.add_delivery(parcel.id, Delivery(request_id, answer.status, answer.text, at))
        if answer.is_good:
            parcel.accept(answer, at)
        return answer


def judge_payment(status: int, text: str) -> Answer:
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


def judge_follow_up(status: int, text: str) -> Answer:
    """Shopify's view of an answer to a refund, capture or void session: 201, and nothing or `{}`."""
    if status != 201:
        return Answer(None, status, text[:LARGEST_ANSWER], f"the app answered {status}, not 201")
    if text.strip() not in ("", "{}"):
        return Answer(None, status, text[:LARGEST_ANSWER], "the answer's body is not empty")
    return Answer(None, status, text, None)
