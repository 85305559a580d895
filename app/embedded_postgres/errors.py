"""What goes wrong with the embedded server."""


class PostgresError(RuntimeError):
    """The embedded PostgreSQL cannot run. The message says why, and what a person can do about it."""
