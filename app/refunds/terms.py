"""What every transaction that pays a refund says."""

from app.records import RecordKind, Refund
from app.transactions.purpose import Terms


def terms_of(refund: Refund) -> Terms:
    """The terms of a refund, which never change."""
    return Terms(
        record=RecordKind.refund,
        id=refund.id,
        usdc=refund.usdc,
        payee_wallet=refund.payee_wallet,
        destination=refund.destination,
        mint=refund.mint,
        memo=refund.memo,
        reference=refund.reference,
    )
