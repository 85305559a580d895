"""Erasing what may tell of a person, and nothing else: amounts, times, statuses and signatures stay as they are.

Which columns those are stands in prisma/schema.prisma (`@personal`), and the database refuses every other change made
here. Where a column must hold an address, the address of nobody stands in its place.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from app.database import Connection, Database
from app.inbox import remove_payloads
from app.privacy.nobody import NOBODY

# Of an event's detail, what tells of no person. Whatever else stands there goes.
HARMLESS_DETAILS = (
    "amount", "because", "by", "categories", "code", "currency", "error", "exception", "fate", "final", "from_version",
    "last_valid_block_height", "mutation", "payment", "payment_id", "reason", "refund", "refusal", "signature", "test",
    "to_version", "untold", "usdc", "version", "winner",
)  # fmt: skip

# Says to the database that the rest of the transaction erases.
ERASING = "SELECT set_config('settle.erasing', 'on', true)"

_PAYMENTS = """
UPDATE payments SET cancel_url = '', locale = NULL, redirect_url = NULL, email_digest = NULL, phone_digest = NULL,
    refused_at = NULL, refusal = NULL,
    paid_wallet = CASE WHEN paid_wallet IS NOT NULL THEN $2 END
WHERE id = ANY($1)
"""
_ISSUED = """
UPDATE issued_transactions SET wallet = $2, message = '', network_address = NULL WHERE payment_id = ANY($1) AND final
"""
# The wallet of these is the merchant's, but their messages name the customer's.
_REFUNDED = """
UPDATE issued_transactions SET message = '', network_address = NULL
WHERE refund_id IN (SELECT id FROM refunds WHERE payment_id = ANY($1)) AND final
"""
_REFUNDS = """
UPDATE refunds SET payee_wallet = $2, destination = $2,
    merchant_message = CASE WHEN merchant_message IS NOT NULL THEN '' END
WHERE payment_id = ANY($1)
"""
_RECORDS = """
SELECT 'payment'::record_kind AS record, id FROM payments WHERE id = ANY($1)
UNION ALL SELECT 'refund'::record_kind, id FROM refunds WHERE payment_id = ANY($1)
"""
_EVENTS = f"""
UPDATE events SET detail = (
    SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(detail) WHERE key = ANY($2)
)
WHERE (record, record_id) IN (SELECT record, id FROM ({_RECORDS}) about)
"""  # noqa: S608  # constants of ours
_MUTATIONS = f"""
UPDATE shopify_mutations SET variables = '{{}}'
WHERE variables ? 'reason' AND (record, record_id) IN (SELECT record, id FROM ({_RECORDS}) about)
"""  # noqa: S608
_CALLS = f"""
UPDATE shopify_calls SET answer = '' WHERE mutation_id IN (
    SELECT m.id FROM shopify_mutations m WHERE (m.record, m.record_id) IN (SELECT record, id FROM ({_RECORDS}) about)
)
"""  # noqa: S608

_SHOPS_PAYMENTS = "UPDATE payments SET merchant_wallet = $2, destination = $2 WHERE id = ANY($1)"
_SHOPS_REFUNDS = """
UPDATE refunds SET paid_wallet = CASE WHEN paid_wallet IS NOT NULL THEN $2 END WHERE payment_id = ANY($1)
"""
_SHOPS_ISSUED = """
UPDATE issued_transactions SET wallet = $2
WHERE refund_id IN (SELECT id FROM refunds WHERE payment_id = ANY($1)) AND final
"""
_SHOP = """
UPDATE merchants SET shop = $2, display_name = 'Erased shop', wallet = NULL, support_url = NULL,
    customer_key_sealed = NULL, token_sealed = NULL, refresh_sealed = NULL, updated_at = $3
WHERE id = $1
"""
_SHOPS_EVENTS = """
UPDATE events SET detail = (
    SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(detail) WHERE key = ANY($2)
)
WHERE record = 'merchant' AND record_id = $1
"""
_SHOPS_ONBOARDING = "UPDATE onboardings SET wallet = NULL, identity_reference = NULL WHERE merchant_id = $1"
_CONFIGURATIONS = """
SELECT m.id FROM shopify_mutations m
JOIN app_configurations c ON m.record = 'configuration' AND m.record_id = c.id::text WHERE c.merchant_id = $1
"""
# The handle that Shopify was given is the shop's name.
_SHOPS_CONFIGURATIONS = f"UPDATE shopify_mutations SET variables = '{{}}' WHERE id IN ({_CONFIGURATIONS})"  # noqa: S608
_SHOPS_CALLS = f"UPDATE shopify_calls SET answer = '' WHERE mutation_id IN ({_CONFIGURATIONS})"  # noqa: S608
_SHOPS_REQUESTS = """
UPDATE privacy_requests SET email_digest = NULL, phone_digest = NULL, export_sealed = NULL, kept_until = NULL
WHERE merchant_id = $1
"""


@asynccontextmanager
async def erasing(database: Database) -> AsyncIterator[Connection]:
    """A transaction in which what never changes may be emptied of persons."""
    async with database.transaction() as connection:
        await connection.execute(ERASING)
        yield connection


async def erase_customer(connection: Connection, payments: Sequence[str]) -> None:
    """Erase the customers of these payments: of the payments, their transactions, refunds, histories and calls."""
    await connection.execute(_CALLS, payments)
    await connection.execute(_MUTATIONS, payments)
    await connection.execute(_EVENTS, payments, list(HARMLESS_DETAILS))
    await connection.execute(_REFUNDS, payments, NOBODY)
    await connection.execute(_ISSUED, payments, NOBODY)
    await connection.execute(_REFUNDED, payments)
    await connection.execute(_PAYMENTS, payments, NOBODY)


async def erase_payees(connection: Connection, payments: Sequence[str]) -> None:
    """Erase the merchant from these payments and their refunds."""
    await connection.execute(_SHOPS_REFUNDS, payments, NOBODY)
    await connection.execute(_SHOPS_ISSUED, payments, NOBODY)
    await connection.execute(_SHOPS_PAYMENTS, payments, NOBODY)


async def erase_shop(connection: Connection, merchant_id: int, shop: str, *, at: datetime) -> None:
    """Erase the shop itself, its sessions, and what Shopify sent about it; its payments come before.

    Its row stays for the sake of the amounts, under a name that no shop can have.
    """
    name = f"erased-{merchant_id}"
    await connection.execute("DELETE FROM portal_sessions WHERE merchant_id = $1", merchant_id)
    await connection.execute("DELETE FROM merchant_logos WHERE merchant_id = $1", merchant_id)
    await connection.execute("DELETE FROM wallet_challenges WHERE merchant_id = $1", merchant_id)
    await connection.execute(_SHOPS_ONBOARDING, merchant_id)
    await connection.execute(_SHOPS_CALLS, merchant_id)
    await connection.execute(_SHOPS_CONFIGURATIONS, merchant_id)
    await connection.execute("DELETE FROM oauth_states WHERE shop = $1", shop)
    await remove_payloads(connection, shop)
    await connection.execute("UPDATE inbox_events SET shop = $2 WHERE shop = $1", shop, name)
    await connection.execute(_SHOPS_EVENTS, str(merchant_id), list(HARMLESS_DETAILS))
    await connection.execute(_SHOPS_REQUESTS, merchant_id)
    await connection.execute(_SHOP, merchant_id, name, at)
