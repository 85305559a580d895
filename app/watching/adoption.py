"""Adoption: a transaction that our books lost, and that paid a record of theirs, is taken into them.

After a restore from backup the sweep finds what landed in the lost hours, and makes the orders wait for a person
(app/watching/unknown.py). The person names the transaction, and it is adopted if this can be proven (V26 of
chain/RULES.md): it landed at finalized as two nodes show it, a key of ours that did not leak signed it, it made a
single-use account of its order's own, and by chain/verification.py it pays exactly one record. Then the record goes its
usual way, in the same transaction of the database. Else nothing changes.
"""

from decimal import Decimal
from math import inf

import msgspec

from app.clusters import ClusterParts
from app.database import Connection
from app.errors import SettleError
from app.events import ADOPTED
from app.logs import get_logger
from app.money import USDC_UNIT, format_usdc
from app.payments import lifecycle as payments
from app.payments.quotes import note_price_paid
from app.payments.terms import terms_of as terms_of_payment
from app.records import (
    Cluster,
    Fate,
    IssuedTransaction,
    Merchant,
    Payment,
    PaymentGroup,
    PaymentStatus,
    RecordKind,
    Refund,
    Row,
    UnknownSignature,
)
from app.refunds.issuing import open_group
from app.refunds.terms import terms_of as terms_of_refund
from app.system import System
from app.transactions.issued import set_fate, store_issued
from app.transactions.pinning import lock_group, pin_as_landed
from app.transactions.purpose import Purpose, Terms
from app.transactions.quotas import Ask, Cost
from app.transactions.transfers import expected_of
from app.watching.settlement import lock_purpose, settle
from chain.agreement import Accord, read_landed
from chain.claim import Claim, read_claim
from chain.errors import WrongAmount, WrongFeePayer, WrongInstructions
from chain.node import Blockhash
from chain.payment_transaction import SignedTransaction, unsign
from chain.pool import MAX_LAG_SLOTS
from chain.programs import BLOCKHASH_LIFE_BLOCKS
from chain.settled import SettledTransaction
from chain.verification import verify_settled

_LISTED = "SELECT * FROM unknown_signatures WHERE signature = $1 AND status IN ('open', 'reviewed')"
_CLOSE = """
UPDATE unknown_signatures SET status = 'adopted', updated_at = $2
WHERE signature = $1 AND status IN ('open', 'reviewed') RETURNING id
"""
# The memo is the records' own secret, until it is on the chain.
_FIND = """
SELECT p AS payment, NULL::refunds AS refund, m AS merchant
FROM payments p JOIN merchants m ON m.id = p.merchant_id WHERE p.memo = $1 AND p.cluster = $2
UNION ALL
SELECT NULL, r, m FROM refunds r JOIN payments p ON p.id = r.payment_id JOIN merchants m ON m.id = r.merchant_id
WHERE r.memo = $1 AND p.cluster = $2
"""
_QUOTED = """
SELECT (detail->>'usdc')::bigint AS usdc FROM events
WHERE record = 'payment' AND record_id = $1 AND kind IN ('quoted', 'issued')
"""
# Those that wait for a person because of this very transaction.
_WAITING = """
SELECT id FROM payments p WHERE group_id = $1 AND status = 'stuck' AND stuck_reason = 'landed_unknown' AND EXISTS (
    SELECT FROM events WHERE record = 'payment' AND record_id = p.id AND to_status = 'stuck'
        AND detail->>'signature' = $2) ORDER BY id
"""


class NotListed(SettleError):
    """{signature} is not among the transactions of ours that the books lack. `settle unknown` lists those."""

    reason = "not_listed"
    status = 404


class NotAgreed(SettleError):
    """The nodes do not show it alike at finalized ({accord}). Try again when they do."""

    reason = "not_agreed"
    status = 503


class KeyLeaked(SettleError):
    """The key of {fee_payer} leaked, so its signature does not show that Settle made this, and screened who paid."""

    reason = "key_leaked"
    status = 409


class RecordUnknown(SettleError):
    """No payment and no refund in the books has its memo: they lost that one, too."""

    reason = "record_unknown"
    status = 404


class SingleUseForeign(SettleError):
    """Its single-use account {address} is none that its order ever had, nor the one that it would get next."""

    reason = "single_use_foreign"
    status = 409


class RentReturned(SettleError):
    """By the books the rent of its order was taken back before, so something else must have paid the order."""

    reason = "rent_returned"
    status = 409


class PriceLost(SettleError):
    """It moved {found} USDC, the books have {known} for {amount} {currency}. If it was right, say --usdc {found}."""

    reason = "price_lost"
    status = 409


class Adopted(msgspec.Struct, frozen=True):
    """The record that a transaction was found to be of, and the status and exception that it has now."""

    record: RecordKind
    id: str
    status: str
    exception: str
    wallet: str
    usdc: int


async def adopt(system: System, signature: str, said_usdc: Decimal | None = None) -> Adopted:
    """Take a transaction of ours that the books lack into them, and let what it paid go its way.

    `said_usdc`: a person's word for what the payment cost, which counts only where the books lost that, too. Raises one
    of the errors above, OrderOpen, the chain.errors.Unverified that it breaks, or NodeError.
    """
    unknown, parts = await _find_listed(system, signature)
    transaction = await _read(parts, signature)
    claim = read_claim(transaction)
    if str(claim.fee_payer) != unknown.fee_payer:
        raise WrongFeePayer(found=claim.fee_payer, expected=unknown.fee_payer)
    if unknown.fee_payer in parts.fee_payers.leaked:
        raise KeyLeaked(fee_payer=unknown.fee_payer)
    height = (await parts.node.epoch_info("confirmed")).block_height
    # Others of its order may be lost as well. None has a later last block than what could be made now.
    last_valid = height + BLOCKHASH_LIFE_BLOCKS + MAX_LAG_SLOTS
    blockhash = Blockhash(claim.blockhash, last_valid, transaction.slot)
    now = system.clock.now()
    async with system.database.transaction() as connection:
        terms, group = await _find_record(system, connection, parts.cluster, claim)
        if claim.opens_destination and terms.record is RecordKind.payment:
            raise WrongInstructions(found="one that opens a token account")
        ask = Ask(
            terms=msgspec.structs.replace(terms, usdc=claim.amount),
            group=group,
            wallet=str(claim.wallet),
            network=None,
            fee_payer=group.base,
            cost=Cost(fee=claim.fee_lamports, rent=claim.rent_lamports),
            balance=0,
            opens_account=claim.opens_destination,
        )
        signed = SignedTransaction(signature, unsign(transaction.message, transaction.signatures[0]))
        closed = await connection.fetchval(_CLOSE, signature, now)
        if closed is None or not await store_issued(connection, ask, signed, blockhash, at=now, event=ADOPTED):
            raise NotListed(signature=signature)
        row = await connection.fetchrow(
            "UPDATE issued_transactions SET seen_by = 'sweep' WHERE signature = $1 RETURNING *", signature
        )
        assert row is not None
        issued = IssuedTransaction.from_row(row)
        purpose = await lock_purpose(connection, issued)
        await _check_price(system, connection, purpose, claim, said_usdc)
        verify_settled(transaction, expected_of(purpose.terms, issued))
        await settle(system, connection, issued, purpose)
        await set_fate(connection, issued, Fate.landed, final=True, at=now, slot=transaction.slot)
        await _release_siblings(system, connection, issued)
        after = (await lock_purpose(connection, issued)).record
    get_logger().warning("adopted", signature=signature, cluster=parts.cluster, **{f"{terms.record}_id": terms.id})
    return Adopted(terms.record, terms.id, after.status, after.exception, issued.wallet, issued.usdc)


async def _find_listed(system: System, signature: str) -> tuple[UnknownSignature, ClusterParts]:
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_LISTED, signature)
    if row is None or row["cluster"] not in system.clusters:
        raise NotListed(signature=signature)
    unknown = UnknownSignature.from_row(row)
    return unknown, system.clusters[unknown.cluster]


async def _read(parts: ClusterParts, signature: str) -> SettledTransaction:
    """The transaction at finalized. One node of several is never enough here, however long the others are away."""
    landing = await read_landed(parts.node, signature, "finalized", inf)
    if landing.accord is not Accord.AGREED or landing.transaction is None:
        raise NotAgreed(accord=landing.accord)
    return landing.transaction


async def _find_record(
    system: System, connection: Connection, cluster: Cluster, claim: Claim
) -> tuple[Terms, PaymentGroup]:
    """The one record whose memo it has, with its group as it was then, which is locked."""
    rows = await connection.fetch(_FIND, claim.memo, cluster)
    if len(rows) != 1:
        raise RecordUnknown
    [row] = rows
    merchant = Merchant.from_row(row["merchant"])
    terms, group = await _open_group(system, connection, cluster, claim, merchant, row)
    if await connection.fetchval("SELECT EXISTS (SELECT FROM reclaimed_accounts WHERE group_id = $1)", group.id):
        raise RentReturned
    pinned = await pin_as_landed(system, connection, terms, merchant.shop, group, claim.single_use)
    if pinned is None:
        raise SingleUseForeign(address=claim.single_use.address)
    return terms, pinned


async def _open_group(
    system: System, connection: Connection, cluster: Cluster, claim: Claim, merchant: Merchant, row: Row
) -> tuple[Terms, PaymentGroup]:
    if row["refund"] is None:
        payment = Payment.from_row(row["payment"])
        return terms_of_payment(payment), await lock_group(connection, payment.group_id)
    refund = Refund.from_row(row["refund"])
    if refund.group_id is not None:
        return terms_of_refund(refund), await lock_group(connection, refund.group_id)
    # As far as the books know nobody ever asked to pay it.
    return terms_of_refund(refund), await open_group(system, connection, refund, merchant, cluster, claim.fee_payer)


async def _check_price(
    system: System, connection: Connection, purpose: Purpose, claim: Claim, said_usdc: Decimal | None
) -> None:
    """The amount must be a price that the books have or had; or, where prices end, one that a person says was right."""
    terms, record = purpose.terms, purpose.record
    if terms.usdc == claim.amount:
        return
    is_for_good = not isinstance(record, Payment) or (record.usdc is not None and record.quote_expires_at is None)
    if is_for_good:
        raise WrongAmount(found=claim.amount, expected=terms.usdc)
    quoted = {row["usdc"] for row in await connection.fetch(_QUOTED, record.id)}
    if claim.amount not in quoted and (said_usdc is None or said_usdc * USDC_UNIT != claim.amount):
        raise PriceLost(
            found=format_usdc(claim.amount),
            known="none" if terms.usdc is None else f"{format_usdc(terms.usdc)} USDC",
            amount=f"{record.amount.normalize():f}",
            currency=record.currency,
        )
    await note_price_paid(connection, record, claim.amount, at=system.clock.now())


async def _release_siblings(system: System, connection: Connection, issued: IssuedTransaction) -> None:
    """Whether this order's other sessions were paid is known now."""
    group = await lock_group(connection, issued.group_id)
    if group.won_signature != issued.signature:
        return
    for waiting in await connection.fetch(_WAITING, issued.group_id, issued.signature):
        await payments.move(
            connection,
            waiting["id"],
            PaymentStatus.superseded,
            at=system.clock.now(),
            only_from=frozenset({PaymentStatus.stuck}),
            detail={"winner": group.winner_id},
            stuck_reason=None,
        )
