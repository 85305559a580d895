"""A real PostgreSQL server as a child of this process, for laptops, the sandbox and the tests.

Standard library only. docs/decisions/0001-embedded-postgresql.md says why it is built as it is.
"""

from app.embedded_postgres.errors import PostgresError
from app.embedded_postgres.place import discard
from app.embedded_postgres.supervisor import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "PostgresError", "discard"]
