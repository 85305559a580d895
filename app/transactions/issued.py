"""The transactions we handed out: stored before they leave, watched until their fate is final."""

from datetime import datetime

from app import events, metrics
from app.database import Connection
from app.page_feed import notify_page
from app.records import Cluster, Fate, IssuedTransaction, RecordKind
from app.transactions.purpose import record_of
from app.transactions.quotas import Ask
from chain.node import Blockhash
from chain.payment_transaction import SignedTransaction

_INSERT = """
INSERT INTO issued_transactions (signature, payment_id, group_id, group_version, seed, single_use, wallet, fee_payer,
    usdc, blockhash, blockhash_slot, last_valid_block_height, message, fate, final, poll_at, created_at, updated_at,
    network_address, fee_lamports, rent_lamports, refund_id, opens_account)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'live', false, $14, $14, $14, $15, $16, $17, $18, $19)
ON CONFLICT (signature) DO NOTHING RETURNING id
"""

# Nobody can guess an id, so no payment has that of a refund.
_OF_RECORD = "(payment_id = $1 OR refund_id = $1)"
_HAS_OPEN = f"SELECT EXISTS (SELECT FROM issued_transactions WHERE {_OF_RECORD} AND NOT final)"  # noqa: S608


async def store_issued(
    connection: Connection,
    ask: Ask,
    signed: SignedTransaction,
    blockhash: Blockhash,
    *,
    at: datetime,
    event: str = events.ISSUED,
) -> bool:
    """Store a transaction, with its event, before it is handed out; or with another event, one that was.

    False: the very same transaction was issued before, on the same blockhash, and is not live any more.
    """
    terms, group = ask.terms, ask.group
    stored = await connection.fetchval(
        _INSERT,
        signed.signature,
        terms.id if terms.record is RecordKind.payment else None,
        group.id,
        group.version,
        group.seed,
        group.address,
        ask.wallet,
        group.base,
        terms.usdc,
        str(blockhash.hash),
        blockhash.slot,
        blockhash.last_valid_block_height,
        signed.wire,
        at,
        ask.network,
        ask.cost.fee,
        ask.cost.rent,
        terms.id if terms.record is RecordKind.refund else None,
        ask.opens_account,
    )
    if stored is None:
        return False
    await events.write_event(
        connection,
        terms.record,
        terms.id,
        event,
        at=at,
        signature=signed.signature,
        wallet=ask.wallet,
        usdc=terms.usdc,
        last_valid_block_height=blockhash.last_valid_block_height,
    )
    if terms.record is RecordKind.payment:
        await notify_page(connection, terms.id)
    return True


_ANY_OPEN = """
SELECT EXISTS (SELECT FROM issued_transactions WHERE NOT final)
    OR EXISTS (SELECT FROM payments WHERE status = 'pending' AND updated_at > $1)
"""


async def is_any_open(connection: Connection, *, since: datetime) -> bool:
    """Whether there is something to watch: a transaction that is not final, or a payment that changed after `since` and
    may be issued one at any moment."""
    found: bool = await connection.fetchval(_ANY_OPEN, since)
    return found


async def has_open_transactions(connection: Connection, record_id: str) -> bool:
    """Whether anything handed out for the payment or refund may still land, or landed and may still vanish."""
    found: bool = await connection.fetchval(_HAS_OPEN, record_id)
    return found


async def set_fate(
    connection: Connection,
    issued: IssuedTransaction,
    fate: Fate,
    *,
    final: bool,
    at: datetime,
    slot: int | None = None,
    error: str | None = None,
) -> bool:
    """Record what became of a transaction, unless that is final already. False: nothing was new."""
    row = await connection.fetchrow(
        """
        UPDATE issued_transactions SET fate = $2, final = $3, slot = $4, error = $5, updated_at = $6,
            poll_at = CASE WHEN $3 THEN NULL ELSE poll_at END,
            seen_by = CASE WHEN $2 = 'dead' THEN seen_by ELSE coalesce(seen_by, 'polling') END
        WHERE id = $1 AND NOT final AND (fate, final, error) IS DISTINCT FROM ($2::fate, $3::boolean, $5::text)
        RETURNING seen_by
        """,
        issued.id,
        fate,
        final,
        slot,
        error,
        at,
    )
    if row is None:
        return False
    if issued.fate is Fate.live and fate is not Fate.dead:
        metrics.sightings_total.labels(watcher=row["seen_by"]).inc()
    await events.write_event(
        connection,
        *record_of(issued),
        events.FATE,
        at=at,
        signature=issued.signature,
        fate=fate,
        final=final,
        error=error,
    )
    return True


async def open_fee_payers(connection: Connection, cluster: Cluster) -> set[str]:
    """Whoever pays for transactions of the cluster that may still land or vanish: perhaps several fee payers."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT i.fee_payer FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
        WHERE NOT i.final AND g.cluster = $1
        """,
        cluster,
    )
    return {row["fee_payer"] for row in rows}
