"""Answering a transaction request: refuse early and kindly, screen, build, and store before handing out."""

from dataclasses import dataclass, replace

from solders.pubkey import Pubkey

from app import metrics
from app.database import Connection
from app.logs import bind_contextvars, get_logger
from app.money import format_amount, format_usdc
from app.payments import pinning, quotes, refusals
from app.payments.issued import live_transactions, store_issued
from app.payments.quotas import Ask, Cost, check_quotas, digest_network
from app.payments.rejection import screen_out
from app.payments.transfers import plan_of, transfer_of
from app.records import IssuedTransaction, Merchant, MerchantStatus, Payment, PaymentGroup, PaymentStatus
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

# Whole rows as composites: one round trip, and no column of one table hides another's.
_READ = """
SELECT p AS payment, g AS payment_group, m AS merchant
FROM payments p JOIN payment_groups g ON g.id = p.group_id JOIN merchants m ON m.id = p.merchant_id WHERE p.id = $1
"""

# The group before the payment, always: whoever decides a group's winner locks in the same order.
_LOCK_GROUP = "SELECT FROM payment_groups WHERE id = $1 FOR UPDATE"
_LOCK_PAYMENT = "SELECT FROM payments WHERE id = $1 FOR UPDATE"

_IS_OURS = """
SELECT EXISTS (SELECT FROM payment_groups WHERE address = $1 OR base = $1)
    OR EXISTS (SELECT FROM former_pins WHERE address = $1 OR base = $1)
"""


@dataclass(frozen=True)
class Case:
    """A payment with its group and its merchant."""

    payment: Payment
    group: PaymentGroup
    merchant: Merchant


@dataclass(frozen=True)
class Offer:
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
        case = await read_case(connection, payment_id)
        bind_contextvars(payment_id=payment_id, wallet=account)
        _check_payable(system, case)
        await _check_wallet(system, connection, case, wallet)
        known = await live_transactions(connection, payment_id)
    parts = system.clusters[case.payment.cluster]
    fee_payer = parts.fee_payers.issuer(case.group.base)
    if fee_payer is None:
        # Its key leaked, or was replaced and is not here.
        get_logger().error("fee_payer_unusable", group=case.group.id, base=case.group.base)
        cause = pinning.Cause.fee_payer
        pinned = await pinning.pin_anew(system, parts, case.group, payment_id, case.merchant.shop, cause)
        case, fee_payer = replace(case, group=pinned), parts.fee_payers.issuer(pinned.base)
        if fee_payer is None:
            # Another process was faster, and has other keys.
            raise refusals.PaymentInPreparation
    try:
        earlier = _still_good(system, known, account, await parts.snapshots.get(0, 0))
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
    row = await connection.fetchrow(_READ, payment_id)
    if row is None:
        raise refusals.PaymentNotFound
    return Case(
        Payment.from_row(row["payment"]),
        PaymentGroup.from_row(row["payment_group"]),
        Merchant.from_row(row["merchant"]),
    )


def _check_payable(system: System, case: Case) -> None:
    payment = case.payment
    if case.group.winner_id is not None or payment.status in (S.paid, S.completed, S.superseded):
        raise refusals.OrderAlreadyPaid
    if payment.status in (S.rejecting, S.rejected):
        raise refusals.PaymentRefused
    if payment.status is S.stuck:
        raise refusals.PaymentUnderReview
    if payment.status is S.expired or system.clock.now() >= payment.expires_at:
        raise refusals.PaymentExpired
    if case.merchant.status is not MerchantStatus.active or case.merchant.token_sealed is None:
        raise refusals.MerchantClosed


async def _check_wallet(system: System, connection: Connection, case: Case, wallet: Pubkey) -> None:
    """Raises OwnAddress or MerchantWallet."""
    own = {address for parts in system.clusters.values() for address in parts.fee_payers.addresses}
    # Keys and single-use addresses of the past are ours, too.
    if await connection.fetchval(_IS_OURS, str(wallet)):
        own.add(wallet)
    check_wallet(wallet, own=own, merchant=Pubkey.from_string(case.payment.merchant_wallet))


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
        await connection.execute(_LOCK_GROUP, case.group.id)
        await connection.execute(_LOCK_PAYMENT, payment.id)
        now = await read_case(connection, payment.id)
        _check_payable(system, now)
        if now.payment.usdc != payment.usdc or not quotes.is_current(now.payment, system.clock.now()):
            raise refusals.PriceChanged
        known = await live_transactions(connection, payment.id)
        earlier = _still_good(system, known, ask.wallet, snapshot)
        if earlier is not None:
            return earlier
        if now.group.address != case.group.address:
            raise refusals.PaymentInPreparation
        await check_quotas(system, connection, ask)
        stored = await store_issued(
            connection,
            payment,
            case.group,
            ask.wallet,
            signed,
            snapshot.blockhash,
            cost=ask.cost,
            network=ask.network,
            at=system.clock.now(),
        )
        if not stored:
            raise refusals.BlockhashUsed
    metrics.transaction_requests_total.labels(outcome="issued").inc()
    return None


def _still_good(
    system: System, known: list[IssuedTransaction], account: str, snapshot: ChainSnapshot
) -> IssuedTransaction | None:
    """The wallet's own live transaction, while enough blocks are left to sign it in peace."""
    height = snapshot.blockhash.last_valid_block_height - BLOCKHASH_LIFE_BLOCKS
    for issued in known:
        left = issued.last_valid_block_height - height
        if issued.wallet == account and left >= system.settings.reuse_blocks:
            return issued
    return None


def _offer(case: Case, usdc: int, wire: bytes) -> Offer:
    # The price may have been quoted anew since the page was looked at, so the wallet says both figures.
    amount = format_amount(case.payment.amount, case.payment.currency)
    return Offer(wire, f"{case.merchant.display_name}: {amount} ({format_usdc(usdc)} USDC)")
