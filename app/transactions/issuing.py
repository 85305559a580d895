"""Answering a transaction request: refuse early and kindly, screen, build, and store before handing out.

The same for payments and refunds; what differs is a Request's to say.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from msgspec import Struct
from solders.pubkey import Pubkey

from app import metrics
from app.clusters import ClusterParts
from app.database import Connection
from app.errors import SettleError
from app.logs import bind_contextvars, get_logger
from app.networks import digest_network
from app.records import IssuedTransaction, Merchant, PaymentGroup, Row
from app.system import System
from app.tracing import tracing
from app.transactions import pinning, refusals
from app.transactions.issued import store_issued
from app.transactions.own_addresses import is_ours
from app.transactions.pinning import Pinned
from app.transactions.purpose import Terms
from app.transactions.quotas import Ask, Cost, check_quotas
from app.transactions.transfers import plan_of, transfer_of
from chain.addresses import check_wallet, parse_wallet
from chain.errors import FeePayerUnavailable, MerchantWallet, NodeError, Refused
from chain.fee_payer import FeePayer
from chain.fees import transaction_fee
from chain.payment_transaction import SIGNATURES, SignedTransaction, TransferPlan, issue_transaction
from chain.preflight import addresses_of, check_accounts, check_sol
from chain.programs import BLOCKHASH_LIFE_BLOCKS, TOKEN_ACCOUNT_SIZE
from chain.snapshot import ChainSnapshot

# What opening a token account takes beside the usual: mostly the search for its address.
OPENING_COMPUTE_UNITS = 30_000

_ISSUED = metrics.transaction_requests_total.labels("issued")

# What a request reads for the wallet $2 beside its case, where the payment is `p`. Keys and single-use addresses of the
# past are ours, too.
STANDING = f"""
    ARRAY(SELECT i FROM issued_transactions i
        WHERE (i.payment_id = $1 OR i.refund_id = $1) AND i.fate = 'live' ORDER BY i.id DESC) AS live,
    {is_ours("$2")} AS is_ours,
    EXISTS (SELECT FROM issuing_pauses s WHERE s.cluster = p.cluster AND s.lifted_at IS NULL) AS is_paused
"""  # noqa: S608  # a constant of ours


class Case(Struct, frozen=True):
    """What a transaction is asked for: its terms, its group, and the merchant."""

    terms: Terms
    group: PaymentGroup
    merchant: Merchant


class Offer(Struct, frozen=True):
    """A transaction for the wallet to sign (wire format), and the sentence shown with it."""

    transaction: bytes
    message: str


C = TypeVar("C", bound=Case)


class Standing(Struct, Generic[C], frozen=True):
    """A case as it stands for the wallet that asks: what is live for it, newest first, and who the wallet is.

    `is_ours`: the wallet's address is, or was, a fee payer's or a single-use account's. `is_paused`: nothing is issued
    on its cluster (app/restores.py).
    """

    case: C
    live: list[IssuedTransaction]
    is_ours: bool
    is_paused: bool

    @classmethod
    def of(cls, case: C, row: Row) -> "Standing[C]":
        """From a row with the columns of STANDING."""
        live = [IssuedTransaction.from_row(issued) for issued in row["live"]]
        return cls(case, live, row["is_ours"], row["is_paused"])


class Request(ABC, Generic[C]):
    """Somebody asks for a transaction of one record. Errors are the record's own sentences."""

    # Locks the group $1, then the record $2: whoever decides a group's winner locks in the same order.
    lock: ClassVar[str]
    # The wallet that asks is the one that is paid.
    pays_itself: ClassVar[type[Refused]] = MerchantWallet
    already_paid: ClassVar[type[SettleError]]
    in_preparation: ClassVar[type[SettleError]]

    def __init__(self, record_id: str, accept_language: str | None = None) -> None:
        """`accept_language`: the wallet's header, for the sentence that is shown with the transaction."""
        self.record_id = record_id
        self.accept_language = accept_language

    @abstractmethod
    async def read(self, system: System, connection: Connection, account: str) -> Standing[C]:
        """The case as it is now, for this wallet. Raises that there is none, or that it can not get a group."""

    @abstractmethod
    def check_open(self, system: System, case: C) -> None:
        """Raise why nothing can be issued for it (any more)."""

    @abstractmethod
    async def prepare(self, system: System, case: C, account: str) -> C:
        """What must be found out before anything is built: price, screening. No lock is held meanwhile."""

    @abstractmethod
    def check_same(self, system: System, before: C, now: C) -> None:
        """The last look, under the locks: raise when what was built on has changed."""

    @abstractmethod
    def explain(self, case: C, usdc: int) -> str:
        """What the wallet shows with a transaction of so many base units."""


async def offer_transaction(system: System, request: Request[C], account: str, network_address: str | None) -> Offer:
    """Give a wallet (base58) a transaction, or say why not.

    `network_address`: where the request comes from, when that is known. Raises what the request and
    app/transactions/refusals.py list, chain.errors.Refused or ScreeningUnavailable.
    """
    with tracing.span("transaction request", request.record_id):
        return await _offer_transaction(system, request, account, network_address, may_pin=True)


async def _offer_transaction(
    system: System, request: Request[C], account: str, network_address: str | None, *, may_pin: bool
) -> Offer:
    wallet = parse_wallet(account)
    async with system.database.acquire() as connection:
        standing = await request.read(system, connection, account)
    case = standing.case
    bind_contextvars(wallet=account, **{f"{case.terms.record}_id": case.terms.id})
    _check_open(system, request, standing)
    _check_wallet(system, request, standing, wallet)
    parts = system.clusters[case.group.cluster]
    fee_payer = parts.fee_payers.issuer(case.group.base)
    if fee_payer is None:
        # Its key leaked, or was replaced and is not here.
        get_logger().error("fee_payer_unusable", group=case.group.id, base=case.group.base)
        await pinning.pin_anew(system, parts, _pinned(request, case), pinning.Cause.fee_payer)
        async with system.database.acquire() as connection:
            case = (await request.read(system, connection, account)).case
        fee_payer = parts.fee_payers.issuer(case.group.base)
        if fee_payer is None:
            # Another process was faster, and has other keys.
            raise request.in_preparation
    try:
        earlier = _still_good(system, standing, account, await parts.snapshots.get(0, 0))
        if earlier is not None:
            return Offer(earlier.message, request.explain(case, earlier.usdc))
        case = await request.prepare(system, case, account)
        transfer = transfer_of(case.terms, case.group, wallet)
        # The one call that a warm request makes; its slot also tells whether the blockhash at hand is fresh enough.
        view = await parts.node.accounts([*addresses_of(transfer), fee_payer.address], "confirmed")
        *accounts, purse = view.accounts
        try:
            opens_account = check_accounts(transfer, accounts)
        except transfer.payee.already_being_paid:
            if not may_pin:
                raise
            # The single-use account exists. When nothing of ours made it, the order gets another one.
            await pinning.leave_occupied(system, parts, _pinned(request, case), transfer.payee.already_being_paid)
            return await _offer_transaction(system, request, account, network_address, may_pin=False)
        snapshot = await parts.snapshots.get(view.slot, system.settings.snapshot_age_slots)
        if opens_account:
            await _check_sol(parts, wallet, snapshot)
    except NodeError as error:
        raise refusals.ChainUnavailable from error
    limit = system.settings.compute_unit_limit + (OPENING_COMPUTE_UNITS if opens_account else 0)
    plan = plan_of(transfer, case.terms, case.group, snapshot, limit, opens_account=opens_account)
    cost = Cost(
        fee=transaction_fee(SIGNATURES, plan.compute_unit_limit, plan.compute_unit_price), rent=plan.rent_lamports
    )
    balance = purse.lamports if purse else 0
    if fee_payer is parts.fee_payer:
        parts.purse.lamports, parts.purse.last_fee = balance, cost.fee
    elif may_pin and balance - cost.fee - cost.rent < system.settings.fee_payer_minimum_lamports:
        # A key of the past that has no SOL left: the order moves to today's.
        await pinning.pin_anew(system, parts, _pinned(request, case), pinning.Cause.fee_payer)
        return await _offer_transaction(system, request, account, network_address, may_pin=False)
    signed = await _sign(plan, fee_payer)
    secret = bytes.fromhex(system.settings.derivation_secret)
    ask = Ask(
        terms=case.terms,
        group=case.group,
        wallet=account,
        network=digest_network(secret, network_address),
        fee_payer=case.group.base,
        cost=cost,
        balance=balance,
        opens_account=opens_account,
    )
    earlier = await _store(system, request, case, ask, signed, snapshot)
    get_logger().info(
        "transaction_issued", signature=signed.signature, usdc=transfer.amount, reused=earlier is not None
    )
    return Offer(earlier.message if earlier else signed.wire, request.explain(case, transfer.amount))


def _pinned(request: Request[C], case: C) -> Pinned:
    return Pinned(case.terms, case.group, case.merchant.shop, request.already_paid, request.in_preparation)


def _check_open(system: System, request: Request[C], standing: Standing[C]) -> None:
    """Raises what the request's check_open raises, or IssuingPaused."""
    request.check_open(system, standing.case)
    if standing.is_paused:
        raise refusals.IssuingPaused


def _check_wallet(system: System, request: Request[C], standing: Standing[C], wallet: Pubkey) -> None:
    """Raises OwnAddress, or that it pays itself."""
    own = {address for parts in system.clusters.values() for address in parts.fee_payers.addresses}
    if standing.is_ours:
        own.add(wallet)
    payee = Pubkey.from_string(standing.case.terms.payee_wallet)
    check_wallet(wallet, own=own, payee=payee, same=request.pays_itself)


async def _check_sol(parts: ClusterParts, wallet: Pubkey, snapshot: ChainSnapshot) -> None:
    """Raises TooLittleSol when the wallet can not open the payee's token account, NodeError."""
    rent = await parts.node.minimum_rent(TOKEN_ACCOUNT_SIZE)
    [account] = (await parts.node.accounts([wallet], "confirmed")).accounts
    check_sol(account, rent, snapshot.rent_lamports)


async def _sign(plan: TransferPlan, fee_payer: FeePayer) -> SignedTransaction:
    """Raises IssuingPaused when whoever keeps the key does not sign."""
    try:
        return await issue_transaction(plan, fee_payer)
    except FeePayerUnavailable as error:
        get_logger().error("fee_payer_unavailable", problem=error.message)
        raise refusals.IssuingPaused from error


async def _store(
    system: System, request: Request[C], case: C, ask: Ask, signed: SignedTransaction, snapshot: ChainSnapshot
) -> IssuedTransaction | None:
    """Check everything again, and last, under the locks, and store; or return the wallet's earlier transaction."""
    async with system.database.transaction() as connection:
        await connection.execute(request.lock, case.group.id, case.terms.id)
        standing = await request.read(system, connection, ask.wallet)
        _check_open(system, request, standing)
        _check_wallet(system, request, standing, Pubkey.from_string(ask.wallet))
        request.check_same(system, case, standing.case)
        earlier = _still_good(system, standing, ask.wallet, snapshot)
        if earlier is not None:
            return earlier
        if standing.case.group.address != case.group.address:
            raise request.in_preparation
        now = system.clock.now()
        await check_quotas(system, connection, ask, now)
        stored = await store_issued(connection, ask, signed, snapshot.blockhash, at=now)
        if not stored:
            raise refusals.BlockhashUsed
    _ISSUED.inc()
    return None


def _still_good(
    system: System, standing: Standing[C], account: str, snapshot: ChainSnapshot
) -> IssuedTransaction | None:
    """The wallet's own live transaction, while enough blocks are left to sign it in peace."""
    height = snapshot.blockhash.last_valid_block_height - BLOCKHASH_LIFE_BLOCKS
    for issued in standing.live:
        left = issued.last_valid_block_height - height
        if issued.wallet == account and left >= system.settings.reuse_blocks:
            return issued
    return None
