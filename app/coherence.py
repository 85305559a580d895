"""The coherence checker: what must be true of our records at any time (design section 8), and where it is not."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.lifecycle import Lifecycle
from app.payments.lifecycle import PAYMENTS
from app.payments.terms import terms_of as terms_of_payment
from app.records import Cluster, IssuedTransaction, Payment, Refund
from app.refunds.lifecycle import REFUNDS
from app.refunds.terms import terms_of as terms_of_refund
from app.system import System
from app.transactions.purpose import Terms
from app.transactions.transfers import expected_of
from chain.errors import NodeError, Unverified
from chain.verification import verify_settled


@dataclass(frozen=True)
class Violation:
    """An invariant that a record breaks, and how."""

    invariant: str
    record: str
    problem: str


# Every single-use account that a group has or had.
_PINS = """
SELECT id AS group_id, version, base, seed, address FROM payment_groups
UNION ALL SELECT group_id, version, base, seed, address FROM former_pins
"""

# Each query finds the records that break the invariant: a column `record`, and a sentence in `problem`.
_QUERIES: tuple[tuple[str, str], ...] = (
    (
        "I1",
        """SELECT shopify_id AS record, 'several payments for one Shopify id' AS problem
        FROM payments GROUP BY shopify_id HAVING count(*) > 1""",
    ),
    (
        "I2",
        """SELECT record_id AS record, 'acknowledged under ' || count(*) || ' names' AS problem FROM shopify_mutations
        WHERE acknowledged_at IS NOT NULL AND record IN ('payment', 'refund')
            AND name <> 'paymentSessionPending' GROUP BY record, record_id HAVING count(DISTINCT name) > 1""",
    ),
    (
        "I2",
        """SELECT min(id) AS record, count(*) || ' sessions of group ' || group_id || ' are paid' AS problem
        FROM payments WHERE status IN ('paid', 'completed') GROUP BY group_id HAVING count(*) > 1""",
    ),
    (
        "I2",
        """SELECT p.id AS record, 'its status and what Shopify acknowledged differ' AS problem FROM payments p
        LEFT JOIN shopify_mutations m ON m.record = 'payment' AND m.record_id = p.id AND m.acknowledged_at IS NOT NULL
            AND m.name <> 'paymentSessionPending'
        WHERE (p.status = 'completed' AND m.name IS DISTINCT FROM 'paymentSessionResolve')
           OR (p.status = 'rejected' AND m.name IS DISTINCT FROM 'paymentSessionReject')
           OR (p.status NOT IN ('completed', 'rejected') AND m.name IS NOT NULL)""",
    ),
    (
        "I2",
        """SELECT p.id AS record, 'whether it is pending at Shopify and what Shopify acknowledged differ' AS problem
        FROM payments p LEFT JOIN shopify_mutations m ON m.record = 'payment' AND m.record_id = p.id
            AND m.name = 'paymentSessionPending'
        WHERE (p.pended_at IS NULL) <> (m.acknowledged_at IS NULL)""",
    ),
    (
        "I2",
        """SELECT p.id AS record, 'paid, but not the winner of its group' AS problem
        FROM payments p JOIN payment_groups g ON g.id = p.group_id
        WHERE p.status IN ('paid', 'completed') AND g.winner_id IS DISTINCT FROM p.id""",
    ),
    (
        "I3",
        """SELECT p.id AS record, 'paid without a landed transaction that was issued for it' AS problem FROM payments p
        LEFT JOIN issued_transactions i
            ON i.signature = p.paid_signature AND i.payment_id = p.id AND i.fate = 'landed' AND i.error IS NULL
        WHERE p.status IN ('paid', 'completed') AND p.exception <> 'vanished' AND i.id IS NULL""",
    ),
    (
        "I3",
        """SELECT i.payment_id AS record, 'a landed transaction, but the payment is ' || p.status AS problem
        FROM issued_transactions i JOIN payments p ON p.id = i.payment_id
        WHERE i.fate = 'landed' AND i.final AND p.exception = 'none'
            AND p.status NOT IN ('paid', 'completed', 'stuck')""",
    ),
    (
        "I3",
        """SELECT r.id AS record, 'paid without a landed transaction that was issued for it' AS problem FROM refunds r
        LEFT JOIN issued_transactions i
            ON i.signature = r.paid_signature AND i.refund_id = r.id AND i.fate = 'landed' AND i.error IS NULL
        WHERE r.status IN ('paid', 'completed') AND r.exception <> 'vanished' AND i.id IS NULL""",
    ),
    (
        "I3",
        """SELECT i.refund_id AS record, 'a landed transaction, but the refund is ' || r.status AS problem
        FROM issued_transactions i JOIN refunds r ON r.id = i.refund_id
        WHERE i.fate = 'landed' AND i.final AND r.exception = 'none'
            AND r.status NOT IN ('paid', 'completed', 'stuck')""",
    ),
    (
        "I3",
        """SELECT g.id::text AS record, 'a group won by a transaction that is not what paid it' AS problem
        FROM payment_groups g LEFT JOIN payments p ON p.id = g.winner_id LEFT JOIN refunds r ON r.group_id = g.id
        WHERE g.won_signature IS DISTINCT FROM coalesce(p.paid_signature, r.paid_signature)""",
    ),
    (
        "I3",
        f"""SELECT i.signature AS record, 'its single-use account is none of its group' AS problem
        FROM issued_transactions i LEFT JOIN ({_PINS}) AS pin ON pin.group_id = i.group_id
            AND (pin.version, pin.base, pin.seed, pin.address) = (i.group_version, i.fee_payer, i.seed, i.single_use)
        WHERE pin.group_id IS NULL""",  # noqa: S608  # a constant of ours
    ),
    (
        "I3",
        """SELECT p.id AS record, 'it is on another cluster than its group' AS problem
        FROM payments p JOIN payment_groups g ON g.id = p.group_id WHERE g.cluster <> p.cluster""",
    ),
    (
        "I4",
        f"""SELECT address AS record, 'a single-use account of several groups or versions' AS problem
        FROM ({_PINS}) AS pin GROUP BY address HAVING count(*) > 1""",  # noqa: S608  # a constant of ours
    ),
    (
        "I4",
        """SELECT signature AS record, 'a signature of several records' AS problem
        FROM issued_transactions GROUP BY signature HAVING count(*) > 1""",
    ),
    (
        "I4",
        """SELECT u.signature AS record, 'it is in our books, and listed as unknown to them' AS problem
        FROM unknown_signatures u WHERE u.status IN ('open', 'foreign')
        AND (EXISTS (SELECT FROM issued_transactions i WHERE i.signature = u.signature)
            OR EXISTS (SELECT FROM reclaims r WHERE r.signature = u.signature))""",
    ),
    (
        "I4",
        """SELECT p.paid_signature AS record, 'it paid a payment and a refund' AS problem
        FROM payments p JOIN refunds r ON r.paid_signature = p.paid_signature""",
    ),
    (
        "I6",
        """SELECT p.id AS record, 'it is ' || p.status || ' and nothing will move it' AS problem FROM payments p
        WHERE p.status IN ('paid', 'rejecting')
        AND NOT EXISTS (SELECT FROM jobs j
            WHERE j.record = 'payment' AND j.record_id = p.id AND j.status IN ('waiting', 'running'))
        AND NOT EXISTS (SELECT FROM issued_transactions i WHERE i.payment_id = p.id AND i.poll_at IS NOT NULL
            AND p.status = 'rejecting')""",
    ),
    (
        "I1",
        """SELECT shopify_id AS record, 'several refunds for one Shopify id' AS problem
        FROM refunds GROUP BY shopify_id HAVING count(*) > 1""",
    ),
    (
        "I2",
        """SELECT r.id AS record, 'its status and what Shopify acknowledged differ' AS problem FROM refunds r
        LEFT JOIN shopify_mutations m ON m.record = 'refund' AND m.record_id = r.id AND m.acknowledged_at IS NOT NULL
        WHERE (r.status = 'completed' AND m.name IS DISTINCT FROM 'refundSessionResolve')
           OR (r.status = 'rejected' AND m.name IS DISTINCT FROM 'refundSessionReject')
           OR (r.status NOT IN ('completed', 'rejected') AND m.name IS NOT NULL)""",
    ),
    (
        "I5",
        """SELECT p.id AS record, 'refunds of ' || sum(r.amount) || ' ' || p.currency || ' and ' || sum(r.usdc)
            || ' base units, but ' || p.amount || ' and ' || coalesce(i.usdc, 0) || ' were paid' AS problem
        FROM refunds r JOIN payments p ON p.id = r.payment_id
        LEFT JOIN issued_transactions i ON i.signature = p.paid_signature
        WHERE r.usdc IS NOT NULL AND r.status <> 'rejected' GROUP BY p.id, i.id
        HAVING sum(r.amount) > p.amount OR sum(r.usdc) > coalesce(i.usdc, 0)""",
    ),
    (
        "I6",
        """SELECT r.id AS record, 'it is ' || r.status || ' and nothing will move it' AS problem FROM refunds r
        WHERE r.status IN ('paid', 'denying', 'rejecting')
        AND NOT EXISTS (SELECT FROM jobs j
            WHERE j.record = 'refund' AND j.record_id = r.id AND j.status IN ('waiting', 'running'))
        AND NOT EXISTS (SELECT FROM issued_transactions i WHERE i.refund_id = r.id AND i.poll_at IS NOT NULL
            AND r.status = 'denying')""",
    ),
    (
        "I6",
        """SELECT d.id::text AS record, 'a ' || d.kind || ' that nothing declines' AS problem FROM declined_sessions d
        WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.record = 'declined' AND j.record_id = d.id::text)
        OR NOT EXISTS (SELECT FROM jobs j WHERE j.record = 'declined' AND j.record_id = d.id::text
                AND j.status <> 'done')
            AND NOT EXISTS (SELECT FROM shopify_mutations m
                WHERE m.record = 'declined' AND m.record_id = d.id::text AND m.acknowledged_at IS NOT NULL)""",
    ),
    (
        "I7",
        """SELECT r.id AS record,
            'its status is ' || r.status || ', its last event says ' || coalesce(e.to_status, 'nothing') AS problem
        FROM refunds r LEFT JOIN LATERAL (
            SELECT to_status FROM events WHERE record = 'refund' AND record_id = r.id AND to_status IS NOT NULL
            ORDER BY id DESC LIMIT 1
        ) e ON true WHERE e.to_status IS DISTINCT FROM r.status::text""",
    ),
    (
        "I6",
        """SELECT signature AS record, 'not final, and not watched' AS problem
        FROM issued_transactions WHERE final = (poll_at IS NOT NULL)""",
    ),
    (
        "I6",
        """SELECT id::text AS record, 'an event that nothing processes' AS problem FROM inbox_events e
        WHERE processed_at IS NULL AND NOT EXISTS (SELECT FROM jobs j
            WHERE j.record = 'inbox' AND j.record_id = e.id::text AND j.status <> 'done')""",
    ),
    (
        "I6",
        """SELECT p.id::text AS record, 'a request for privacy that no job will do' AS problem FROM privacy_requests p
        WHERE done_at IS NULL AND NOT EXISTS (SELECT FROM jobs j WHERE j.record = 'privacy_request'
            AND j.record_id = p.id::text AND j.status IN ('waiting', 'running'))""",
    ),
    (
        "I7",
        """SELECT p.id AS record,
            'its status is ' || p.status || ', its last event says ' || coalesce(e.to_status, 'nothing') AS problem
        FROM payments p LEFT JOIN LATERAL (
            SELECT to_status FROM events WHERE record = 'payment' AND record_id = p.id AND to_status IS NOT NULL
            ORDER BY id DESC LIMIT 1
        ) e ON true WHERE e.to_status IS DISTINCT FROM p.status::text""",
    ),
    (
        "I7",
        """SELECT id AS record, 'noted as dealt with, and no event says by whom' AS problem FROM payments p
        WHERE attended_at IS NOT NULL AND NOT EXISTS (SELECT FROM events
            WHERE record = 'payment' AND record_id = p.id AND kind = 'attended' AND at = p.attended_at)""",
    ),
)

_LIFECYCLES: Mapping[str, Lifecycle[Any, Any]] = {str(each.kind): each for each in (PAYMENTS, REFUNDS)}

_STEPS = """
SELECT record AS kind, record_id AS record, from_status, to_status,
    lag(to_status) OVER (PARTITION BY record, record_id ORDER BY id) AS before
FROM events WHERE record IN ('payment', 'refund') AND to_status IS NOT NULL
"""

_PAID = """
SELECT p AS payment, r AS refund, i AS issued FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
LEFT JOIN payments p ON p.paid_signature = i.signature LEFT JOIN refunds r ON r.paid_signature = i.signature
WHERE (p.status IN ('paid', 'completed') AND p.exception <> 'vanished'
    OR r.status IN ('paid', 'completed') AND r.exception <> 'vanished') AND g.cluster = $1 AND i.id > $2
    -- Of what was erased, the chain alone knows who paid whom.
    AND i.message <> ''
ORDER BY i.id LIMIT $3
"""
_PAGE = 500


async def check_records(system: System) -> AsyncIterator[Violation]:
    """Every violation that the database alone shows."""
    async with system.database.transaction() as connection:
        for invariant, query in _QUERIES:
            for row in await connection.fetch(query):
                yield Violation(invariant, row["record"], row["problem"])
        async for row in connection.cursor(_STEPS):
            lifecycle = _LIFECYCLES[row["kind"]]
            problem = _judge_step(lifecycle, row["before"], row["from_status"], row["to_status"])
            if problem:
                yield Violation("I8", row["record"], problem)


def _judge_step(lifecycle: Lifecycle[Any, Any], before: str | None, source: str | None, target: str) -> str | None:
    if source != before:
        return f"moved from {source}, but was {before}"
    if source is None:
        return None if target in lifecycle.births else f"born {target}"
    moves: dict[str, set[str]] = {
        str(status): {str(to) for to in targets} for status, targets in lifecycle.moves.items()
    }
    return None if target in moves.get(source, ()) else f"moved from {source} to {target}, which is not allowed"


async def check_chain(system: System) -> AsyncIterator[Violation]:
    """I3 against the chain: what paid each payment and refund is read back and verified anew. Raises NodeError."""
    for cluster in system.clusters:
        after = 0
        while True:
            async with system.database.acquire() as connection:
                rows = await connection.fetch(_PAID, cluster, after, _PAGE)
            for row in rows:
                issued = IssuedTransaction.from_row(row["issued"])
                after = issued.id
                if row["refund"] is not None:
                    terms = terms_of_refund(Refund.from_row(row["refund"]))
                else:
                    terms = terms_of_payment(Payment.from_row(row["payment"]))
                problem = await _verify(system, cluster, terms, issued)
                if problem:
                    yield Violation("I3", terms.id, problem)
            if len(rows) < _PAGE:
                break


async def _verify(system: System, cluster: Cluster, terms: Terms, issued: IssuedTransaction) -> str | None:
    try:
        transaction = await system.clusters[cluster].node.transaction(issued.signature, "confirmed")
    except NodeError as error:
        return f"its transaction can not be read: {error.message}"
    if transaction is None:
        return "its transaction is not on the chain"
    try:
        verify_settled(transaction, expected_of(terms, issued))
    except Unverified as refusal:
        return refusal.message
    return None
