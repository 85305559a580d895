"""What a wallet gives back when it only signs: the transaction we issued, with the customer's signature filled in."""

from solders.pubkey import Pubkey
from solders.signature import Signature

from chain.errors import NotCountersigned
from chain.payment_transaction import SIGNATURES

_SIGNATURE_BYTES = 64
_MESSAGE_AT = 1 + SIGNATURES * _SIGNATURE_BYTES


def signature_of(wire: bytes) -> str:
    """The first signature of a transaction, which is its id. Raises NotCountersigned."""
    if len(wire) <= _MESSAGE_AT or wire[0] != SIGNATURES:
        raise NotCountersigned
    return str(Signature.from_bytes(wire[1 : 1 + _SIGNATURE_BYTES]))


def check_countersigned(wire: bytes, issued: bytes, wallet: Pubkey) -> None:
    """Raises NotCountersigned unless `wire` is `issued` with the wallet's valid signature, and nothing else changed."""
    fee_payers_end = 1 + _SIGNATURE_BYTES
    same = wire[:fee_payers_end] == issued[:fee_payers_end] and wire[_MESSAGE_AT:] == issued[_MESSAGE_AT:]
    customers = Signature.from_bytes(wire[fee_payers_end:_MESSAGE_AT])
    if not same or not customers.verify(wallet, wire[_MESSAGE_AT:]):
        raise NotCountersigned
