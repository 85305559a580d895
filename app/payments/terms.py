"""What every transaction that pays a payment says."""

from app.records import Payment, RecordKind
from app.transactions.purpose import Terms


def terms_of(payment: Payment) -> Terms:
    """The terms of a payment, at its price of the moment."""
    return Terms(
        record=RecordKind.payment,
        id=payment.id,
        usdc=payment.usdc,
        payee_wallet=payment.merchant_wallet,
        destination=payment.destination,
        mint=payment.mint,
        memo=payment.memo,
        reference=payment.reference,
    )
