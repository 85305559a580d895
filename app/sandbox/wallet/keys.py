"""The wallets' keys, kept in a file that only its owner reads."""

import sqlite3
from pathlib import Path

from solders.keypair import Keypair


class Keys:
    """Each wallet's key, and the cluster it was made for."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS wallets (address TEXT PRIMARY KEY, secret BLOB, cluster TEXT NOT NULL)"
        )

    def make(self, cluster: str) -> str:
        """A new wallet; its address."""
        return self.keep(Keypair(), cluster)

    def keep(self, key: Keypair, cluster: str) -> str:
        """A wallet of which the key is given; its address."""
        address = str(key.pubkey())
        keep = "INSERT INTO wallets VALUES (?, ?, ?) ON CONFLICT (address) DO UPDATE SET secret = excluded.secret"
        self._db.execute(keep, (address, bytes(key), cluster))
        return address

    def note(self, address: str, cluster: str) -> None:
        """Remember the cluster on which somebody else's wallet was funded."""
        update = (
            "INSERT INTO wallets VALUES (?, NULL, ?) ON CONFLICT (address) DO UPDATE SET cluster = excluded.cluster"
        )
        self._db.execute(update, (address, cluster))

    def key(self, address: str) -> Keypair | None:
        row = self._db.execute("SELECT secret FROM wallets WHERE address = ?", (address,)).fetchone()
        return Keypair.from_bytes(row[0]) if row and row[0] else None

    def cluster(self, address: str) -> str | None:
        row = self._db.execute("SELECT cluster FROM wallets WHERE address = ?", (address,)).fetchone()
        return row[0] if row else None
