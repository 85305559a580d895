"""The intake: refund sessions that arrive together are opened by one transaction, under their payments' locks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct
from solders.pubkey import Pubkey

from app import events
from app.batching import Batching
from app.database import Connection, Database
from app.errors import SettleError
from app.identifiers import new_memo, new_reference, new_refund_id
from app.money import format_amount
from app.privacy.nobody import NOBODY
from app.records import Cluster, JobKind, PaymentException, Refund, RefundException, RefundStatus, Row
from app.refunds import refusals
from app.refunds.allotment import Share, allot
from app.shopify.payloads import RefundSession
from chain.addresses import token_account

# The payments' rows stay locked until the refunds are stored, so nobody else allots of the same money meanwhile. They
# are taken in one order, so that two processes do not wait for each other.
_PAYMENT = """
    p.id, p.shopify_id, p.merchant_id, m.shop, p.cluster, p.amount, p.currency, p.mint, p.paid_wallet, p.exception,
    i.usdc AS paid_usdc
"""
_LOCK = f"""
SELECT {_PAYMENT} FROM payments p JOIN merchants m ON m.id = p.merchant_id
LEFT JOIN issued_transactions i ON i.signature = p.paid_signature
WHERE p.shopify_id = ANY($1) ORDER BY p.id FOR UPDATE OF p
"""  # noqa: S608  # a constant of ours
_KNOWN = f"""
SELECT r AS refund, {_PAYMENT} FROM refunds r JOIN payments p ON p.id = r.payment_id
JOIN merchants m ON m.id = r.merchant_id LEFT JOIN issued_transactions i ON i.signature = p.paid_signature
WHERE r.shopify_id = ANY($1)
"""  # noqa: S608
# What is not rejected is given back, or still may be.
_GIVEN = """
SELECT payment_id, sum(amount) AS amount, sum(usdc)::bigint AS usdc FROM refunds
WHERE payment_id = ANY($1) AND usdc IS NOT NULL AND status <> 'rejected' GROUP BY payment_id
"""
_INSERT = """
WITH asked AS (
    SELECT a.* FROM jsonb_to_recordset($1) AS a(
        id text, shopify_id text, gid text, payment_id text, merchant_id bigint, api_version text, amount numeric,
        usdc bigint, status refund_status, exception refund_exception, payee_wallet text, destination text, mint text,
        memo text, reference text, merchant_message text, proposed_at timestamptz, created_at timestamptz
    )
), opened AS (
    INSERT INTO refunds (id, shopify_id, gid, payment_id, merchant_id, api_version, amount, usdc, status, exception,
        payee_wallet, destination, mint, memo, reference, merchant_message, proposed_at, created_at, updated_at)
    SELECT id, shopify_id, gid, payment_id, merchant_id, api_version, amount, usdc, status, exception, payee_wallet,
        destination, mint, memo, reference, merchant_message, proposed_at, created_at, created_at
    FROM asked ORDER BY shopify_id
    -- Opened by another process since we looked, for another payment: that one's lock is not ours.
    ON CONFLICT (shopify_id) DO NOTHING RETURNING *
), noted AS (
    INSERT INTO events (record, record_id, kind, to_status, detail, at)
    SELECT 'refund', id, $2, status::text, jsonb_build_object('payment_id', payment_id,
        'amount', trim_scale(amount)::text, 'usdc', usdc), created_at
    FROM opened
), told AS (
    INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, created_at, updated_at)
    SELECT $3, 'refund', id, 'waiting', 0, created_at + $4::interval, created_at, created_at
    FROM opened WHERE status = 'rejecting'
)
SELECT shopify_id FROM opened
"""


@dataclass(frozen=True)
class AskedRefund:
    """A refund session as a shop sent it."""

    shop: str
    api_version: str
    session: RefundSession
    now: datetime


class RefundedPayment(Struct, frozen=True):
    """What a refund rests on of its payment. `paid_usdc`: what was received, in base units; None: nothing."""

    id: str
    shopify_id: str
    merchant_id: int
    shop: str
    cluster: Cluster
    amount: Decimal
    currency: str
    mint: str
    paid_wallet: str | None
    exception: PaymentException
    paid_usdc: int | None

    @classmethod
    def of(cls, row: Row) -> "RefundedPayment":
        values = {name: row[name] for name in cls.__struct_fields__}
        return cls(**values | {"cluster": Cluster(row["cluster"]), "exception": PaymentException(row["exception"])})

    @property
    def paid(self) -> Share | None:
        """What can be given back, with its amount. Money that vanished is not there."""
        if self.paid_usdc is None or self.exception is PaymentException.vanished:
            return None
        return Share(self.amount, self.paid_usdc)


@dataclass(frozen=True)
class OpenedRefund:
    """The refund of a session with its payment, and whether this request made it."""

    refund: Refund
    payment: RefundedPayment
    created: bool


@dataclass(frozen=True)
class Refusal:
    """Why there can be no refund. `payment_id`: our id of the payment that was named, where there is one."""

    error: SettleError
    payment_id: str | None


class RefundIntake(Batching[AskedRefund, OpenedRefund | Refusal]):
    """Opens refunds: a session's refund, or the refusal that says why there can be none.

    A reject that follows at once waits for `grace`, until our answer to the session has arrived.
    """

    def __init__(self, database: Database, grace: timedelta) -> None:
        super().__init__(database)
        self._grace = grace

    def _key(self, asked: AskedRefund) -> str:
        return asked.session.id

    def _marks(self, asked: AskedRefund) -> set[tuple[object, ...]]:
        return {(asked.session.id,)}

    async def _make(self, batch: Sequence[AskedRefund]) -> Mapping[str, OpenedRefund | Refusal]:
        async with self._database.transaction() as connection:
            tills = await _lock_tills(connection, [asked.session.payment_id for asked in batch])
            made: dict[str, OpenedRefund | Refusal] = {}
            made |= await _find_known(connection, [asked.session.id for asked in batch])
            fresh: dict[str, OpenedRefund] = {}
            for asked in batch:
                if asked.session.id in made:
                    continue
                till = tills.get(asked.session.payment_id)
                refusal = _check(asked, till)
                if refusal is not None:
                    made[asked.session.id] = refusal
                elif till is not None:
                    refund = _make_refund(asked, till)
                    fresh[refund.shopify_id] = OpenedRefund(refund, till.payment, created=True)
            if fresh:
                refunds = [opened.refund for opened in fresh.values()]
                rows = await connection.fetch(_INSERT, refunds, events.CREATED, JobKind.refund_reject, self._grace)
                made |= {row["shopify_id"]: fresh[row["shopify_id"]] for row in rows}
                if missed := [name for name in fresh if name not in made]:
                    made |= await _find_known(connection, missed)
        return made


@dataclass
class _Till:
    """A payment, locked, and what has been given back of it."""

    payment: RefundedPayment
    given_back: Share


async def _lock_tills(connection: Connection, payments: Sequence[str]) -> dict[str, _Till]:
    """The payments by Shopify's ids; those that nobody knows are missing."""
    tills = [_Till(RefundedPayment.of(row), Share(Decimal(0), 0)) for row in await connection.fetch(_LOCK, payments)]
    by_id = {till.payment.id: till for till in tills}
    for row in await connection.fetch(_GIVEN, list(by_id)):
        by_id[row["payment_id"]].given_back = Share(row["amount"], row["usdc"])
    return {till.payment.shopify_id: till for till in tills}


async def _find_known(connection: Connection, ids: Sequence[str]) -> dict[str, OpenedRefund]:
    rows = await connection.fetch(_KNOWN, ids)
    known = [OpenedRefund(Refund.from_row(row["refund"]), RefundedPayment.of(row), created=False) for row in rows]
    return {opened.refund.shopify_id: opened for opened in known}


def _check(asked: AskedRefund, till: _Till | None) -> Refusal | None:
    session = asked.session
    if till is None or till.payment.shop != asked.shop:
        # Another shop's payment is named in the event, and nowhere else.
        unknown = refusals.RefundPaymentUnknown(payment=session.payment_id)
        return Refusal(unknown, till.payment.id if till else None)
    if (till.payment.cluster is Cluster.test) != session.test:
        return Refusal(refusals.RefundTestDiffers(), till.payment.id)
    if session.currency != till.payment.currency:
        return Refusal(refusals.RefundCurrencyDiffers(currency=till.payment.currency), till.payment.id)
    if till.payment.paid is None:
        return Refusal(refusals.PaymentNotPaid(), till.payment.id)
    if till.payment.paid_wallet == NOBODY:
        return Refusal(refusals.PayeeErased(), till.payment.id)
    return None


def _make_refund(asked: AskedRefund, till: _Till) -> Refund:
    """Allots, and remembers in the till what was allotted."""
    session, payment, paid = asked.session, till.payment, till.payment.paid
    assert paid is not None
    assert payment.paid_wallet is not None
    usdc = allot(paid, till.given_back, session.amount)
    message = None
    if usdc:
        till.given_back = Share(till.given_back.amount + session.amount, till.given_back.usdc + usdc)
    elif usdc is None:
        left = format_amount(paid.amount - till.given_back.amount, payment.currency)
        message = f"This refund is larger than what is left of the payment, {left}."
    else:
        message = "This amount is less than the smallest unit of USDC, so there is nothing to send."
    payee, mint = Pubkey.from_string(payment.paid_wallet), Pubkey.from_string(payment.mint)
    return Refund(
        id=new_refund_id(),
        shopify_id=session.id,
        gid=session.gid,
        payment_id=payment.id,
        merchant_id=payment.merchant_id,
        api_version=asked.api_version,
        amount=session.amount,
        usdc=usdc or None,
        status=RefundStatus.pending if usdc else RefundStatus.rejecting,
        exception=RefundException.none,
        payee_wallet=payment.paid_wallet,
        destination=str(token_account(payee, mint)),
        mint=payment.mint,
        memo=new_memo(),
        reference=new_reference(),
        merchant_message=message,
        paid_signature=None,
        paid_wallet=None,
        stuck_reason=None,
        attended_at=None,
        proposed_at=session.proposed_at,
        created_at=asked.now,
        updated_at=asked.now,
        group_id=None,
        paid_at=None,
    )
