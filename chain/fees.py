"""What a transaction costs its fee payer for good."""

from chain.programs import LAMPORTS_PER_SIGNATURE

_MICRO = 1_000_000


def transaction_fee(signatures: int, compute_unit_limit: int, compute_unit_price: int) -> int:
    """Lamports, whether it lands or fails. The price is in micro-lamports a unit; the network rounds up.

    The network takes the price of the whole limit, used or not.
    """
    priority = -(-compute_unit_limit * compute_unit_price // _MICRO)
    return signatures * LAMPORTS_PER_SIGNATURE + priority
