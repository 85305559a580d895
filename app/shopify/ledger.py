"""Our ledger of mutations: what we told Shopify, word for word, and every answer. There is no other way to know."""

from datetime import datetime
from typing import Any

from app import metrics
from app.database import Connection
from app.records import Merchant, RecordKind, ShopifyMutation
from app.shopify.client import MUTATIONS, Answer

# Counted from zero, or the first failure would be no increase.
for _name in MUTATIONS:
    for _outcome in ("acknowledged", "retry", "conflict", "refused"):
        metrics.shopify_calls_total.labels(mutation=_name, outcome=_outcome)

# It decides nothing: a session that is pending may still be resolved or rejected.
PENDING = "paymentSessionPending"

_FIX = """
INSERT INTO shopify_mutations (record, record_id, name, variables, api_version, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (record, record_id, name) DO UPDATE SET name = EXCLUDED.name RETURNING *
"""

_OTHERS = """
SELECT EXISTS (SELECT FROM shopify_mutations WHERE record = $1 AND record_id = $2 AND name <> $3 AND name <> $4)
"""

_IN_DOUBT = """
SELECT EXISTS (SELECT FROM shopify_calls WHERE mutation_id = $1 AND outcome = 'retry'
    AND (http_status IS NULL OR http_status = 200 OR http_status >= 500))
"""

_NOTE = """
INSERT INTO shopify_calls (mutation_id, attempt, http_status, shopify_request_id, outcome, answer, started_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def fix_mutation(
    connection: Connection,
    record: RecordKind,
    record_id: str,
    name: str,
    variables: dict[str, Any],
    api_version: str,
    *,
    at: datetime,
) -> ShopifyMutation:
    """Store a mutation at its first attempt; later attempts get what was stored then, whatever they ask for."""
    row = await connection.fetchrow(_FIX, record, record_id, name, variables, api_version, at)
    assert row is not None
    return ShopifyMutation.from_row(row)


async def other_mutation_exists(connection: Connection, mutation: ShopifyMutation) -> bool:
    """Whether we ever sent Shopify a mutation of another name for the same record; pending does not count."""
    found: bool = await connection.fetchval(_OTHERS, mutation.record, mutation.record_id, mutation.name, PENDING)
    return found


async def may_have_been_done(connection: Connection, mutation: ShopifyMutation) -> bool:
    """Whether the answer to some try was lost or told of a fault on the way: Shopify may have done it all the same."""
    found: bool = await connection.fetchval(_IN_DOUBT, mutation.id)
    return found


async def note_call(
    connection: Connection,
    mutation: ShopifyMutation,
    attempt: int,
    answer: Answer,
    outcome: str,
    *,
    started_at: datetime,
    ended_at: datetime,
    kept_bytes: int,
) -> None:
    """Keep one call and the beginning of its answer. PostgreSQL's text holds no NUL, so those are dropped."""
    text = answer.body[:kept_bytes].decode(errors="replace").replace("\x00", "")
    await connection.execute(
        _NOTE, mutation.id, attempt, answer.status, answer.request_id, outcome, text, started_at, ended_at
    )
    metrics.shopify_calls_total.labels(mutation=mutation.name, outcome=outcome).inc()


async def acknowledge(connection: Connection, mutation: ShopifyMutation, *, at: datetime) -> None:
    """Shopify has done what the mutation asks for."""
    await connection.execute(
        "UPDATE shopify_mutations SET acknowledged_at = $2 WHERE id = $1 AND acknowledged_at IS NULL", mutation.id, at
    )


async def dispute(connection: Connection, mutation: ShopifyMutation, *, at: datetime) -> bool:
    """Shopify contradicts our ledger. False: that was known."""
    return (
        await connection.fetchval(
            "UPDATE shopify_mutations SET disputed_at = $2 WHERE id = $1 AND disputed_at IS NULL RETURNING id",
            mutation.id,
            at,
        )
        is not None
    )


async def keep_quiet(connection: Connection, merchant: Merchant, *, until: datetime) -> None:
    """The shop wants no call before then. It is stored, so that every process and every job of the shop obeys."""
    await connection.execute(
        "UPDATE merchants SET shopify_wait_until = greatest(shopify_wait_until, $2) WHERE id = $1", merchant.id, until
    )
