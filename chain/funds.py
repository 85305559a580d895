"""Moving all that a fee payer has to another one, when its key has had its day."""

from solders.hash import Hash
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from chain.fee_payer import FeePayer
from chain.payment_transaction import SignedTransaction
from chain.programs import LAMPORTS_PER_SIGNATURE

SIGNATURES = 1
FEE = SIGNATURES * LAMPORTS_PER_SIGNATURE


async def sign_move(source: FeePayer, destination: Pubkey, lamports: int, blockhash: Hash) -> SignedTransaction:
    """Build and sign a transfer of all `lamports` that the source has, less the fee, so that nothing is left.

    Raises ValueError when that is nothing, FeePayerUnavailable.
    """
    if lamports <= FEE:
        raise ValueError(f"{lamports} lamports do not pay for their own move")
    params = TransferParams(from_pubkey=source.address, to_pubkey=destination, lamports=lamports - FEE)
    message = bytes(Message.new_with_blockhash([transfer(params)], source.address, blockhash))
    signature = await source.sign(message)
    return SignedTransaction(str(signature), b"".join((bytes([SIGNATURES]), bytes(signature), message)))
