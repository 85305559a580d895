"""Money that came and belongs to nobody's order: to whom it goes back, and the link with which a wallet sends it."""

from dataclasses import dataclass
from urllib.parse import quote

from app.money import from_base_units
from app.portal.history import History
from app.records import Fate, PaymentException


@dataclass(frozen=True)
class Return:
    """What is to be sent back: USDC in base units, to this wallet, for this transaction of the customer's.

    `link` is a Solana Pay transfer request: any wallet of the merchant's shows it and sends it.
    """

    wallet: str
    usdc: int
    signature: str
    link: str


def list_returns(story: History) -> list[Return]:
    """What landed for a duplicate payment and does not count; nothing for all others, and once it is dealt with."""
    payment = story.payment
    if payment.exception is not PaymentException.duplicate or payment.attended_at is not None:
        return []
    return [
        Return(issued.wallet, issued.usdc, issued.signature, _transfer_link(issued.wallet, issued.usdc, payment.mint))
        for issued in story.issued
        if issued.fate is Fate.landed and issued.signature != payment.paid_signature
    ]


def _transfer_link(wallet: str, usdc: int, mint: str) -> str:
    amount = f"{from_base_units(usdc).normalize():f}"
    return f"solana:{wallet}?amount={amount}&spl-token={mint}&message={quote('Sent back: this order was already paid')}"
