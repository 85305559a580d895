"""The transfer of a Solana Pay transfer request, which the wallet makes and pays for itself."""

from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from spl.memo.constants import MEMO_PROGRAM_ID
from spl.token.instructions import get_associated_token_address, transfer_checked
from spl.token.models import TransferCheckedParams

from app.sandbox.wallet.chain import Chain
from app.sandbox.wallet.errors import WalletRefusal
from app.sandbox.wallet.link import TransferRequest

_SOL_DECIMALS = 9


async def make_transfer(chain: Chain, wanted: TransferRequest, payer: Pubkey) -> VersionedTransaction:
    """The unsigned transaction: memo, then the transfer with the references as the last instruction.

    Raises WalletRefusal for an amount with too many decimals, an unknown token, or what would fail.
    """
    decimals = _SOL_DECIMALS if wanted.mint is None else await chain.decimals(str(wanted.mint))
    units = wanted.amount.scaleb(decimals)
    if units != units.to_integral_value():
        raise WalletRefusal(f"The link's amount has more than {decimals} decimals.")
    if wanted.mint is None:
        moving = transfer(TransferParams(from_pubkey=payer, to_pubkey=wanted.recipient, lamports=int(units)))
    else:
        program = Pubkey.from_string(await chain.token_program(str(wanted.mint)))
        moving = _token_transfer(wanted, payer, wanted.mint, program, int(units), decimals)
    references = [AccountMeta(key, is_signer=False, is_writable=False) for key in wanted.references]
    last = Instruction(moving.program_id, moving.data, [*moving.accounts, *references])
    first = [] if wanted.memo is None else [Instruction(MEMO_PROGRAM_ID, wanted.memo.encode(), [])]
    blockhash = Hash.from_string(await chain.latest_blockhash())
    message = Message.new_with_blockhash([*first, last], payer, blockhash)
    tx = VersionedTransaction.populate(message, [Signature.default()] * message.header.num_required_signatures)
    await chain.simulate(tx)
    return tx


def _token_transfer(
    wanted: TransferRequest, payer: Pubkey, mint: Pubkey, program: Pubkey, amount: int, decimals: int
) -> Instruction:
    params = TransferCheckedParams(
        program_id=program,
        source=get_associated_token_address(payer, mint, program),
        mint=mint,
        dest=get_associated_token_address(wanted.recipient, mint, program),
        owner=payer,
        amount=amount,
        decimals=decimals,
    )
    return transfer_checked(params)
