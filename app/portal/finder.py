"""Find the payment for this order: whatever was pasted, the one payment it leads to, and how it stands with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.database import Connection
from app.portal.clues import Clue, Kind, read_clue
from app.portal.history import NotInShop
from app.portal.listing import PaymentFilter, PaymentLine, list_payments
from app.records import Fate, IssuedTransaction, Merchant, PaymentStatus
from app.system import System
from chain.addresses import is_address

S = PaymentStatus

# Other payments that are shown beside the answer.
OTHERS_MAX = 10
# Of several attempts at one order, the one that counts: where the money is, or is expected.
_WEIGHT = {
    S.completed: 0, S.paid: 0, S.stuck: 1, S.rejecting: 2, S.pending: 3, S.expired: 4, S.rejected: 5, S.superseded: 6,
}  # fmt: skip

FATES: dict[Fate, str] = {
    Fate.landed: "This transaction landed on the chain.",
    Fate.live: "This transaction was handed out and may still land: the customer may be about to send it.",
    Fate.failed: "This transaction failed on the chain: no money moved.",
    Fate.dead: "This transaction was handed out and never sent in time. It can not land any more, and no money moved.",
}
NOTHING: dict[Kind, str] = {
    Kind.payment: "No payment of your shop has this id.",
    Kind.shopify: (
        "No payment of your shop has this id. In Shopify, open the order, then the details of its payment, and copy "
        "the payment id from there."
    ),
    Kind.refund: "No refund of your shop has this id.",
    Kind.signature: (
        "This transaction was not handed out by Settle for your shop. If the customer sent USDC to your wallet "
        "directly, Settle cannot match it to an order: look at it in an explorer."
    ),
    Kind.address: "This wallet was never given a transaction for a payment to your shop.",
    Kind.amount: "No payment of your shop is for exactly this amount.",
    Kind.order: (
        "Shopify does not tell payment apps the order's number. In Shopify, open the order, then the details of its "
        "payment, and copy the payment id from there."
    ),
}
OWN_WALLET = "This is your own payout wallet: every payment goes there. Paste the customer's wallet or the transaction."


@dataclass(frozen=True)
class Finding:
    """The answer. `line` is the payment that counts (None: there is none, and `sentence` says why).

    `sentence` is about what was pasted, beside how it stands with the payment; `others` are more payments that it leads
    to, and `more` says that there are still others.
    """

    clue: Clue
    line: PaymentLine | None
    sentence: str | None
    others: Sequence[PaymentLine] = ()
    more: bool = False


async def find_payment(system: System, merchant: Merchant, text: str) -> Finding:
    """The one answer to what was pasted. Raises ClueUnreadable."""
    clue = read_clue(text)
    if clue.kind is Kind.address and clue.text == merchant.wallet:
        return Finding(clue, None, OWN_WALLET)
    page = await list_payments(system, merchant.id, PaymentFilter(clue=clue), size=OTHERS_MAX + 1)
    if not page.lines:
        return Finding(clue, None, _explain_nothing(clue))
    if clue.kind in (Kind.address, Kind.amount):
        # Of a customer's several orders, the newest is the one that is asked about.
        [line, *others] = page.lines
    else:
        [line, *others] = sorted(page.lines, key=lambda line: _WEIGHT[line.status])
    sentence = await _explain(system, merchant.id, clue)
    return Finding(clue, line, sentence, others, more=page.older is not None)


def _explain_nothing(clue: Clue) -> str:
    if clue.kind is Kind.address and not is_address(clue.text):
        return NOTHING[Kind.shopify]
    return NOTHING[clue.kind]


async def _explain(system: System, merchant_id: int, clue: Clue) -> str | None:
    """What there is to say about the pasted thing itself."""
    if clue.kind is Kind.refund:
        return "This refund is of the payment below; the payment's page has it."
    if clue.kind is not Kind.signature:
        return None
    async with system.database.acquire() as connection:
        issued = await read_issued(connection, merchant_id, clue.text)
    if issued.fate is Fate.landed and issued.error is not None:
        return "This transaction landed, but it is not exactly the one that was handed out, so it does not count."
    if issued.fate is Fate.landed and not issued.final:
        return f"{FATES[Fate.landed]} It is not final yet."
    if issued.refund_id is not None and issued.fate is Fate.landed:
        return "This transaction landed on the chain. It gave back the payment below, or a part of it."
    return FATES[issued.fate]


async def read_issued(connection: Connection, merchant_id: int, signature: str) -> IssuedTransaction:
    """What was handed out to the merchant's customers or for its refunds, by signature. Raises NotInShop."""
    row = await connection.fetchrow(
        """SELECT i.* FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
        WHERE i.signature = $2 AND g.merchant_id = $1""",
        merchant_id,
        signature,
    )
    if row is None:
        raise NotInShop(record="transaction")
    return IssuedTransaction.from_row(row)
