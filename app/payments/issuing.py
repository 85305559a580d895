"""A payment's transactions: who may have one, at which price, and why not."""

from app.database import Connection
from app.languages.figures import write_money, write_usdc
from app.languages.reader import choose_reader
from app.payments import quotes, refusals
from app.payments.rejection import screen_out
from app.payments.terms import terms_of
from app.records import Merchant, MerchantStatus, Payment, PaymentGroup, PaymentStatus, Row
from app.system import System
from app.transactions.issuing import STANDING, Case, Offer, Request, Standing
from app.transactions.issuing import offer_transaction as offer

S = PaymentStatus

# Whole rows as composites: one round trip, and no column of one table hides another's.
_CASE = "p AS payment, g AS payment_group, m AS merchant"
_OF_PAYMENT = """
FROM payments p JOIN payment_groups g ON g.id = p.group_id JOIN merchants m ON m.id = p.merchant_id WHERE p.id = $1
"""
_READ = f"SELECT {_CASE} {_OF_PAYMENT}"
_READ_FOR_WALLET = f"SELECT {_CASE}, {STANDING} {_OF_PAYMENT}"


class PaymentCase(Case, frozen=True):
    """A payment with its group and its merchant."""

    payment: Payment


class PaymentRequest(Request[PaymentCase]):
    """A customer's wallet asks to pay."""

    # The payment's row is locked at the very end of the statement, when the group's has come out of its own locking.
    lock = """
    SELECT FROM payments p JOIN (SELECT id FROM payment_groups WHERE id = $1 FOR UPDATE) g ON g.id = p.group_id
    WHERE p.id = $2 FOR UPDATE OF p
    """
    already_paid = refusals.OrderAlreadyPaid
    in_preparation = refusals.PaymentInPreparation

    async def read(self, _system: System, connection: Connection, account: str) -> Standing[PaymentCase]:
        row = await connection.fetchrow(_READ_FOR_WALLET, self.record_id, account)
        if row is None:
            raise refusals.PaymentNotFound
        return Standing.of(_case_of(row), row)

    def check_open(self, system: System, case: PaymentCase) -> None:
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

    async def prepare(self, system: System, case: PaymentCase, account: str) -> PaymentCase:
        payment = await quotes.ensure_quote(system, case.payment)
        if not quotes.is_current(payment, system.clock.now()):
            raise refusals.PriceChanged
        verdict = await system.screener.screen(account)
        if verdict.flagged:
            await screen_out(system, payment.id, account, verdict)
            raise refusals.WalletScreenedOut
        return PaymentCase(terms_of(payment), case.group, case.merchant, payment)

    def check_same(self, system: System, before: PaymentCase, now: PaymentCase) -> None:
        if now.terms.usdc != before.terms.usdc or not quotes.is_current(now.payment, system.clock.now()):
            raise refusals.PriceChanged

    def explain(self, case: PaymentCase, usdc: int) -> str:
        # The price may have been quoted anew since the page was looked at, so the wallet says both figures.
        reader = choose_reader(case.payment.locale, self.accept_language, case.merchant.language)
        amount = write_money(case.payment.amount, case.payment.currency, reader)
        return f"{case.merchant.display_name}: {amount} ({write_usdc(usdc, reader)} USDC)"


async def offer_transaction(
    system: System,
    payment_id: str,
    account: str,
    network_address: str | None = None,
    accept_language: str | None = None,
) -> Offer:
    """Give a wallet (base58) a transaction that pays this payment, or say why not.

    `network_address`: where the request comes from, when that is known; `accept_language`: its header. Raises what the
    two refusals.py list, chain.errors.Refused, ScreeningUnavailable or PriceUnavailable.
    """
    return await offer(system, PaymentRequest(payment_id, accept_language), account, network_address)


async def read_case(connection: Connection, payment_id: str) -> PaymentCase:
    """Raises PaymentNotFound."""
    row = await connection.fetchrow(_READ, payment_id)
    if row is None:
        raise refusals.PaymentNotFound
    return _case_of(row)


def _case_of(row: Row) -> PaymentCase:
    payment = Payment.from_row(row["payment"])
    group, merchant = PaymentGroup.from_row(row["payment_group"]), Merchant.from_row(row["merchant"])
    return PaymentCase(terms_of(payment), group, merchant, payment)
