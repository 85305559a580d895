"""Every claim of the coherence checker: true of sound records, and found where somebody broke it."""

import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from app.coherence import Violation, check_chain, check_records
from app.invariants import INVARIANTS
from app.system import System
from tests.conftest import Scale
from tests.house import make_settings
from tests.multitude import fill_shop, write_history

Checker = Callable[[System], AsyncIterator[Violation]]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
# Ids in the statements below: a completed payment, another one, one of each other status, and a completed refund.
NAMED = {
    "{completed}": "SELECT id FROM payments WHERE status = 'completed' AND cluster = 'live' ORDER BY id LIMIT 1",
    "{other}": "SELECT id FROM payments WHERE status = 'completed' AND cluster = 'live' ORDER BY id DESC LIMIT 1",
    "{paid}": "SELECT id FROM payments WHERE status = 'paid' ORDER BY id LIMIT 1",
    "{pending}": "SELECT id FROM payments WHERE status = 'pending' ORDER BY id LIMIT 1",
    "{rejected}": "SELECT id FROM payments WHERE status = 'rejected' ORDER BY id LIMIT 1",
    "{refund}": "SELECT id FROM refunds WHERE shopify_id = 'refund-1'",
}
# A refund that was paid, one that is open, and one of everything else that a claim is about.
MORE = """
INSERT INTO payment_groups (merchant_id, group_key, cluster, base, seed, version, address, won_signature, created_at)
SELECT merchant_id, 'refund 1', 'live', repeat('b', 44), repeat('s', 22), 1, repeat('c', 44), repeat('r', 88), now()
FROM payments WHERE id = '{completed}';
INSERT INTO refunds (id, shopify_id, gid, payment_id, merchant_id, api_version, amount, usdc, status, exception,
    payee_wallet, destination, mint, memo, reference, paid_signature, paid_wallet, paid_at, group_id, created_at,
    updated_at)
SELECT repeat('R', 22), 'refund-1', 'gid', p.id, p.merchant_id, '2026-10', 0.25, 250000, 'completed', 'none',
    paid_wallet, paid_wallet, mint, 'refund 1', mint, repeat('r', 88), merchant_wallet, now(), g.id, now(), now()
FROM payments p JOIN payment_groups g ON g.group_key = 'refund 1' WHERE p.id = '{completed}';
INSERT INTO issued_transactions (signature, refund_id, group_id, group_version, seed, single_use, wallet, fee_payer,
    usdc, blockhash, blockhash_slot, last_valid_block_height, message, fate, final, slot, created_at, updated_at,
    fee_lamports, rent_lamports)
SELECT repeat('r', 88), r.id, r.group_id, 1, repeat('s', 22), repeat('c', 44), r.paid_wallet, repeat('b', 44), r.usdc,
    repeat('h', 44), 1, 151, '', 'landed', true, 2, now(), now(), 10000, 890880 FROM refunds r;
INSERT INTO shopify_mutations (record, record_id, name, variables, api_version, acknowledged_at, created_at)
SELECT 'refund', id, 'refundSessionResolve', '{}', '2026-10', now(), now() FROM refunds;
INSERT INTO refunds (id, shopify_id, gid, payment_id, merchant_id, api_version, amount, usdc, status, exception,
    payee_wallet, destination, mint, memo, reference, created_at, updated_at)
SELECT repeat('O', 22), 'refund-2', 'gid', p.id, p.merchant_id, '2026-10', 0.25, 250000, 'pending', 'none',
    paid_wallet, paid_wallet, mint, 'refund 2', mint, now(), now() FROM payments p WHERE p.id = '{completed}';
INSERT INTO events (record, record_id, kind, from_status, to_status, detail, at)
SELECT 'refund', r.id, 'moved', source, target, '{}', now()
FROM refunds r, (VALUES (NULL, 'pending'), ('pending', 'paid'), ('paid', 'completed')) AS step (source, target)
WHERE r.shopify_id = 'refund-1' OR source IS NULL;
INSERT INTO inbox_events (source, event_id, topic, shop, payload, received_at, processed_at)
VALUES ('shopify', 'event-1', 'other', 'shop.myshopify.com', '{}', now(), now());
INSERT INTO declined_sessions (kind, shopify_id, gid, merchant_id, payment_shopify_id, api_version, created_at)
SELECT 'capture', 'capture-1', 'gid', id, 'payment-1', '2026-10', now() FROM merchants;
INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
SELECT 'capture_reject', 'declined', id::text, 'dead', 17, now(), now(), now() FROM declined_sessions;
INSERT INTO privacy_requests (merchant_id, kind, inbox_id, asked_at, due_at, done_at, outcome)
SELECT m.id, 'customer_data', e.id, now(), now(), now(), 'nothing_kept' FROM merchants m, inbox_events e;
INSERT INTO unknown_signatures (cluster, fee_payer, signature, slot, status, created_at, updated_at)
SELECT 'live', repeat('b', 44), signature, 1, 'reviewed', now(), now() FROM issued_transactions WHERE id = 1;
"""

# For each claim, what makes it false.
BREAKS = {
    "a payment's Shopify id is its own": """DROP INDEX payments_shopify_id_key;
        UPDATE payments SET shopify_id = 'same' WHERE id IN ('{completed}', '{pending}')""",
    "a refund's Shopify id is its own": """DROP INDEX refunds_shopify_id_key;
        UPDATE refunds SET shopify_id = 'same'""",
    "of a payment or refund, Shopify acknowledged mutations of one name": """
        INSERT INTO shopify_mutations (record, record_id, name, variables, api_version, acknowledged_at, created_at)
        VALUES ('payment', '{completed}', 'paymentSessionReject', '{}', '2026-10', now(), now())""",
    "one session of a group is paid at most": """DROP INDEX payments_group_id_paid_key;
        UPDATE payments SET group_id = (SELECT group_id FROM payments WHERE id = '{other}') WHERE id = '{completed}'""",
    "a payment is completed or rejected when Shopify acknowledged that, and only then": """
        UPDATE shopify_mutations SET acknowledged_at = NULL WHERE record_id = '{completed}'""",
    "a refund is completed or rejected when Shopify acknowledged that, and only then": """
        UPDATE shopify_mutations SET acknowledged_at = NULL WHERE record_id = '{refund}'""",
    "a payment is pending at Shopify when Shopify acknowledged that, and only then": """
        UPDATE payments SET pended_at = now() WHERE id = '{completed}'""",
    "what is paid has won its group": """
        UPDATE payment_groups SET winner_id = NULL, won_signature = NULL WHERE winner_id = '{completed}'""",
    "what is superseded has a group that another payment won": """
        UPDATE payments SET status = 'superseded' WHERE id = '{pending}'""",
    "a paid payment has a landed transaction that was issued for it": """
        UPDATE issued_transactions SET fate = 'failed', error = 'x' WHERE payment_id = '{completed}'""",
    "a payment with a landed transaction is paid": """
        UPDATE payments SET status = 'expired' WHERE id = '{completed}'""",
    "a paid refund has a landed transaction that was issued for it": """
        UPDATE issued_transactions SET fate = 'dead' WHERE refund_id = '{refund}'""",
    "a refund with a landed transaction is paid": """
        UPDATE refunds SET status = 'pending' WHERE id = '{refund}'""",
    "a group was won by the transaction that paid": """
        UPDATE payment_groups SET won_signature = NULL WHERE winner_id = '{completed}'""",
    "a transaction uses a single-use account of its group": """
        UPDATE issued_transactions SET single_use = repeat('x', 44) WHERE payment_id = '{completed}'""",
    "a payment is on the cluster of its group": """
        UPDATE payments SET cluster = CASE cluster WHEN 'live' THEN 'test' ELSE 'live' END::cluster
        WHERE id = '{completed}'""",
    "a single-use account belongs to one group, and to one version": """
        UPDATE payment_groups SET address = repeat('y', 44) WHERE winner_id IN ('{completed}', '{other}')""",
    "a signature belongs to one record": """ALTER TABLE payments DROP CONSTRAINT payments_paid_signature_fkey;
        DROP INDEX issued_transactions_signature_key CASCADE;
        UPDATE issued_transactions i SET signature = o.signature FROM issued_transactions o
        WHERE o.payment_id = '{other}' AND i.payment_id = '{completed}'""",
    "a signature of our books is not listed as unknown to them": """
        UPDATE unknown_signatures SET status = 'open'""",
    "a transaction that was adopted is in our books": """
        UPDATE unknown_signatures SET status = 'adopted', signature = repeat('z', 88)""",
    "a transaction paid a payment or a refund, not both": """
        UPDATE refunds SET paid_signature = (SELECT paid_signature FROM payments WHERE id = '{completed}')
        WHERE id = '{refund}'""",
    "the refunds of a payment are at most what was paid": """
        UPDATE refunds SET usdc = 1000000000 WHERE shopify_id = 'refund-2'""",
    "a paid or rejecting payment has something that will move it": """
        UPDATE jobs SET status = 'dead' WHERE record_id = '{paid}'""",
    "a paid, denying or rejecting refund has something that will move it": """
        UPDATE refunds SET status = 'denying', merchant_message = 'No.' WHERE shopify_id = 'refund-2'""",
    "a capture or void is declined, or given up": "DELETE FROM jobs WHERE record = 'declined'",
    "a transaction that is not final is watched": """
        ALTER TABLE issued_transactions DROP CONSTRAINT issued_transactions_watched_until_final;
        UPDATE issued_transactions SET final = false WHERE payment_id = '{completed}'""",
    "an event that came in is processed, or given up": "UPDATE inbox_events SET processed_at = NULL",
    "a request for privacy has a job until it is done": """
        UPDATE privacy_requests SET done_at = NULL, outcome = NULL""",
    "a payment's last event says its status": "UPDATE payments SET status = 'expired' WHERE id = '{pending}'",
    "a refund's last event says its status": """
        UPDATE refunds SET status = 'denying', merchant_message = 'No.' WHERE shopify_id = 'refund-2'""",
    "trouble that is dealt with has an event that says by whom": """
        UPDATE payments SET attended_at = now() WHERE id = '{completed}'""",
    "a history is a path in its lifecycle's table": """
        INSERT INTO events (record, record_id, kind, from_status, to_status, detail, at)
        VALUES ('payment', '{rejected}', 'moved', 'rejected', 'paid', '{}', now()),
            ('payment', '{rejected}', 'moved', 'paid', 'rejected', '{}', now())""",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def connection(module_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """To a database with 300 payments, a refund and one of everything else, all of them sound."""
    connection = await asyncpg.connect(module_database_url)
    merchant = await fill_shop(connection, "shop.myshopify.com", 300, until=NOW)
    await write_history(connection, merchant, due_at=NOW)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(await _named(connection, MORE))
    yield connection
    await connection.close()


async def _named(connection: asyncpg.Connection, script: str) -> str:
    for name, query in NAMED.items():
        if name in script:
            script = script.replace(name, str(await connection.fetchval(query)))
    return script


async def _broken(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """By claim, the records that break it."""
    found = {}
    for invariant in INVARIANTS:
        if rows := await connection.fetch(invariant.query):
            assert all(row["problem"] for row in rows)
            found[invariant.claim] = [row["record"] for row in rows]
    return found


@pytest.mark.asyncio(loop_scope="session")
async def test_sound_records_break_nothing(connection: asyncpg.Connection) -> None:
    assert await _broken(connection) == {}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("claim", [invariant.claim for invariant in INVARIANTS])
async def test_a_broken_claim_is_found(connection: asyncpg.Connection, claim: str) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(await _named(connection, BREAKS[claim]))
        assert claim in await _broken(connection)
    finally:
        await transaction.rollback()


def test_every_claim_is_broken_by_a_test_and_every_invariant_of_the_design_is_claimed() -> None:
    claims = [invariant.claim for invariant in INVARIANTS]
    assert sorted(BREAKS) == sorted(claims)
    assert len(set(claims)) == len(claims)
    # I9 is about log lines: tests/unit/app/test_log_check.py.
    assert {invariant.name for invariant in INVARIANTS} == {f"I{number}" for number in range(1, 9)}


async def test_the_checkers_memory_does_not_grow_with_the_records(
    database_url: str, tmp_path: Path, scale: Scale
) -> None:
    await _assert_level(
        database_url, tmp_path, check_records, scale.pick(ci=1_000, soak=10_000), scale.pick(ci=10_000, soak=100_000)
    )


async def test_nor_does_it_when_all_is_read_back_from_the_chain(
    database_url: str, tmp_path: Path, scale: Scale
) -> None:
    # There is no node, so nothing that was paid is found on the chain.
    await _assert_level(
        database_url, tmp_path, check_chain, scale.pick(ci=200, soak=2_000), scale.pick(ci=700, soak=20_000)
    )


async def _assert_level(database_url: str, folder: Path, check: Checker, few: int, many: int) -> None:
    system = await System.open(make_settings(database_url, folder))
    peaks = []
    try:
        for count in (few, many - few):
            async with system.database.acquire() as connection:
                merchant = await fill_shop(connection, f"shop-{count}.myshopify.com", count, until=NOW)
                await write_history(connection, merchant, due_at=NOW)
                # All that is completed is unsound, so that there is as much to tell of as there are records.
                await connection.execute("UPDATE shopify_mutations SET acknowledged_at = NULL")
            found = 0
            gc.collect()
            tracemalloc.start()
            async for _ in check(system):
                found += 1
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert found > count / 2
    finally:
        await system.close()
    assert peaks[1] < 1.3 * peaks[0] + 200_000, peaks
