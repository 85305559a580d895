"""Settings of the database."""

from dataclasses import dataclass
from typing import Annotated

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Database:
    """The database."""

    database_url: Annotated[
        str, about("PostgreSQL, as asyncpg reads it: postgresql://user:password@host/db", secret=True)
    ]
    database_pool_size: Annotated[int, about("Connections of one process.", ge=2, le=200)] = 16
    database_timeout_seconds: Annotated[int, about("Longest a statement may take.", ge=1, le=600)] = 15
