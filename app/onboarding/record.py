"""The onboarding's row: made when it is first needed, and locked by whoever changes it."""

from datetime import datetime

from app.database import Connection
from app.records import Onboarding

_TOUCH = """
INSERT INTO onboardings (merchant_id, identity, created_at, updated_at) VALUES ($1, 'unstarted', $2, $2)
ON CONFLICT (merchant_id) DO UPDATE SET updated_at = EXCLUDED.updated_at RETURNING *
"""


async def touch(connection: Connection, merchant_id: int, *, at: datetime) -> Onboarding:
    """The merchant's onboarding as it is, about to be changed in this transaction."""
    row = await connection.fetchrow(_TOUCH, merchant_id, at)
    assert row is not None
    return Onboarding.from_row(row)


async def read(connection: Connection, merchant_id: int) -> Onboarding | None:
    """None: the merchant has not begun."""
    row = await connection.fetchrow("SELECT * FROM onboardings WHERE merchant_id = $1", merchant_id)
    return None if row is None else Onboarding.from_row(row)
