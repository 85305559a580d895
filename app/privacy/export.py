"""Everything that is known of a customer, for a machine to read: the rows of each payment, whole."""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.database import Connection

_PAYMENTS = "SELECT id AS payment, to_jsonb(p) AS row FROM payments p WHERE id = ANY($1) ORDER BY created_at, id"
# What belongs to payments, by what it is called in the export.
_PARTS = {
    "transactions": """
        SELECT coalesce(i.payment_id, r.payment_id) AS payment, to_jsonb(i) AS row FROM issued_transactions i
        LEFT JOIN refunds r ON r.id = i.refund_id
        WHERE i.payment_id = ANY($1) OR i.refund_id IN (SELECT id FROM refunds WHERE payment_id = ANY($1))
        ORDER BY i.id""",
    "refunds": """
        SELECT payment_id AS payment, to_jsonb(r) AS row FROM refunds r
        WHERE payment_id = ANY($1) ORDER BY created_at, id""",
    "history": """
        SELECT coalesce(r.payment_id, e.record_id) AS payment, to_jsonb(e) AS row FROM events e
        LEFT JOIN refunds r ON e.record = 'refund' AND r.id = e.record_id
        WHERE (e.record = 'payment' AND e.record_id = ANY($1))
            OR (e.record = 'refund' AND e.record_id IN (SELECT id FROM refunds WHERE payment_id = ANY($1)))
        ORDER BY e.id""",
    "told_to_shopify": """
        SELECT coalesce(r.payment_id, m.record_id) AS payment, to_jsonb(m) || jsonb_build_object('calls', (
            SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.id), '[]') FROM shopify_calls c WHERE c.mutation_id = m.id
        )) AS row
        FROM shopify_mutations m LEFT JOIN refunds r ON m.record = 'refund' AND r.id = m.record_id
        WHERE (m.record = 'payment' AND m.record_id = ANY($1))
            OR (m.record = 'refund' AND m.record_id IN (SELECT id FROM refunds WHERE payment_id = ANY($1)))
        ORDER BY m.id""",
}


async def export_customer(connection: Connection, shop: str, payments: Sequence[str], **about: Any) -> str:
    """JSON of what is known of the customer of these payments; `about` is put before it.

    Times are ISO 8601, amounts numbers in the shop's currency, `usdc` base units (a millionth of a USDC), bytes in
    PostgreSQL's hexadecimal form.
    """
    told: dict[str, dict[str, Any]] = {}
    for row in await connection.fetch(_PAYMENTS, payments):
        told[row["payment"]] = {"payment": row["row"], **{part: [] for part in _PARTS}}
    for part, query in _PARTS.items():
        for row in await connection.fetch(query, payments):
            told[row["payment"]][part].append(row["row"])
    return msgspec.json.encode({**about, "shop": shop, "payments": list(told.values())}).decode()
