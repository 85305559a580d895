"""What must be true of our records at any time (design section 8), each as a query that finds where it is not.

I9, that no log line shows a secret or a customer, is not about records: see app/log_check.py.
"""

from dataclasses import dataclass

from app.projection import LIFECYCLES


@dataclass(frozen=True)
class Invariant:
    """One claim of an invariant. `query` finds what breaks it: the record's id as `record`, a sentence as `problem`."""

    name: str
    claim: str
    query: str


def _of_each(name: str, claim: str, query: str) -> list[Invariant]:
    """The same claim of payments and of refunds: {kind} is `payment` or `refund`, {table} the table of these."""
    return [
        Invariant(name, claim.format(kind=kind), query.format(kind=kind, table=lifecycle.record.TABLE))
        for kind, lifecycle in LIFECYCLES.items()
    ]


# Every single-use account that a group has or had.
_PINS = """
SELECT id AS group_id, version, base, seed, address FROM payment_groups
UNION ALL SELECT group_id, version, base, seed, address FROM former_pins
"""


# Each step that a lifecycle allows, as `kind:from>to`, and `kind:>to` for a birth.
_STEPS = [
    f"{kind}:{source}>{target}"
    for kind, lifecycle in LIFECYCLES.items()
    for source, targets in [("", lifecycle.births), *lifecycle.moves.items()]
    for target in targets
]
_PATHS = f"""
SELECT record_id AS record, CASE WHEN from_status IS DISTINCT FROM before
    THEN 'moved from ' || coalesce(from_status, 'nothing') || ', but was ' || coalesce(before, 'nothing')
    ELSE coalesce('moved from ' || from_status, 'born') || ' ' || to_status || ', which is not allowed' END AS problem
FROM (
    SELECT record, record_id, from_status, to_status,
        lag(to_status) OVER (PARTITION BY record, record_id ORDER BY id) AS before
    FROM events WHERE record IN ('payment', 'refund') AND to_status IS NOT NULL
) AS steps
WHERE from_status IS DISTINCT FROM before
    OR record || ':' || coalesce(from_status, '') || '>' || to_status <> ALL ('{{{",".join(sorted(_STEPS))}}}')
"""  # noqa: S608  # names of ours

INVARIANTS: tuple[Invariant, ...] = (
    *_of_each(
        "I1",
        "a {kind}'s Shopify id is its own",
        """SELECT shopify_id AS record, 'several {table} for one Shopify id' AS problem
        FROM {table} GROUP BY shopify_id HAVING count(*) > 1""",
    ),
    Invariant(
        "I2",
        "of a payment or refund, Shopify acknowledged mutations of one name",
        """SELECT record_id AS record, 'acknowledged under ' || count(*) || ' names' AS problem FROM shopify_mutations
        WHERE acknowledged_at IS NOT NULL AND record IN ('payment', 'refund')
            AND name <> 'paymentSessionPending' GROUP BY record, record_id HAVING count(DISTINCT name) > 1""",
    ),
    Invariant(
        "I2",
        "one session of a group is paid at most",
        """SELECT min(id) AS record, count(*) || ' sessions of group ' || group_id || ' are paid' AS problem
        FROM payments WHERE status IN ('paid', 'completed') GROUP BY group_id HAVING count(*) > 1""",
    ),
    Invariant(
        "I2",
        "a payment is completed or rejected when Shopify acknowledged that, and only then",
        """SELECT p.id AS record, 'its status and what Shopify acknowledged differ' AS problem FROM payments p
        LEFT JOIN shopify_mutations m ON m.record = 'payment' AND m.record_id = p.id AND m.acknowledged_at IS NOT NULL
            AND m.name <> 'paymentSessionPending'
        WHERE (p.status = 'completed' AND m.name IS DISTINCT FROM 'paymentSessionResolve')
           OR (p.status = 'rejected' AND m.name IS DISTINCT FROM 'paymentSessionReject')
           OR (p.status NOT IN ('completed', 'rejected') AND m.name IS NOT NULL)""",
    ),
    Invariant(
        "I2",
        "a payment is pending at Shopify when Shopify acknowledged that, and only then",
        """SELECT p.id AS record, 'whether it is pending at Shopify and what Shopify acknowledged differ' AS problem
        FROM payments p LEFT JOIN shopify_mutations m ON m.record = 'payment' AND m.record_id = p.id
            AND m.name = 'paymentSessionPending'
        WHERE (p.pended_at IS NULL) <> (m.acknowledged_at IS NULL)""",
    ),
    Invariant(
        "I2",
        "what is paid has won its group",
        """SELECT p.id AS record, 'paid, but not the winner of its group' AS problem
        FROM payments p JOIN payment_groups g ON g.id = p.group_id
        WHERE p.status IN ('paid', 'completed') AND g.winner_id IS DISTINCT FROM p.id""",
    ),
    Invariant(
        "I2",
        "a refund is completed or rejected when Shopify acknowledged that, and only then",
        """SELECT r.id AS record, 'its status and what Shopify acknowledged differ' AS problem FROM refunds r
        LEFT JOIN shopify_mutations m ON m.record = 'refund' AND m.record_id = r.id AND m.acknowledged_at IS NOT NULL
        WHERE (r.status = 'completed' AND m.name IS DISTINCT FROM 'refundSessionResolve')
           OR (r.status = 'rejected' AND m.name IS DISTINCT FROM 'refundSessionReject')
           OR (r.status NOT IN ('completed', 'rejected') AND m.name IS NOT NULL)""",
    ),
    Invariant(
        "I2",
        "what is superseded has a group that another payment won",
        """SELECT p.id AS record, 'superseded, but nothing has won its group' AS problem
        FROM payments p JOIN payment_groups g ON g.id = p.group_id
        WHERE p.status = 'superseded' AND g.winner_id IS NULL""",
    ),
    *_of_each(
        "I3",
        "a paid {kind} has a landed transaction that was issued for it",
        """SELECT r.id AS record, 'paid without a landed transaction that was issued for it' AS problem FROM {table} r
        LEFT JOIN issued_transactions i
            ON i.signature = r.paid_signature AND i.{kind}_id = r.id AND i.fate = 'landed' AND i.error IS NULL
        WHERE r.status IN ('paid', 'completed') AND r.exception <> 'vanished' AND i.id IS NULL""",
    ),
    *_of_each(
        "I3",
        "a {kind} with a landed transaction is paid",
        """SELECT i.{kind}_id AS record, 'a landed transaction, but the {kind} is ' || r.status AS problem
        FROM issued_transactions i JOIN {table} r ON r.id = i.{kind}_id
        WHERE i.fate = 'landed' AND i.final AND r.exception = 'none'
            AND r.status NOT IN ('paid', 'completed', 'stuck')""",
    ),
    Invariant(
        "I3",
        "a group was won by the transaction that paid",
        """SELECT g.id::text AS record, 'a group won by a transaction that is not what paid it' AS problem
        FROM payment_groups g LEFT JOIN payments p ON p.id = g.winner_id LEFT JOIN refunds r ON r.group_id = g.id
        WHERE g.won_signature IS DISTINCT FROM coalesce(p.paid_signature, r.paid_signature)""",
    ),
    Invariant(
        "I3",
        "a transaction uses a single-use account of its group",
        f"""SELECT i.signature AS record, 'its single-use account is none of its group' AS problem
        FROM issued_transactions i LEFT JOIN ({_PINS}) AS pin ON pin.group_id = i.group_id
            AND (pin.version, pin.base, pin.seed, pin.address) = (i.group_version, i.fee_payer, i.seed, i.single_use)
        WHERE pin.group_id IS NULL""",  # noqa: S608  # a constant of ours
    ),
    Invariant(
        "I3",
        "a payment is on the cluster of its group",
        """SELECT p.id AS record, 'it is on another cluster than its group' AS problem
        FROM payments p JOIN payment_groups g ON g.id = p.group_id WHERE g.cluster <> p.cluster""",
    ),
    Invariant(
        "I4",
        "a single-use account belongs to one group, and to one version",
        f"""SELECT address AS record, 'a single-use account of several groups or versions' AS problem
        FROM ({_PINS}) AS pin GROUP BY address HAVING count(*) > 1""",  # noqa: S608  # a constant of ours
    ),
    Invariant(
        "I4",
        "a signature belongs to one record",
        """SELECT signature AS record, 'a signature of several records' AS problem
        FROM issued_transactions GROUP BY signature HAVING count(*) > 1""",
    ),
    Invariant(
        "I4",
        "a signature of our books is not listed as unknown to them",
        """SELECT u.signature AS record, 'it is in our books, and listed as unknown to them' AS problem
        FROM unknown_signatures u WHERE u.status IN ('open', 'foreign')
        AND (EXISTS (SELECT FROM issued_transactions i WHERE i.signature = u.signature)
            OR EXISTS (SELECT FROM reclaims r WHERE r.signature = u.signature))""",
    ),
    Invariant(
        "I4",
        "a transaction that was adopted is in our books",
        """SELECT u.signature AS record, 'it was adopted, and is not in our books' AS problem
        FROM unknown_signatures u WHERE u.status = 'adopted'
        AND NOT EXISTS (SELECT FROM issued_transactions i WHERE i.signature = u.signature)""",
    ),
    Invariant(
        "I4",
        "a transaction paid a payment or a refund, not both",
        """SELECT p.paid_signature AS record, 'it paid a payment and a refund' AS problem
        FROM payments p JOIN refunds r ON r.paid_signature = p.paid_signature""",
    ),
    Invariant(
        "I5",
        "the refunds of a payment are at most what was paid",
        """SELECT p.id AS record, 'refunds of ' || sum(r.amount) || ' ' || p.currency || ' and ' || sum(r.usdc)
            || ' base units, but ' || p.amount || ' and ' || coalesce(i.usdc, 0) || ' were paid' AS problem
        FROM refunds r JOIN payments p ON p.id = r.payment_id
        LEFT JOIN issued_transactions i ON i.signature = p.paid_signature
        WHERE r.usdc IS NOT NULL AND r.status <> 'rejected' GROUP BY p.id, i.id
        HAVING sum(r.amount) > p.amount OR sum(r.usdc) > coalesce(i.usdc, 0)""",
    ),
    Invariant(
        "I6",
        "a paid or rejecting payment has something that will move it",
        """SELECT p.id AS record, 'it is ' || p.status || ' and nothing will move it' AS problem FROM payments p
        WHERE p.status IN ('paid', 'rejecting')
        AND NOT EXISTS (SELECT FROM jobs j
            WHERE j.record = 'payment' AND j.record_id = p.id AND j.status IN ('waiting', 'running'))
        AND NOT EXISTS (SELECT FROM issued_transactions i WHERE i.payment_id = p.id AND i.poll_at IS NOT NULL
            AND p.status = 'rejecting')""",
    ),
    Invariant(
        "I6",
        "a paid, denying or rejecting refund has something that will move it",
        """SELECT r.id AS record, 'it is ' || r.status || ' and nothing will move it' AS problem FROM refunds r
        WHERE r.status IN ('paid', 'denying', 'rejecting')
        AND NOT EXISTS (SELECT FROM jobs j
            WHERE j.record = 'refund' AND j.record_id = r.id AND j.status IN ('waiting', 'running'))
        AND NOT EXISTS (SELECT FROM issued_transactions i WHERE i.refund_id = r.id AND i.poll_at IS NOT NULL
            AND r.status = 'denying')""",
    ),
    Invariant(
        "I6",
        "a capture or void is declined, or given up",
        """SELECT d.id::text AS record, 'a ' || d.kind || ' that nothing declines' AS problem FROM declined_sessions d
        WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.record = 'declined' AND j.record_id = d.id::text)
        OR NOT EXISTS (SELECT FROM jobs j WHERE j.record = 'declined' AND j.record_id = d.id::text
                AND j.status <> 'done')
            AND NOT EXISTS (SELECT FROM shopify_mutations m
                WHERE m.record = 'declined' AND m.record_id = d.id::text AND m.acknowledged_at IS NOT NULL)""",
    ),
    Invariant(
        "I6",
        "a transaction that is not final is watched",
        """SELECT signature AS record, 'not final, and not watched' AS problem
        FROM issued_transactions WHERE final = (poll_at IS NOT NULL)""",
    ),
    Invariant(
        "I6",
        "an event that came in is processed, or given up",
        """SELECT id::text AS record, 'an event that nothing processes' AS problem FROM inbox_events e
        WHERE processed_at IS NULL AND NOT EXISTS (SELECT FROM jobs j
            WHERE j.record = 'inbox' AND j.record_id = e.id::text AND j.status <> 'done')""",
    ),
    Invariant(
        "I6",
        "a request for privacy has a job until it is done",
        """SELECT p.id::text AS record, 'a request for privacy that no job will do' AS problem FROM privacy_requests p
        WHERE done_at IS NULL AND NOT EXISTS (SELECT FROM jobs j WHERE j.record = 'privacy_request'
            AND j.record_id = p.id::text AND j.status IN ('waiting', 'running'))""",
    ),
    *_of_each(
        "I7",
        "a {kind}'s last event says its status",
        """SELECT r.id AS record,
            'its status is ' || r.status || ', its last event says ' || coalesce(e.to_status, 'nothing') AS problem
        FROM {table} r LEFT JOIN LATERAL (
            SELECT to_status FROM events WHERE record = '{kind}' AND record_id = r.id AND to_status IS NOT NULL
            ORDER BY id DESC LIMIT 1
        ) e ON true WHERE e.to_status IS DISTINCT FROM r.status::text""",
    ),
    Invariant(
        "I7",
        "trouble that is dealt with has an event that says by whom",
        """SELECT id AS record, 'noted as dealt with, and no event says by whom' AS problem FROM payments p
        WHERE attended_at IS NOT NULL AND NOT EXISTS (SELECT FROM events
            WHERE record = 'payment' AND record_id = p.id AND kind = 'attended' AND at = p.attended_at)""",
    ),
    Invariant(
        "I8",
        "a history is a path in its lifecycle's table",
        _PATHS,
    ),
)
