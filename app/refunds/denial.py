"""Denying a refund: nothing more is issued at once; Shopify is told when nothing that was issued can land any more."""

from app.records import Refund, RefundStatus
from app.refunds import lifecycle, refusals
from app.refunds.issuing import check_status
from app.refunds.purpose import reject_when_dead
from app.system import System

S = RefundStatus

# Shopify says no limit; this is more than anybody reads.
MESSAGE_MAX = 500

_FIND = "SELECT * FROM refunds WHERE id = $1 AND merchant_id = $2"


async def deny_refund(system: System, merchant_id: int, refund_id: str, message: str) -> Refund:
    """Deny a refund of this merchant, with a sentence that Shopify shows. Denied already: as it is, with its first one.

    Should a transaction land that was handed out before, the refund is paid all the same, and Shopify hears that.
    Raises DenialInvalid, RefundNotFound, RefundAlreadyPaid, RefundClosed or RefundUnderReview.
    """
    sentence = " ".join(message.split())
    if not sentence.isprintable() or not 0 < len(sentence) <= MESSAGE_MAX:
        raise refusals.DenialInvalid(limit=MESSAGE_MAX)
    async with system.database.transaction() as connection:
        row = await connection.fetchrow(_FIND, refund_id, merchant_id)
        if row is None:
            raise refusals.RefundNotFound
        denied = await lifecycle.move(
            connection,
            refund_id,
            S.denying,
            at=system.clock.now(),
            only_from=frozenset({S.pending}),
            detail={"by": "merchant"},
            merchant_message=sentence,
        )
        if denied is not None:
            await reject_when_dead(system, connection, refund_id)
            return denied
        # Somebody was faster, or it was not open any more: what it is now decides.
        row = await connection.fetchrow(_FIND, refund_id, merchant_id)
        assert row is not None
        refund = Refund.from_row(row)
    if refund.usdc is None or refund.status not in (S.denying, S.rejected):
        check_status(refund)
    return refund
