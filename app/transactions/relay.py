"""Sending what a wallet has only signed: for wallets in the browser that leave the sending to the page."""

from solders.pubkey import Pubkey

from app.logs import bind_contextvars, get_logger
from app.records import Cluster
from app.system import System
from app.transactions import refusals
from chain.countersigning import check_countersigned, signature_of
from chain.errors import NodeError, NodeRefused, NotCountersigned

_FIND = """
SELECT i.message, i.wallet, g.cluster FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
WHERE i.signature = $1 AND (i.payment_id = $2 OR i.refund_id = $2) AND i.fate = 'live'
"""


async def send_signed(system: System, record_id: str, transaction: bytes) -> str:
    """Send a transaction of this payment or refund that its wallet has signed; returns its signature.

    Only what we issued and what may still land is sent, so nobody can use our node for something else. Whether it is
    sent by us or by the wallet makes no difference to what is watched. Raises NotCountersigned, NotTaken or
    ChainUnavailable.
    """
    signature = signature_of(transaction)
    bind_contextvars(signature=signature)
    async with system.database.acquire() as connection:
        issued = await connection.fetchrow(_FIND, signature, record_id)
    if issued is None:
        raise NotCountersigned
    check_countersigned(transaction, issued["message"], Pubkey.from_string(issued["wallet"]))
    try:
        await system.clusters[Cluster(issued["cluster"])].node.send_transaction(transaction)
    except NodeRefused as error:
        # Its dry run failed: the money has left the wallet, or this very transaction has landed already.
        get_logger().info("signed_transaction_refused", problem=error.message)
        raise refusals.NotTaken from error
    except NodeError as error:
        raise refusals.ChainUnavailable from error
    get_logger().info("signed_transaction_sent", wallet=issued["wallet"])
    return signature
