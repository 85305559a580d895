"""What an operator looks for, over all shops: a payment by whatever is known of it, and all that needs a person."""

from collections.abc import Sequence

from app.lifecycle import needs_person
from app.portal.clues import read_clue
from app.portal.history import History, read_history
from app.records import Row
from app.system import System

# Of a wallet's payments, the newest; of what is stuck, those that are so longest.
FOUND_MAX = 20
LISTED_MAX = 200

_FIND = """
SELECT p.id, p.merchant_id, m.shop FROM payments p JOIN merchants m ON m.id = p.merchant_id WHERE p.id IN (
    SELECT id FROM payments WHERE id = $1 OR shopify_id = $1
    UNION SELECT payment_id FROM refunds WHERE id = $1 OR shopify_id = $1
    UNION SELECT coalesce(i.payment_id, r.payment_id) FROM issued_transactions i
        LEFT JOIN refunds r ON r.id = i.refund_id WHERE i.signature = $1
    UNION SELECT q.id FROM payment_groups g JOIN payments q ON q.group_id = g.id WHERE g.address = $1
    UNION (SELECT payment_id FROM issued_transactions WHERE wallet = $1 AND payment_id IS NOT NULL
        ORDER BY created_at DESC LIMIT $2)
) ORDER BY p.created_at DESC LIMIT $2
"""
_TROUBLED = f"""
SELECT 'payment' AS record, p.id, m.shop, p.status::text, p.exception::text, p.stuck_reason, p.paid_signature,
    p.updated_at FROM payments p JOIN merchants m ON m.id = p.merchant_id
WHERE {needs_person("p")}
UNION ALL
SELECT 'refund', r.id, m.shop, r.status::text, r.exception::text, r.stuck_reason, r.paid_signature, r.updated_at
FROM refunds r JOIN merchants m ON m.id = r.merchant_id
WHERE {needs_person("r")}
ORDER BY updated_at LIMIT $1
"""  # noqa: S608  # conditions of ours


async def find_histories(system: System, text: str) -> list[tuple[str, History]]:
    """The payments that an id of ours or of Shopify's, a signature, a wallet or a link leads to, each with its shop.

    The newest first, FOUND_MAX at most. Raises ClueUnreadable.
    """
    clue = read_clue(text)
    async with system.database.acquire() as connection:
        rows = await connection.fetch(_FIND, clue.text, FOUND_MAX)
    return [(row["shop"], await read_history(system, row["merchant_id"], row["id"])) for row in rows]


async def list_troubled(system: System) -> Sequence[Row]:
    """Payments and refunds that are stuck or exceptional, and that nobody has noted as dealt with; the oldest first."""
    async with system.database.acquire() as connection:
        return await connection.fetch(_TROUBLED, LISTED_MAX)
