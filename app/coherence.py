"""The coherence checker: where the invariants of our records (app/invariants.py) do not hold.

It takes no more memory for a million payments than for a thousand: the database goes through the records, and what it
finds is read row by row.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from app.database import open_connection
from app.invariants import INVARIANTS, Invariant
from app.payments.terms import terms_of as terms_of_payment
from app.records import Cluster, IssuedTransaction, Payment, Refund, Row
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


# Told of every claim before it is checked.
Progress = Callable[[Invariant], None]

_PAID = """
SELECT i.id, p AS payment, r AS refund, i AS issued
FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
LEFT JOIN payments p ON p.paid_signature = i.signature LEFT JOIN refunds r ON r.paid_signature = i.signature
WHERE (p.status IN ('paid', 'completed') AND p.exception <> 'vanished'
    OR r.status IN ('paid', 'completed') AND r.exception <> 'vanished') AND g.cluster = $1 AND i.id > $2
    -- Of what was erased, the chain alone knows who paid whom.
    AND i.message <> ''
ORDER BY i.id LIMIT $3
"""
# Transactions read from the database at a time, and asked for on the chain at a time.
_PAGE = 128
AT_ONCE = 16


async def check_records(system: System, progress: Progress | None = None) -> AsyncIterator[Violation]:
    """Every violation that the database alone shows. Changes nothing; others may work meanwhile.

    Each claim is looked at by one statement, so within one moment.
    """
    # Going through a whole table takes as long as it takes, and the memory of one sort.
    connection = await open_connection(
        system.settings.database_url,
        application_name="settle check",
        default_transaction_read_only="on",
        statement_timeout="0",
        work_mem="64MB",
        jit="off",
    )
    try:
        for invariant in INVARIANTS:
            if progress is not None:
                progress(invariant)
            async with connection.transaction():
                async for row in connection.cursor(invariant.query):
                    yield Violation(invariant.name, row["record"], row["problem"])
    finally:
        await connection.close()


async def check_chain(system: System) -> AsyncIterator[Violation]:
    """I3 against the chain: what paid each payment and refund is read back and verified anew."""
    for cluster in system.clusters:
        after = 0
        while True:
            async with system.database.acquire() as connection:
                rows = await connection.fetch(_PAID, cluster, after, _PAGE)
            for start in range(0, len(rows), AT_ONCE):
                for violation in await asyncio.gather(
                    *(_verify(system, cluster, row) for row in rows[start : start + AT_ONCE])
                ):
                    if violation is not None:
                        yield violation
            if len(rows) < _PAGE:
                break
            after = rows[-1]["id"]


async def _verify(system: System, cluster: Cluster, row: Row) -> Violation | None:
    issued, terms = IssuedTransaction.from_row(row["issued"]), _terms_of(row)
    problem = await _find_problem(system, cluster, terms, issued)
    return None if problem is None else Violation("I3", terms.id, problem)


def _terms_of(row: Row) -> Terms:
    if row["refund"] is not None:
        return terms_of_refund(Refund.from_row(row["refund"]))
    return terms_of_payment(Payment.from_row(row["payment"]))


async def _find_problem(system: System, cluster: Cluster, terms: Terms, issued: IssuedTransaction) -> str | None:
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
