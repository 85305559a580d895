"""What a merchant can do about a payment in trouble. Each leaves an event that says it was done at the portal."""

from enum import StrEnum

from app.errors import RequestInvalid, SettleError
from app.payments import lifecycle
from app.payments.resend import resend_stuck
from app.portal.history import can_attend, can_resend, read_owned
from app.records import PaymentException
from app.system import System
from chain.addresses import is_signature

NOTE_MAX = 500
BY_PORTAL = "portal"


class NothingToDo(SettleError):
    """This is not needed (any more): the payment has moved on. Load the page again to see how it stands."""

    reason = "nothing_to_do"
    status = 409


class Attention(StrEnum):
    """How a payment's trouble was dealt with."""

    # The money was sent back to the customer's wallet, outside Shopify.
    sent_back = "sent_back"
    # A person has looked and decided; nothing more is to be done here.
    settled_elsewhere = "settled_elsewhere"


async def resend(system: System, merchant_id: int, payment_id: str) -> None:
    """Tell Shopify of a stuck payment once more, word for word. Raises NotInShop, NothingToDo."""
    payment = await read_owned(system, merchant_id, payment_id)
    if not can_resend(payment) or not await resend_stuck(system, payment.id, by=BY_PORTAL):
        raise NothingToDo


async def attend(
    system: System, merchant_id: int, payment_id: str, how: Attention, *, signature: str = "", note: str = ""
) -> None:
    """Note that a payment's trouble is dealt with: it leaves the attention list, unless new trouble comes.

    `signature`: the transaction that sent the money back, where the merchant gives it. It is the merchant's word, and
    kept as such. Raises NotInShop, NothingToDo, RequestInvalid.
    """
    if signature and not is_signature(signature):
        raise RequestInvalid(problem="that is not the signature of a transaction: 64 bytes in base58")
    if len(note) > NOTE_MAX:
        raise RequestInvalid(problem=f"a note has at most {NOTE_MAX} characters")
    payment = await read_owned(system, merchant_id, payment_id)
    if how is Attention.sent_back and payment.exception is not PaymentException.duplicate:
        raise NothingToDo
    if not can_attend(payment):
        raise NothingToDo
    detail = {"by": BY_PORTAL, "how": how, "signature": signature or None, "note": note.replace("\x00", "") or None}
    async with system.database.transaction() as connection:
        given = {name: value for name, value in detail.items() if value is not None}
        if not await lifecycle.attend(connection, payment.id, at=system.clock.now(), **given):
            raise NothingToDo
