"""The intake: payment sessions that arrive at the same time are opened by one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from app import events
from app.batching import Batching
from app.records import Cluster, Payment

# The group's row is touched first: whoever decides the group's winner holds its lock, so a session is either superseded
# by that winner or born superseded, never missed. The merchant is checked again because the process may remember an old
# one. Rows are taken in one order, so that two processes do not wait for each other.
_OPEN = """
WITH asked AS (
    SELECT a.* FROM jsonb_to_recordset($1) AS a(
        merchant_id bigint, merchant_wallet text, group_key text, cluster cluster, base text, seed text, address text,
        id text, shopify_id text, gid text, api_version text, amount numeric, currency text, usdc bigint, rate numeric,
        rate_source text, rate_at timestamptz, quote_expires_at timestamptz, destination text, mint text, memo text,
        reference text, cancel_url text, locale text, proposed_at timestamptz, expires_at timestamptz, now timestamptz,
        email_digest text, phone_digest text
    )
), known AS (
    SELECT p.*, false AS created FROM payments p WHERE p.shopify_id IN (SELECT shopify_id FROM asked)
), fresh AS (
    SELECT a.* FROM asked a
    JOIN merchants m ON m.id = a.merchant_id AND m.status = 'active' AND m.wallet = a.merchant_wallet
    WHERE a.shopify_id NOT IN (SELECT shopify_id FROM known)
), grouped AS (
    INSERT INTO payment_groups (merchant_id, group_key, cluster, base, seed, version, address, created_at)
    SELECT merchant_id, group_key, cluster, base, seed, 1, address, now FROM fresh ORDER BY merchant_id, group_key
    ON CONFLICT (merchant_id, group_key, cluster) DO UPDATE SET group_key = EXCLUDED.group_key
    RETURNING id AS group_id, merchant_id, group_key, cluster, winner_id
), opened AS (
    INSERT INTO payments (id, shopify_id, gid, merchant_id, group_id, cluster, api_version, amount, currency, status,
        exception, usdc, rate, rate_source, rate_at, quote_expires_at, merchant_wallet, destination, mint, memo,
        reference, cancel_url, locale, proposed_at, expires_at, created_at, updated_at, email_digest, phone_digest)
    SELECT id, shopify_id, gid, merchant_id, group_id, cluster, api_version, amount, currency,
        CASE WHEN winner_id IS NULL THEN 'pending'::payment_status ELSE 'superseded'::payment_status END,
        'none', usdc, rate, rate_source, rate_at, quote_expires_at, merchant_wallet, destination, mint, memo,
        reference, cancel_url, locale, proposed_at, expires_at, now, now, email_digest, phone_digest
    FROM fresh JOIN grouped USING (merchant_id, group_key, cluster) ORDER BY shopify_id
    -- Known to nobody when this statement began, but opened by another process since.
    ON CONFLICT (shopify_id) DO UPDATE SET shopify_id = EXCLUDED.shopify_id
    RETURNING *, (xmax = 0) AS created
), noted AS (
    INSERT INTO events (record, record_id, kind, to_status, detail, at)
    SELECT 'payment', id, $2, status::text, jsonb_build_object('amount', trim_scale(amount)::text, 'currency', currency,
        'usdc', usdc), created_at
    FROM opened WHERE created
)
SELECT * FROM opened UNION ALL SELECT * FROM known
"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A payment to be opened, unless its `shopify_id` exists, with what its group would be pinned to."""

    merchant_id: int
    merchant_wallet: str
    group_key: str
    cluster: Cluster
    base: str
    seed: str
    address: str
    id: str
    shopify_id: str
    gid: str
    api_version: str
    amount: Decimal
    currency: str
    usdc: int | None
    rate: Decimal | None
    rate_source: str | None
    rate_at: datetime | None
    quote_expires_at: datetime | None
    destination: str
    mint: str
    memo: str
    reference: str
    cancel_url: str
    locale: str | None
    proposed_at: datetime | None
    expires_at: datetime
    now: datetime
    email_digest: str | None
    phone_digest: str | None


@dataclass(frozen=True)
class Opened:
    """The payment of a session, and whether this request made it."""

    payment: Payment
    created: bool


class Intake(Batching[Asked, Opened]):
    """Opens payments. None instead of one: the merchant is not (any more) as asked."""

    def _key(self, asked: Asked) -> str:
        return asked.shopify_id

    def _marks(self, asked: Asked) -> set[tuple[object, ...]]:
        # One statement may touch no session and no group twice.
        return {(asked.shopify_id,), (asked.merchant_id, asked.group_key, asked.cluster)}

    async def _make(self, batch: Sequence[Asked]) -> dict[str, Opened]:
        async with self._database.acquire() as connection:
            rows = await connection.fetch(_OPEN, batch, events.CREATED)
        return {row["shopify_id"]: Opened(Payment.from_row(row), row["created"]) for row in rows}
