"""Where a part of the world keeps its state."""

import sqlite3
from pathlib import Path


def open_state(path: Path, tables: str) -> sqlite3.Connection:
    """A SQLite database with these tables, made when missing; every statement is a transaction of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    # Only the death of the process matters here, not that of the machine.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(tables)
    return database
