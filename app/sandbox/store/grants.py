"""What Shopify remembers of the app's access: where it is installed, codes, and tokens.

An installed shop has at most one access token that ends: a new one revokes the one before. The refresh token before the
last works until the last was used, so an answer that got lost can be asked for again.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from app.sandbox.clock import VirtualClock
from app.sandbox.state import open_state

TOKEN_SECONDS = 3_600
REFRESH_SECONDS = 90 * 86_400
CODE_SECONDS = 300

_TABLES = """
CREATE TABLE IF NOT EXISTS installs (shop TEXT PRIMARY KEY, installed INTEGER NOT NULL, scopes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS codes (
    code TEXT PRIMARY KEY, shop TEXT NOT NULL, scopes TEXT NOT NULL, ends REAL NOT NULL, used INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS tokens (
    n INTEGER PRIMARY KEY, shop TEXT NOT NULL, access TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL,
    ends REAL,                              -- NULL: never
    refresh TEXT UNIQUE, refresh_ends REAL,
    made_from INTEGER,                      -- the token whose refresh, or whose exchange, made this one
    revoked INTEGER NOT NULL DEFAULT 0,     -- the access token
    spent INTEGER NOT NULL DEFAULT 0        -- the refresh token
);
"""


class Refused(Exception):
    """A code or token that is no good; the text says why."""


@dataclass(frozen=True)
class Pair:
    """Tokens as granted. One that never ends has no refresh token."""

    access: str
    scopes: str
    refresh: str | None


class Grants:
    """The tables. Every method is called from one event loop, and leaves them whole."""

    def __init__(self, path: Path, clock: VirtualClock) -> None:
        self._db = open_state(path, _TABLES)
        self._db.row_factory = sqlite3.Row
        self._clock = clock

    def close(self) -> None:
        self._db.close()

    def seed(self, shop: str, access: str, scopes: str) -> None:
        """Installed before this world began, with a token that never ends; nothing when the shop is known."""
        if self.knows(shop):
            return
        self._db.execute("INSERT INTO installs (shop, installed, scopes) VALUES (?, 1, ?)", (shop, scopes))
        self._db.execute("INSERT INTO tokens (shop, access, scopes) VALUES (?, ?, ?)", (shop, access, scopes))

    def knows(self, shop: str) -> bool:
        """Whether the shop has, or once had, the app."""
        return self._db.execute("SELECT 1 FROM installs WHERE shop = ?", (shop,)).fetchone() is not None

    def is_installed(self, shop: str) -> bool:
        row = self._db.execute("SELECT installed FROM installs WHERE shop = ?", (shop,)).fetchone()
        return bool(row and row["installed"])

    def given(self, shop: str) -> int:
        """How many access tokens the app was ever given for the shop."""
        count: int = self._db.execute("SELECT count(*) FROM tokens WHERE shop = ?", (shop,)).fetchone()[0]
        return count

    def scopes_of(self, shop: str, access: str) -> frozenset[str] | None:
        """What an access token may do, or None when it is no good (any more). Its first use ends what was before it."""
        row = self._db.execute(
            "SELECT * FROM tokens WHERE shop = ? AND access = ? AND NOT revoked AND (ends IS NULL OR ends > ?)",
            (shop, access, self._now()),
        ).fetchone()
        if row is None:
            return None
        if row["made_from"] is not None:
            # A token that never ended, and was exchanged for this one.
            self._db.execute(
                "UPDATE tokens SET revoked = 1 WHERE n = ? AND ends IS NULL AND NOT revoked", (row["made_from"],)
            )
        return frozenset(row["scopes"].split(","))

    def consent(self, shop: str, scopes: str) -> str:
        """The merchant lets the app in: a code that is good once, for a while."""
        code = secrets.token_hex(16)
        ends = self._now() + CODE_SECONDS
        self._db.execute("INSERT INTO codes (code, shop, scopes, ends) VALUES (?, ?, ?, ?)", (code, shop, scopes, ends))
        return code

    def use_code(self, shop: str, code: str, *, expiring: bool) -> Pair:
        """Raises Refused."""
        row = self._db.execute(
            "UPDATE codes SET used = 1 WHERE code = ? AND shop = ? AND NOT used AND ends > ? RETURNING scopes",
            (code, shop, self._now()),
        ).fetchone()
        if row is None:
            raise Refused("The code is unknown, has ended or was used already")
        self._db.execute(
            "INSERT INTO installs (shop, installed, scopes) VALUES (?, 1, ?)"
            " ON CONFLICT (shop) DO UPDATE SET installed = 1, scopes = excluded.scopes",
            (shop, row["scopes"]),
        )
        if expiring:
            # The merchant's own consent: nothing of before is needed any more.
            self._db.execute("UPDATE tokens SET spent = 1 WHERE shop = ?", (shop,))
        return self._issue(shop, row["scopes"], None, expiring=expiring)

    def refresh(self, shop: str, refresh: str) -> Pair:
        """Raises Refused."""
        row = self._db.execute(
            "SELECT * FROM tokens WHERE shop = ? AND refresh = ? AND NOT spent AND refresh_ends > ?",
            (shop, refresh, self._now()),
        ).fetchone()
        if row is None:
            raise Refused("The refresh token is unknown, has ended or was used already")
        # It is used: so the one before it has done its duty.
        self._db.execute("UPDATE tokens SET spent = 1 WHERE n = ?", (row["made_from"],))
        # Of those it made before, whose answers got lost, none counts any more.
        self._db.execute("UPDATE tokens SET spent = 1 WHERE made_from = ?", (row["n"],))
        return self._issue(shop, row["scopes"], row["n"], expiring=True)

    def exchange(self, shop: str, access: str, *, revoke: bool) -> Pair:
        """A token that ends for one that does not, which stays good until the new one is used, or not with `revoke`.

        Raises Refused.
        """
        row = self._db.execute(
            "SELECT * FROM tokens WHERE shop = ? AND access = ? AND ends IS NULL AND NOT revoked", (shop, access)
        ).fetchone()
        if row is None:
            raise Refused("The subject token is unknown, ends, or was exchanged already")
        if revoke:
            self._db.execute("UPDATE tokens SET revoked = 1 WHERE n = ?", (row["n"],))
        return self._issue(shop, row["scopes"], row["n"], expiring=True)

    def uninstall(self, shop: str) -> None:
        """The app is out: every token is dead."""
        self._db.execute("UPDATE installs SET installed = 0 WHERE shop = ?", (shop,))
        self._db.execute("UPDATE tokens SET revoked = 1, spent = 1 WHERE shop = ?", (shop,))
        self._db.execute("UPDATE codes SET used = 1 WHERE shop = ?", (shop,))

    def revoke_access(self, shop: str) -> None:
        """Every access token is dead, refresh tokens are not: as when Shopify lost patience with one."""
        self._db.execute("UPDATE tokens SET revoked = 1 WHERE shop = ?", (shop,))

    def _issue(self, shop: str, scopes: str, made_from: int | None, *, expiring: bool) -> Pair:
        access = f"shpat_{secrets.token_hex(16)}"
        if not expiring:
            self._db.execute("INSERT INTO tokens (shop, access, scopes) VALUES (?, ?, ?)", (shop, access, scopes))
            return Pair(access, scopes, None)
        refresh, now = f"shprt_{secrets.token_hex(16)}", self._now()
        self._db.execute("UPDATE tokens SET revoked = 1 WHERE shop = ? AND ends IS NOT NULL", (shop,))
        self._db.execute(
            "INSERT INTO tokens (shop, access, scopes, ends, refresh, refresh_ends, made_from)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (shop, access, scopes, now + TOKEN_SECONDS, refresh, now + REFRESH_SECONDS, made_from),
        )
        return Pair(access, scopes, refresh)

    def _now(self) -> float:
        return self._clock.now().timestamp()
