"""Answering a transaction request: refuse early and kindly, screen, build, and store before handing out."""

from datetime import datetime

import msgspec
from solders.pubkey import Pubkey

from app import metrics
from app.database import Connection
from app.logs import bind_contextvars, get_logger
from app.money import format_amount, format_usdc
from app.payments import pinning, quotes, refusals
from app.payments.issued import store_issued
from app.payments.quotas import Ask, Cost, check_quotas, digest_network
from app.payments.rejection import screen_out
from app.payments.transfers import plan_of, transfer_of
from app.records import IssuedTransaction, Merchant, MerchantStatus, Payment, PaymentGroup, PaymentStatus, Row
from app.system import System
from chain.addresses import check_wallet, parse_wallet
from chain.errors import FeePayerUnavailable, NodeError, OrderAlreadyBeingPaid
from chain.fee_payer import FeePayer
from chain.fees import transaction_fee
from chain.payment_transaction import SIGNATURES, SignedTransaction, TransferPlan, issue_transaction
from chain.preflight import addresses_of, check_accounts
from chain.programs import BLOCKHASH_LIFE_BLOCKS
from chain.snapshot import ChainSnapshot

S = PaymentStatus

_ISSUED = metrics.transaction_requests_total.labels("issued")

# Whole rows as composites: one round trip, and no column of one table hides another's.
_CASE = """p AS payment, g AS payment_group, m AS merchant,
    EXISTS (SELECT FROM issuing_pauses s WHERE s.cluster = p.cluster AND s.lifted_at IS NULL) AS is_paused"""
_OF_PAYMENT = """
FROM payments p JOIN payment_groups g ON g.id = p.group_id JOIN merchants m ON m.id = p.merchant_id WHERE p.id = $1
"""
_READ = f"SELECT {_CASE} {_OF_PAYMENT}"
# Keys and single-use addresses of the past are ours, too.
_READ_FOR_WALLET = f"""
SELECT {_CASE},
    ARRAY(SELECT i FROM issued_transactions i WHERE i.payment_id = p.id AND i.fate = 'live' ORDER BY i.id DESC) AS live,
    EXISTS (SELECT FROM payment_groups WHERE address = $2 OR base = $2)
        OR EXISTS (SELECT FROM former_pins WHERE address = $2 OR base = $2) AS is_ours
{_OF_PAYMENT}
"""  # noqa: S608  # constants of ours

# The group before the payment, always: whoever decides a group's winner locks in the same order. The payment's row is
# locked at the very end of the statement, when the group's has come out of its own locking.
_LOCK = """
SELECT FROM payments p JOIN (SELECT id FROM payment_groups WHERE id = $1 FOR UPDATE) g ON g.id = p.group_id
WHERE p.id = $2 FOR UPDATE OF p
"""


class Case(msgspec.Struct, frozen=True):
    """A payment with its group and its merchant; `is_paused`: nothing is issued on its cluster (app/restores.py)."""

    payment: Payment
    group: PaymentGroup
    merchant: Merchant
    is_paused: bool


class Standing(msgspec.Struct, frozen=True):
    """A case as it stands for the wallet that asks: what is live for the payment, newest first, and who the wallet is.

    `is_ours`: the wallet's address is, or was, a fee payer's or a single-use account's.
    """

    case: Case
    live: list[IssuedTransaction]
    is_ours: bool


class Offer(msgspec.Struct, frozen=True):
    """A transaction for the customer's wallet to sign (wire format), and the sentence shown with it."""

    transaction: bytes
    message: str


async def offer_transaction(system: System, payment_id: str, account: str, network_address: str | None = None) -> Offer:
    """Give a wallet (base58) a transaction that pays this payment, or say why not.

    `network_address`: where the request comes from, when that is known. Raises what app/payments/refusals.py lists,
    chain.errors.Refused, ScreeningUnavailable or PriceUnavailable.
    """
    return await _offer_transaction(system, payment_id, account, network_address, may_pin=True)


async def _offer_transaction(
    system: System, payment_id: str, account: str, network_address: str | None, *, may_pin: bool
) -> Offer:
    wallet = parse_wallet(account)
    async with system.database.acquire() as connection:
        standing = await _read_standing(connection, payment_id, account)
    case = standing.case
    bind_contextvars(payment_id=payment_id, wallet=account)
    _check_payable(case, system.clock.now())
    _check_wallet(system, standing, wallet)
    parts = system.clusters[case.payment.cluster]
    fee_payer = parts.fee_payers.issuer(case.group.base)
    if fee_payer is None:
        # Its key leaked, or was replaced and is not here.
        get_logger().error("fee_payer_unusable", group=case.group.id, base=case.group.base)
        cause = pinning.Cause.fee_payer
        pinned = await pinning.pin_anew(system, parts, case.group, payment_id, case.merchant.shop, cause)
        case, fee_payer = msgspec.structs.replace(case, group=pinned), parts.fee_payers.issuer(pinned.base)
        if fee_payer is None:
            # Another process was faster, and has other keys.
            raise refusals.PaymentInPreparation
    try:
        earlier = _still_good(system, standing, account, await parts.snapshots.get(0, 0))
        if earlier is not None:
            return _offer(case, earlier.usdc, earlier.message)
        payment = await quotes.ensure_quote(system, case.payment)
        if not quotes.is_current(payment, system.clock.now()):
            raise refusals.PriceChanged
        verdict = await system.screener.screen(account)
        if verdict.flagged:
            await screen_out(system, payment_id, account, verdict)
            raise refusals.WalletScreenedOut
        transfer = transfer_of(payment, case.group, wallet)
        # The one call that a warm request makes; its slot also tells whether the blockhash at hand is fresh enough.
        view = await parts.node.accounts([*addresses_of(transfer), fee_payer.address], "confirmed")
        *accounts, purse = view.accounts
        try:
            check_accounts(transfer, accounts)
        except OrderAlreadyBeingPaid:
            if not may_pin:
                raise
            # The single-use account exists. When nothing of ours made it, the order gets another one.
            await pinning.leave_occupied(system, parts, case.group, payment_id, case.merchant.shop)
            return await _offer_transaction(system, payment_id, account, network_address, may_pin=False)
        snapshot = await parts.snapshots.get(view.slot, system.settings.snapshot_age_slots)
    except NodeError as error:
        raise refusals.ChainUnavailable from error
    plan = plan_of(transfer, payment, case.group, snapshot, system.settings.compute_unit_limit)
    signed = await _sign(plan, fee_payer)
    cost = Cost(
        fee=transaction_fee(SIGNATURES, plan.compute_unit_limit, plan.compute_unit_price), rent=plan.rent_lamports
    )
    balance = purse.lamports if purse else 0
    if fee_payer is parts.fee_payer:
        parts.purse.lamports, parts.purse.last_fee = balance, cost.fee
    secret = bytes.fromhex(system.settings.derivation_secret)
    ask = Ask(
        payment=payment,
        wallet=account,
        network=digest_network(secret, network_address),
        fee_payer=case.group.base,
        cost=cost,
        balance=balance,
    )
    earlier = await _store(system, case, ask, signed, snapshot)
    get_logger().info("transaction_issued", signature=signed.signature, usdc=payment.usdc, reused=earlier is not None)
    return _offer(case, transfer.amount, earlier.message if earlier else signed.wire)


async def read_case(connection: Connection, payment_id: str) -> Case:
    """Raises PaymentNotFound."""
    return _case_of(await connection.fetchrow(_READ, payment_id))


async def _read_standing(connection: Connection, payment_id: str, account: str) -> Standing:
    """Raises PaymentNotFound."""
    row = await connection.fetchrow(_READ_FOR_WALLET, payment_id, account)
    case = _case_of(row)
    assert row is not None
    return Standing(case, [IssuedTransaction.from_row(issued) for issued in row["live"]], row["is_ours"])


def _case_of(row: Row | None) -> Case:
    if row is None:
        raise refusals.PaymentNotFound
    return Case(
        Payment.from_row(row["payment"]),
        PaymentGroup.from_row(row["payment_group"]),
        Merchant.from_row(row["merchant"]),
        row["is_paused"],
    )


def _check_payable(case: Case, now: datetime) -> None:
    payment = case.payment
    if case.group.winner_id is not None or payment.status in (S.paid, S.completed, S.superseded):
        raise refusals.OrderAlreadyPaid
    if payment.status in (S.rejecting, S.rejected):
        raise refusals.PaymentRefused
    if payment.status is S.stuck:
        raise refusals.PaymentUnderReview
    if payment.status is S.expired or now >= payment.expires_at:
        raise refusals.PaymentExpired
    if case.merchant.status is not MerchantStatus.active or case.merchant.token_sealed is None:
        raise refusals.MerchantClosed
    if case.is_paused:
        raise refusals.IssuingPaused


def _check_wallet(system: System, standing: Standing, wallet: Pubkey) -> None:
    """Raises OwnAddress or MerchantWallet."""
    own = {address for parts in system.clusters.values() for address in parts.fee_payers.addresses}
    if standing.is_ours:
        own.add(wallet)
    check_wallet(wallet, own=own, merchant=Pubkey.from_string(standing.case.payment.merchant_wallet))


async def _sign(plan: TransferPlan, fee_payer: FeePayer) -> SignedTransaction:
    """Raises IssuingPaused when whoever keeps the key does not sign."""
    try:
        return await issue_transaction(plan, fee_payer)
    except FeePayerUnavailable as error:
        get_logger().error("fee_payer_unavailable", problem=error.message)
        raise refusals.IssuingPaused from error


async def _store(
    system: System, case: Case, ask: Ask, signed: SignedTransaction, snapshot: ChainSnapshot
) -> IssuedTransaction | None:
    """Check everything again, and last, under the locks, and store; or return the wallet's earlier transaction."""
    payment = ask.payment
    async with system.database.transaction() as connection:
        await connection.execute(_LOCK, case.group.id, payment.id)
        standing = await _read_standing(connection, payment.id, ask.wallet)
        current, now = standing.case, system.clock.now()
        _check_payable(current, now)
        if current.payment.usdc != payment.usdc or not quotes.is_current(current.payment, now):
            raise refusals.PriceChanged
        earlier = _still_good(system, standing, ask.wallet, snapshot)
        if earlier is not None:
            return earlier
        if current.group.address != case.group.address:
            raise refusals.PaymentInPreparation
        await check_quotas(system, connection, ask, now)
        stored = await store_issued(
            connection,
            payment,
            case.group,
            ask.wallet,
            signed,
            snapshot.blockhash,
            cost=ask.cost,
            network=ask.network,
            at=now,
        )
        if not stored:
            raise refusals.BlockhashUsed
    _ISSUED.inc()
    return None


def _still_good(system: System, standing: Standing, account: str, snapshot: ChainSnapshot) -> IssuedTransaction | None:
    """The wallet's own live transaction, while enough blocks are left to sign it in peace."""
    height = snapshot.blockhash.last_valid_block_height - BLOCKHASH_LIFE_BLOCKS
    for issued in standing.live:
        left = issued.last_valid_block_height - height
        if issued.wallet == account and left >= system.settings.reuse_blocks:
            return issued
    return None


def _offer(case: Case, usdc: int, wire: bytes) -> Offer:
    # The price may have been quoted anew since the page was looked at, so the wallet says both figures.
    amount = format_amount(case.payment.amount, case.payment.currency)
    return Offer(wire, f"{case.merchant.display_name}: {amount} ({format_usdc(usdc)} USDC)")
