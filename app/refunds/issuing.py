"""A refund's transactions: any wallet of the merchant may pay it, and it pays the wallet that paid."""

import asyncio

from solders.pubkey import Pubkey

from app import events
from app.database import Connection
from app.errors import SettleError
from app.languages.figures import write_money, write_usdc
from app.languages.reader import choose_reader
from app.languages.sentences import sentence, translate
from app.logs import get_logger
from app.privacy.nobody import NOBODY
from app.records import Cluster, Merchant, MerchantStatus, PaymentGroup, RecordKind, Refund, RefundStatus
from app.refunds import refusals
from app.refunds.terms import terms_of
from app.screening.screener import Verdict
from app.system import System
from app.transactions.issuing import STANDING, Case, Offer, Request, Standing
from app.transactions.issuing import offer_transaction as offer
from app.transactions.pinning import pin_first
from app.transactions.refusals import IssuingPaused
from chain.errors import PayeeWallet

S = RefundStatus

_READ = f"""
SELECT r AS refund, g AS payment_group, m AS merchant, p.currency, p.cluster, {STANDING}
FROM refunds r JOIN payments p ON p.id = r.payment_id JOIN merchants m ON m.id = r.merchant_id
LEFT JOIN payment_groups g ON g.id = r.group_id WHERE r.id = $1
"""  # noqa: S608  # constants of ours
_LABEL = "SELECT m.display_name, m.language FROM refunds r JOIN merchants m ON m.id = r.merchant_id WHERE r.id = $1"
# What the wallet shows: before it fetches the transaction, and with it.
_TITLE = sentence("Refund by {shop}")
_MESSAGE = sentence("{shop}: refund of {amount} ({usdc} USDC)")
_SET_GROUP = "UPDATE refunds SET group_id = $2 WHERE id = $1 AND group_id IS NULL"


class RefundCase(Case, frozen=True):
    """A refund with its group, its merchant, and the currency of its payment."""

    refund: Refund
    currency: str


class RefundRequest(Request[RefundCase]):
    """A merchant's wallet asks to pay. Nobody else has the link, and nobody else would."""

    lock = """
    SELECT FROM refunds r JOIN (SELECT id FROM payment_groups WHERE id = $1 FOR UPDATE) g ON g.id = r.group_id
    WHERE r.id = $2 FOR UPDATE OF r
    """
    pays_itself = PayeeWallet
    already_paid = refusals.RefundAlreadyPaid
    in_preparation = refusals.RefundInPreparation

    async def read(self, system: System, connection: Connection, account: str) -> Standing[RefundCase]:
        row = await connection.fetchrow(_READ, self.record_id, account)
        if row is None:
            raise refusals.RefundNotFound
        refund, merchant = Refund.from_row(row["refund"]), Merchant.from_row(row["merchant"])
        if row["payment_group"] is not None:
            group = PaymentGroup.from_row(row["payment_group"])
        else:
            # What is never paid needs no account, so it gets one when somebody means to pay.
            check_status(refund)
            group = await open_group(system, connection, refund, merchant, Cluster(row["cluster"]))
        return Standing.of(RefundCase(terms_of(refund), group, merchant, refund, row["currency"]), row)

    def check_open(self, _system: System, case: RefundCase) -> None:
        check_status(case.refund)
        if case.merchant.status is not MerchantStatus.active or case.merchant.token_sealed is None:
            raise refusals.ShopDisconnected
        if case.refund.payee_wallet == NOBODY:
            raise refusals.PayeeErased

    async def prepare(self, system: System, case: RefundCase, account: str) -> RefundCase:
        """Both wallets are screened. The refund stays open: the merchant may use another wallet, or deny it."""
        payee = case.refund.payee_wallet
        payer_verdict, payee_verdict = await asyncio.gather(
            system.screener.screen(account), system.screener.screen(payee)
        )
        flagged: list[tuple[str, Verdict, type[SettleError]]] = [
            (account, payer_verdict, refusals.RefundWalletScreenedOut),
            (payee, payee_verdict, refusals.PayeeScreenedOut),
        ]
        for wallet, verdict, refusal in flagged:
            if verdict.flagged:
                await _note_screened_out(system, case.refund, wallet, verdict)
                raise refusal
        return case

    def check_same(self, _system: System, _before: RefundCase, _now: RefundCase) -> None:
        """The terms of a refund never change."""

    def explain(self, case: RefundCase, usdc: int) -> str:
        reader = choose_reader(None, self.accept_language, case.merchant.language)
        amount = write_money(case.refund.amount, case.currency, reader)
        return translate(
            reader.language,
            _MESSAGE,
            shop=case.merchant.display_name,
            amount=amount,
            usdc=write_usdc(usdc, reader),
        )


async def offer_refund(
    system: System,
    refund_id: str,
    account: str,
    network_address: str | None = None,
    accept_language: str | None = None,
) -> Offer:
    """Give a wallet (base58) a transaction that pays this refund, or say why not.

    `network_address`: where the request comes from, when that is known; `accept_language`: its header. Raises what
    app/refunds/refusals.py and app/transactions/refusals.py list, chain.errors.Refused or ScreeningUnavailable.
    """
    try:
        return await offer(system, RefundRequest(refund_id, accept_language), account, network_address)
    except IssuingPaused as error:
        raise refusals.RefundsPaused from error


async def describe_refund(system: System, refund_id: str, accept_language: str | None = None) -> str:
    """Who gives back, as a wallet that sends this header shows it. Raises RefundNotFound."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_LABEL, refund_id)
    if row is None:
        raise refusals.RefundNotFound
    reader = choose_reader(None, accept_language, row["language"])
    return translate(reader.language, _TITLE, shop=row["display_name"])


def check_status(refund: Refund) -> None:
    """Raise why a refund is not open (any more)."""
    if refund.status in (S.paid, S.completed):
        raise refusals.RefundAlreadyPaid
    if refund.status in (S.denying, S.rejecting, S.rejected):
        raise refusals.RefundClosed
    if refund.status is S.stuck:
        raise refusals.RefundUnderReview


async def open_group(
    system: System,
    connection: Connection,
    refund: Refund,
    merchant: Merchant,
    cluster: Cluster,
    base: Pubkey | None = None,
) -> PaymentGroup:
    """Insert or get a refund's group, which is then locked. `base`: of a new one, where it is not today's fee payer."""
    async with connection.transaction():
        # With a space in it, it is no group of Shopify's.
        key = f"refund {refund.shopify_id}"
        group = await pin_first(system, connection, RecordKind.refund, merchant, key, cluster, base)
        await connection.execute(_SET_GROUP, refund.id, group.id)
    return group


async def _note_screened_out(system: System, refund: Refund, wallet: str, verdict: Verdict) -> None:
    async with system.database.acquire() as connection:
        await events.write_event(
            connection,
            RecordKind.refund,
            refund.id,
            events.SCREENED_OUT,
            at=system.clock.now(),
            wallet=wallet,
            categories=list(verdict.categories),
        )
    get_logger().warning("wallet_screened_out", wallet=wallet, categories=verdict.categories)
