"""A shop with very many payments, made by the database itself: for lists, searches and exports at their real size."""

from datetime import datetime, timedelta

from solders.keypair import Keypair

from app.database import Connection

# Of a hundred payments in a row: most are completed, some are in every other status, few are unusual. Every fiftieth is
# a test.
_PLAN = """
CREATE TEMPORARY TABLE plan ON COMMIT DROP AS
SELECT n, CASE WHEN n % 50 = 1 THEN 'test' ELSE 'live' END::cluster AS cluster,
    CASE WHEN n % 5000 = 7 THEN 'stuck' WHEN n % 100 < 70 THEN 'completed' WHEN n % 100 < 88 THEN 'expired'
        WHEN n % 100 < 92 THEN 'superseded' WHEN n % 100 < 96 THEN 'pending' WHEN n % 100 < 98 THEN 'rejected'
        ELSE 'paid' END::payment_status AS status,
    CASE WHEN n % 4000 = 3 THEN 'late' WHEN n % 10000 = 89 THEN 'duplicate' WHEN n % 20000 = 11 THEN 'vanished'
        ELSE 'none' END::payment_exception AS exception,
    -- Digests in the letters of base58: spread like real ones, and the same in every run. A wallet buys three times in
    -- each shop.
    substr(md5($1 || 'payment' || n), 1, 22) AS payment,
    translate(substr(md5($1 || n) || md5(n || $1) || md5('signature' || n || $1), 1, 88), '0', 'z') AS signature,
    translate(substr(md5('wallet' || n / 3) || md5('w' || n / 3), 1, 44), '0', 'z') AS wallet,
    (n % 4999 + 100) / 100.0 AS amount, $3::timestamptz - n * $4::interval AS at
FROM generate_series(0, $2::int - 1) AS n
"""
_MERCHANT = """
INSERT INTO merchants (shop, display_name, status, wallet, created_at, updated_at)
VALUES ($1, $1, 'active', translate(substr(md5($1) || md5('wallet' || $1), 1, 44), '0', 'z'), $2, $2) RETURNING id
"""
_GROUPS = """
INSERT INTO payment_groups (merchant_id, group_key, cluster, base, seed, version, address, winner_id, created_at)
SELECT $1, 'group-' || n, cluster, repeat('b', 44), repeat('s', 22), 1,
    translate(substr(md5('address' || payment) || md5(payment), 1, 44), '0', 'z'),
    CASE WHEN status IN ('completed', 'paid', 'stuck') THEN payment END, at
FROM plan ORDER BY n DESC
"""
_PAYMENTS = """
INSERT INTO payments (id, shopify_id, gid, merchant_id, group_id, cluster, api_version, amount, currency, status,
    exception, usdc, rate, rate_source, rate_at, merchant_wallet, destination, mint, memo, reference, cancel_url,
    expires_at, stuck_reason, paid_signature, paid_wallet, paid_at, created_at, updated_at)
SELECT payment, 'shopify-' || $1 || '-' || n, 'gid://shopify/PaymentSession/shopify-' || $1 || '-' || n, $1, g.id,
    p.cluster, '2026-10', amount, CASE WHEN n % 3 = 0 THEN 'EUR' ELSE 'USD' END, p.status, exception,
    amount * 1000000, 1, 'test', at, m.wallet, m.wallet, m.wallet, 'memo', m.wallet, 'https://shop.example/cancel',
    at + interval '1 day',
    CASE WHEN p.status = 'stuck' THEN 'retries_spent' END, CASE WHEN g.winner_id IS NOT NULL THEN signature END,
    CASE WHEN g.winner_id IS NOT NULL THEN p.wallet END,
    CASE WHEN g.winner_id IS NOT NULL THEN at + interval '24 seconds' END, at, at
FROM plan p JOIN merchants m ON m.id = $1
JOIN payment_groups g ON g.merchant_id = $1 AND g.group_key = 'group-' || n AND g.cluster = p.cluster ORDER BY n DESC
"""
_ISSUED = """
INSERT INTO issued_transactions (signature, payment_id, group_id, group_version, seed, single_use, wallet, fee_payer,
    usdc, blockhash, blockhash_slot, last_valid_block_height, message, fate, final, slot, created_at, updated_at,
    fee_lamports, rent_lamports)
SELECT paid_signature, p.id, group_id, 1, g.seed, g.address, paid_wallet, g.base, usdc, repeat('h', 44), 1, 151,
    '\\x00', 'landed', true, 2, p.created_at + interval '20 seconds', p.created_at, 10000, 890880
FROM payments p JOIN payment_groups g ON g.id = p.group_id
WHERE p.merchant_id = $1 AND paid_signature IS NOT NULL ORDER BY p.created_at
"""
_WON = """
UPDATE payment_groups g SET won_signature = p.paid_signature FROM payments p
WHERE p.id = g.winner_id AND g.merchant_id = $1
"""
_TALLIES = """
INSERT INTO fee_tallies (merchant_id, cluster, day, lamports)
SELECT $1, cluster, date_trunc('day', created_at, 'UTC'), 10000 * count(*) FROM payments
WHERE merchant_id = $1 AND paid_signature IS NOT NULL GROUP BY 2, 3
"""

# How each status came about. A superseded payment's group is won by nobody here, so it is one that expired instead.
_SETTLED = "UPDATE payments SET status = 'expired' WHERE merchant_id = $1 AND status = 'superseded'"
_EXCEPTIONS = "UPDATE payments SET exception = 'none' WHERE merchant_id = $1 AND exception <> 'none'"
_EVENTS = """
INSERT INTO events (record, record_id, kind, from_status, to_status, detail, at)
SELECT 'payment', p.id, step.kind, step.source, step.target,
    CASE WHEN step.target = 'paid' OR step.kind = 'issued' THEN jsonb_build_object('signature', p.paid_signature)
        WHEN step.kind = 'fate'
            THEN jsonb_build_object('signature', p.paid_signature, 'fate', 'landed', 'final', true)
        ELSE '{}' END, p.created_at
FROM payments p CROSS JOIN LATERAL (VALUES
    (1, 'created', NULL, 'pending', true), (2, 'issued', NULL, NULL, p.paid_signature IS NOT NULL),
    (3, 'moved', 'pending', 'paid', p.status IN ('paid', 'completed', 'stuck')),
    (4, 'fate', NULL, NULL, p.paid_signature IS NOT NULL),
    (5, 'moved', 'paid', 'completed', p.status = 'completed'), (6, 'moved', 'paid', 'stuck', p.status = 'stuck'),
    (7, 'moved', 'pending', 'expired', p.status = 'expired'),
    (8, 'moved', 'pending', 'rejecting', p.status = 'rejected'),
    (9, 'moved', 'rejecting', 'rejected', p.status = 'rejected')
) AS step (number, kind, source, target, happened)
WHERE p.merchant_id = $1 AND step.happened ORDER BY p.created_at, p.id, step.number
"""
_MUTATIONS = """
INSERT INTO shopify_mutations (record, record_id, name, variables, api_version, acknowledged_at, created_at)
SELECT 'payment', id, CASE status WHEN 'completed' THEN 'paymentSessionResolve' ELSE 'paymentSessionReject' END,
    jsonb_build_object('id', gid), api_version, created_at, created_at
FROM payments WHERE merchant_id = $1 AND status IN ('completed', 'rejected') ORDER BY created_at
"""
_CALLS = """
INSERT INTO shopify_calls (mutation_id, attempt, http_status, outcome, answer, started_at, ended_at)
SELECT m.id, 1, 200, 'acknowledged', '{}', m.created_at, m.created_at FROM shopify_mutations m
JOIN payments p ON m.record = 'payment' AND m.record_id = p.id WHERE p.merchant_id = $1 ORDER BY m.id
"""
_JOBS = """
INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
SELECT 'payment_resolve', 'payment', id, CASE status WHEN 'paid' THEN 'waiting' ELSE 'done' END::job_status, 1,
    $2, created_at, created_at
FROM payments WHERE merchant_id = $1 AND status IN ('paid', 'completed') ORDER BY created_at
"""

_FINISHED = (
    "UPDATE payments SET status = 'expired' WHERE merchant_id = $1 AND status = 'pending'",
    """UPDATE payments SET status = 'completed', stuck_reason = NULL
    WHERE merchant_id = $1 AND status IN ('paid', 'stuck')""",
)

_REAL_ADDRESSES = """
UPDATE payments SET paid_wallet = $1, mint = $2, shopify_id = 'payment-' || lpad(split_part(shopify_id, '-', 3), 8, '0')
WHERE status = 'completed'
"""
_PAID = """
SELECT shopify_id FROM payments
WHERE status = 'completed' AND exception = 'none' AND cluster = 'live' AND currency = 'USD' AND amount > 2
"""
_REFUNDS = """
INSERT INTO refunds (id, shopify_id, gid, payment_id, merchant_id, api_version, amount, usdc, status, exception,
    payee_wallet, destination, mint, memo, reference, created_at, updated_at)
SELECT left(md5(id), 22), md5(id), 'gid://shopify/RefundSession/' || id, id, merchant_id, api_version, 0.01, 10000,
    'pending', 'none', paid_wallet, destination, mint, memo || 'r', reverse(reference), created_at, created_at
FROM payments WHERE paid_wallet IS NOT NULL
"""


async def fill_shop(
    connection: Connection, shop: str, payments: int, *, until: datetime, apart: timedelta = timedelta(seconds=20)
) -> int:
    """Make a merchant with so many payments, the newest at `until` and the others each `apart` earlier. Returns its id.

    The rows are as the records' rules want them, but have no history. A payment's values follow from its
    number, which is in its Shopify id: `shopify-<merchant>-<number>`.
    """
    merchant: int = await connection.fetchval(_MERCHANT, shop, until)
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        # Checking what refers to what, and keeping tallies row by row, would take most of the time.
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(_PLAN, shop, payments, until, apart)
        for statement in (_GROUPS, _PAYMENTS, _ISSUED, _WON, _TALLIES):
            await connection.execute(statement, merchant)
    return merchant


async def write_history(connection: Connection, merchant: int, *, due_at: datetime) -> None:
    """Give a filled shop the history of each of its payments, as if they had come about: the checker finds nothing.

    Of the unusual ones none are left. The jobs of those that are paid and not completed are due at `due_at`.
    """
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in (_SETTLED, _EXCEPTIONS, _EVENTS, _MUTATIONS, _CALLS):
            await connection.execute(statement, merchant)
        await connection.execute(_JOBS, merchant, due_at)


async def finish_all(connection: Connection, merchant: int) -> None:
    """Leave nothing open in a filled shop that has no history yet: nobody has anything to do with it any more."""
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in _FINISHED:
            await connection.execute(statement, merchant)


async def make_payable(connection: Connection) -> list[str]:
    """Give completed payments addresses that can be parsed, and ids of one length; returns those of some with money."""
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(_REAL_ADDRESSES, str(Keypair().pubkey()), str(Keypair().pubkey()))
    return [row["shopify_id"] for row in await connection.fetch(_PAID)]


async def give_back(connection: Connection) -> None:
    """Ask for a refund of a cent of each payment that was paid."""
    await connection.execute(_REFUNDS)


async def settle_down(connection: Connection) -> None:
    """Bring the database's statistics and visibility up to date, as autovacuum does in time."""
    await connection.execute(
        "VACUUM (ANALYZE) payments, payment_groups, issued_transactions, refunds, jobs, events, shopify_mutations,"
        " shopify_calls"
    )
