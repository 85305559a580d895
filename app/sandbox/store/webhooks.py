"""Shopify's webhooks: signed, delivered at least once, tried again for four hours, kept over restarts."""

import asyncio
import base64
import hashlib
import hmac
import json
import sqlite3
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.state import open_state
from app.sandbox.store.books import write_time
from app.sandbox.store.oauth import App
from app.sandbox.store.switches import TARGET

CONNECT_SECONDS = 1.0
TOTAL_SECONDS = 5.0
# Eight more tries within four hours; how they are spaced is not documented.
WAITS = (10, 30, 60, 300, 900, 1_800, 3_600, 7_200)
# How often what is due is looked for.
LOOK_SECONDS = 0.1

_TABLES = """
CREATE TABLE IF NOT EXISTS webhooks (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL, event_id TEXT NOT NULL, shop TEXT NOT NULL, topic TEXT NOT NULL,
    body TEXT NOT NULL, triggered_at TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',  -- waiting, delivered, failed
    due REAL NOT NULL,                      -- the next try, in virtual time
    attempts INTEGER NOT NULL DEFAULT 0     -- duplicates count once
);
CREATE TABLE IF NOT EXISTS webhook_tries (
    n INTEGER PRIMARY KEY, webhook INTEGER NOT NULL, status INTEGER, answer TEXT NOT NULL, at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS webhook_tries_webhook ON webhook_tries (webhook);
"""


class Webhooks:
    """Sends what is due, in virtual time. Start it, and stop it."""

    def __init__(self, path: Path, app: App, clock: VirtualClock, faults: Faults, api_version: str) -> None:
        self._db = open_state(path, _TABLES)
        self._db.row_factory = sqlite3.Row
        self._app = app
        self._clock = clock
        self._faults = faults
        self._api_version = api_version
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None
        clock.listeners.append(lambda _seconds: self._wake.set())

    async def start(self) -> None:
        timeout = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
        self._db.close()

    def send(
        self,
        shop: str,
        topic: str,
        payload: Any,
        *,
        webhook_id: str | None = None,
        triggered_at: datetime | None = None,
        after_seconds: float = 0,
    ) -> int:
        """Put a webhook on its way, now or later; returns our number of it."""
        now = self._clock.now()
        cursor = self._db.execute(
            "INSERT INTO webhooks (id, event_id, shop, topic, body, triggered_at, due) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                webhook_id or str(uuid.uuid4()),
                str(uuid.uuid4()),
                shop,
                topic,
                json.dumps(payload, ensure_ascii=False),
                write_time(triggered_at or now),
                now.timestamp() + after_seconds,
            ),
        )
        self._wake.set()
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def describe(self, number: int | None = None) -> list[dict[str, Any]]:
        """Webhooks, oldest first, with their tries."""
        rows = self._db.execute("SELECT * FROM webhooks WHERE ?1 IS NULL OR n = ?1 ORDER BY n", (number,)).fetchall()
        return [
            {
                "number": row["n"],
                "webhook_id": row["id"],
                "shop": row["shop"],
                "topic": row["topic"],
                "payload": json.loads(row["body"]),
                "triggered_at": row["triggered_at"],
                "state": row["state"],
                "due_at": write_time(datetime.fromtimestamp(row["due"], UTC)),
                "tries": [
                    {"status": tried["status"], "answer": tried["answer"], "at": tried["at"]}
                    for tried in self._db.execute(
                        "SELECT * FROM webhook_tries WHERE webhook = ? ORDER BY n", (row["n"],)
                    )
                ],
            }
            for row in rows
        ]

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            await self._send_due()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)

    async def _send_due(self) -> None:
        rows = self._db.execute(
            "SELECT * FROM webhooks WHERE state = 'waiting' AND due <= ? ORDER BY due, n",
            (self._clock.now().timestamp(),),
        ).fetchall()
        if len(rows) == 1 and self._faults.peek(TARGET, "webhook_reorder"):
            return
        if len(rows) > 1 and self._faults.take(TARGET, "webhook_reorder"):
            rows.reverse()
        for row in rows:
            await self._deliver(row)

    async def _deliver(self, row: sqlite3.Row) -> None:
        duplicate = self._faults.take(TARGET, "duplicate_webhook")
        times = int(duplicate.value or 2) if duplicate else 1
        headers = self._headers(row)
        answers = await asyncio.gather(*(self._post(row, headers) for _ in range(times)))
        lost = self._faults.take(TARGET, "drop_webhook_answer") is not None
        for status, text in answers:
            self._db.execute(
                "INSERT INTO webhook_tries (webhook, status, answer, at) VALUES (?, ?, ?, ?)",
                (row["n"], status, "the answer was lost" if lost else text[:500], write_time(self._clock.now())),
            )
        if not lost and any(status is not None and 200 <= status < 300 for status, _ in answers):
            self._close(row, "delivered")
            return
        if row["attempts"] == len(WAITS):
            self._close(row, "failed")
            return
        due = self._clock.now().timestamp() + WAITS[row["attempts"]]
        self._db.execute("UPDATE webhooks SET due = ?, attempts = attempts + 1 WHERE n = ?", (due, row["n"]))

    def _headers(self, row: sqlite3.Row) -> dict[str, str]:
        secret = "another" if self._faults.take(TARGET, "webhook_wrong_hmac") else self._app.client_secret
        digest = hmac.digest(secret.encode(), row["body"].encode(), hashlib.sha256)
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": row["topic"],
            "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
            "X-Shopify-Shop-Domain": row["shop"],
            "X-Shopify-API-Version": self._api_version,
            "X-Shopify-Webhook-Id": row["id"],
            "X-Shopify-Triggered-At": row["triggered_at"],
            "X-Shopify-Event-Id": row["event_id"],
        }
        if self._faults.take(TARGET, "webhook_no_hmac"):
            del headers["X-Shopify-Hmac-Sha256"]
        return headers

    async def _post(self, row: sqlite3.Row, headers: dict[str, str]) -> tuple[int | None, str]:
        assert self._client is not None
        url = f"{self._app.url}/webhooks/shopify/{row['topic']}"
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                response = await self._client.post(url, content=row["body"].encode(), headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            return None, type(error).__name__
        return response.status_code, response.text

    def _close(self, row: sqlite3.Row, state: str) -> None:
        self._db.execute("UPDATE webhooks SET state = ? WHERE n = ?", (state, row["n"]))
