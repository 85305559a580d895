"""What a merchant can do about a payment or refund in trouble. Each leaves an event that says who did it."""

from enum import StrEnum

from app.errors import RequestInvalid, SettleError
from app.payments import lifecycle
from app.payments.resend import can_resend, resend_stuck
from app.portal.history import can_attend, read_owned
from app.portal.refunds import read_refund
from app.records import Merchant, PaymentException
from app.refunds.lifecycle import REFUNDS
from app.refunds.resend import resend_stuck_refunds
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


async def resend_refund(system: System, merchant: Merchant, refund_id: str) -> None:
    """Tell Shopify of a stuck refund once more, word for word. Raises NotInShop, NothingToDo."""
    story = await read_refund(system, merchant, refund_id)
    if not story.can_resend or not await resend_stuck_refunds(system, story.refund.id, by=BY_PORTAL):
        raise NothingToDo


async def attend_refund(system: System, merchant: Merchant, refund_id: str, *, note: str = "") -> None:
    """Note that a refund's trouble is dealt with, as `attend` does. Raises NotInShop, NothingToDo, RequestInvalid."""
    detail = _detail(Attention.settled_elsewhere, note=note)
    story = await read_refund(system, merchant, refund_id)
    async with system.database.transaction() as connection:
        if not await REFUNDS.attend(connection, story.refund.id, at=system.clock.now(), **detail):
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
    detail = _detail(how, signature=signature, note=note)
    payment = await read_owned(system, merchant_id, payment_id)
    if how is Attention.sent_back and payment.exception is not PaymentException.duplicate:
        raise NothingToDo
    if not can_attend(payment):
        raise NothingToDo
    async with system.database.transaction() as connection:
        if not await lifecycle.attend(connection, payment.id, at=system.clock.now(), **detail):
            raise NothingToDo


def _detail(how: Attention, *, signature: str = "", note: str = "") -> dict[str, str]:
    """What the event says. Raises RequestInvalid."""
    if len(note) > NOTE_MAX:
        raise RequestInvalid(problem=f"a note has at most {NOTE_MAX} characters")
    said = {"by": BY_PORTAL, "how": str(how), "signature": signature, "note": note.replace("\x00", "")}
    return {name: text for name, text in said.items() if text}
