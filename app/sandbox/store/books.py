"""What the store and Shopify remember: sessions, what was sent and answered, mutations, orders, alarms.

Kept in SQLite; survives kill -9.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, gid TEXT NOT NULL, grp TEXT NOT NULL, session_id TEXT NOT NULL,
    amount TEXT NOT NULL, currency TEXT NOT NULL, test INTEGER NOT NULL, opened_at TEXT NOT NULL,
    headers TEXT NOT NULL,                  -- JSON object, without the request id
    body TEXT NOT NULL,                     -- the JSON sent, byte for byte
    answered INTEGER NOT NULL DEFAULT 0,    -- 1: the app's redirect_url has arrived
    redirect_url TEXT,                      -- the app's, of the first good answer
    state TEXT NOT NULL DEFAULT 'open', reason TEXT, merchant_message TEXT, source TEXT,
    pending_expires_at TEXT, authorization_expires_at TEXT,
    next_url TEXT                           -- where Shopify wants the customer after a mutation
);
CREATE INDEX IF NOT EXISTS sessions_grp ON sessions (grp);
CREATE TABLE IF NOT EXISTS follow_ups (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, gid TEXT NOT NULL, payment TEXT NOT NULL REFERENCES sessions (id),
    amount TEXT,                            -- none for a void
    headers TEXT NOT NULL, body TEXT NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0,    -- 1: the app's 201 has arrived
    state TEXT NOT NULL DEFAULT 'open', reason TEXT, merchant_message TEXT
);
CREATE INDEX IF NOT EXISTS follow_ups_payment ON follow_ups (payment);
CREATE TABLE IF NOT EXISTS mutations (
    n INTEGER PRIMARY KEY, session TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    variables TEXT NOT NULL, answer TEXT NOT NULL,
    applied INTEGER NOT NULL,               -- 1: this one changed the session
    at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS mutations_session ON mutations (session, name);
CREATE UNIQUE INDEX IF NOT EXISTS mutations_applied ON mutations (session, name) WHERE applied = 1;
CREATE TABLE IF NOT EXISTS deliveries (
    n INTEGER PRIMARY KEY, session TEXT NOT NULL, request_id TEXT NOT NULL, status INTEGER, answer TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_session ON deliveries (session);
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, grp TEXT NOT NULL UNIQUE, session TEXT NOT NULL, paid INTEGER NOT NULL, at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS alarms (n INTEGER PRIMARY KEY, session TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS configuration (
    one INTEGER PRIMARY KEY CHECK (one = 1), external_handle TEXT NOT NULL, ready INTEGER NOT NULL, at TEXT NOT NULL
);
"""
_FIRST_ORDER = 1001


@dataclass(frozen=True)
class Session:
    """A payment session as Shopify keeps it. `state` is open, pending, resolved or rejected."""

    id: str
    gid: str
    group: str
    session_id: str
    amount: str
    currency: str
    test: bool
    opened_at: str
    headers: dict[str, str]
    body: str
    answered: bool
    redirect_url: str | None
    state: str
    reason: str | None
    merchant_message: str | None
    source: str | None
    pending_expires_at: str | None
    authorization_expires_at: str | None
    next_url: str | None


@dataclass(frozen=True)
class FollowUp:
    """A refund, capture or void session of a payment session. `kind` is that word; `state` open, resolved, rejected."""

    id: str
    kind: str
    gid: str
    payment: str
    amount: str | None
    headers: dict[str, str]
    body: str
    answered: bool
    state: str
    reason: str | None
    merchant_message: str | None


@dataclass(frozen=True)
class Mutation:
    """A mutation as received: its arguments, the whole payload of the answer, and whether it changed the session."""

    name: str
    version: str
    variables: dict[str, Any]
    answer: dict[str, Any]
    applied: bool
    at: str


@dataclass(frozen=True)
class Delivery:
    """One POST of a session to the app. `status` is None when no answer came; `answer` says why."""

    request_id: str
    status: int | None
    answer: str
    at: str


@dataclass(frozen=True)
class Order:
    """The order of a group; `paid` is False while its payment is pending."""

    number: int
    group: str
    session: str
    paid: bool


def write_time(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, as in 2026-11-20T19:00:00.123Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Books:
    """The tables. Every method is one statement or one transaction; used from one event loop."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # Only the death of the process matters here, not that of the machine.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing for the calls within."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # sessions

    def add_session(self, session: Session) -> None:
        self._db.execute(
            "INSERT INTO sessions (id, gid, grp, session_id, amount, currency, test, opened_at, headers, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                session.id,
                session.gid,
                session.group,
                session.session_id,
                session.amount,
                session.currency,
                session.test,
                session.opened_at,
                json.dumps(session.headers),
                session.body,
            ),
        )

    def session(self, session_id: str) -> Session | None:
        row = self._db.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone()
        return _session(row) if row else None

    def sessions(self) -> list[Session]:
        """All, oldest first."""
        return [_session(row) for row in self._db.execute("SELECT * FROM sessions ORDER BY rowid")]

    def sessions_of_group(self, group: str) -> list[Session]:
        return [_session(r) for r in self._db.execute("SELECT * FROM sessions WHERE grp = ? ORDER BY rowid", (group,))]

    def set_answered(self, session: str, redirect_url: str) -> None:
        """The app has answered the session; the first redirect_url stays."""
        self._db.execute(
            "UPDATE sessions SET answered = 1, redirect_url = coalesce(redirect_url, ?) WHERE id = ?",
            (redirect_url, session),
        )

    def set_state(self, session: Session) -> None:
        """Keep state, reason, message, source, expiries and next URL of the session given."""
        self._db.execute(
            "UPDATE sessions SET state = ?, reason = ?, merchant_message = ?, source = ?, pending_expires_at = ?,"
            " authorization_expires_at = ?, next_url = ? WHERE id = ?",
            (
                session.state,
                session.reason,
                session.merchant_message,
                session.source,
                session.pending_expires_at,
                session.authorization_expires_at,
                session.next_url,
                session.id,
            ),
        )

    # what follows a payment

    def add_follow_up(self, follow_up: FollowUp) -> None:
        self._db.execute(
            "INSERT INTO follow_ups (id, kind, gid, payment, amount, headers, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                follow_up.id,
                follow_up.kind,
                follow_up.gid,
                follow_up.payment,
                follow_up.amount,
                json.dumps(follow_up.headers),
                follow_up.body,
            ),
        )

    def follow_up(self, kind: str, follow_up_id: str) -> FollowUp | None:
        row = self._db.execute("SELECT * FROM follow_ups WHERE kind = ? AND id = ?", (kind, follow_up_id)).fetchone()
        return _follow_up(row) if row else None

    def follow_ups(self, payment: str, kind: str) -> list[FollowUp]:
        """Those of a payment session, oldest first."""
        rows = self._db.execute(
            "SELECT * FROM follow_ups WHERE payment = ? AND kind = ? ORDER BY rowid", (payment, kind)
        )
        return [_follow_up(row) for row in rows]

    def set_follow_up_answered(self, follow_up_id: str) -> None:
        self._db.execute("UPDATE follow_ups SET answered = 1 WHERE id = ?", (follow_up_id,))

    def set_follow_up_state(self, follow_up: FollowUp) -> None:
        """Keep state, reason and message of the one given."""
        self._db.execute(
            "UPDATE follow_ups SET state = ?, reason = ?, merchant_message = ? WHERE id = ?",
            (follow_up.state, follow_up.reason, follow_up.merchant_message, follow_up.id),
        )

    # what came and went

    def add_mutation(self, session: str, mutation: Mutation) -> None:
        self._db.execute(
            "INSERT INTO mutations (session, name, version, variables, answer, applied, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                session,
                mutation.name,
                mutation.version,
                json.dumps(mutation.variables),
                json.dumps(mutation.answer),
                mutation.applied,
                mutation.at,
            ),
        )

    def mutations(self, session: str) -> list[Mutation]:
        """In the order of arrival."""
        rows = self._db.execute("SELECT * FROM mutations WHERE session = ? ORDER BY n", (session,))
        return [_mutation(row) for row in rows]

    def applied_mutation(self, session: str, name: str) -> Mutation | None:
        row = self._db.execute(
            "SELECT * FROM mutations WHERE session = ? AND name = ? AND applied = 1", (session, name)
        ).fetchone()
        return _mutation(row) if row else None

    def add_delivery(self, session: str, delivery: Delivery) -> None:
        self._db.execute(
            "INSERT INTO deliveries (session, request_id, status, answer, at) VALUES (?, ?, ?, ?, ?)",
            (session, delivery.request_id, delivery.status, delivery.answer, delivery.at),
        )

    def deliveries(self, session: str) -> list[Delivery]:
        rows = self._db.execute("SELECT * FROM deliveries WHERE session = ? ORDER BY n", (session,))
        return [Delivery(row["request_id"], row["status"], row["answer"], row["at"]) for row in rows]

    # orders, alarms, configuration

    def place_order(self, session: Session, paid: bool, at: str) -> None:
        """The group's order: made when there is none, marked paid when it was not."""
        self._db.execute(
            "INSERT INTO orders (number, grp, session, paid, at)"
            " VALUES ((SELECT coalesce(max(number) + 1, ?) FROM orders), ?, ?, ?, ?)"
            " ON CONFLICT (grp) DO UPDATE SET paid = max(paid, excluded.paid),"
            " session = CASE WHEN orders.paid THEN orders.session ELSE excluded.session END",
            (_FIRST_ORDER, session.group, session.id, paid, at),
        )

    def order(self, group: str) -> Order | None:
        row = self._db.execute("SELECT * FROM orders WHERE grp = ?", (group,)).fetchone()
        return Order(row["number"], row["grp"], row["session"], bool(row["paid"])) if row else None

    def raise_alarm(self, session: str, text: str, at: str) -> None:
        self._db.execute("INSERT INTO alarms (session, text, at) VALUES (?, ?, ?)", (session, text, at))

    def alarms(self, session: str) -> list[str]:
        return [
            row["text"] for row in self._db.execute("SELECT text FROM alarms WHERE session = ? ORDER BY n", (session,))
        ]

    def configure(self, external_handle: str, ready: bool, at: str) -> None:
        self._db.execute(
            "INSERT INTO configuration (one, external_handle, ready, at) VALUES (1, ?, ?, ?)"
            " ON CONFLICT (one) DO UPDATE SET external_handle = excluded.external_handle, ready = excluded.ready,"
            " at = excluded.at",
            (external_handle, ready, at),
        )

    def configuration(self) -> tuple[str, bool] | None:
        """External handle and readiness of the app, None before it was configured."""
        row = self._db.execute("SELECT * FROM configuration").fetchone()
        return (row["external_handle"], bool(row["ready"])) if row else None


def _session(row: sqlite3.Row) -> Session:
    values = dict(row)
    values["group"] = values.pop("grp")
    values["headers"] = json.loads(values["headers"])
    values["test"] = bool(values["test"])
    values["answered"] = bool(values["answered"])
    return Session(**values)


def _follow_up(row: sqlite3.Row) -> FollowUp:
    values = dict(row)
    values["headers"] = json.loads(values["headers"])
    values["answered"] = bool(values["answered"])
    return FollowUp(**values)


def _mutation(row: sqlite3.Row) -> Mutation:
    return Mutation(
        row["name"],
        row["version"],
        json.loads(row["variables"]),
        json.loads(row["answer"]),
        bool(row["applied"]),
        row["at"],
    )
