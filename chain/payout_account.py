"""The transaction with which a merchant makes its own USDC account: signed and paid by the merchant alone."""

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message
from solders.pubkey import Pubkey

from chain.addresses import token_account
from chain.programs import ASSOCIATED_TOKEN_PROGRAM, MEMO_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM

# The associated token program's instruction that does nothing when the account is there already.
_CREATE_IDEMPOTENT = bytes([1])
SIGNATURE_BYTES = 64


def build_account_message(wallet: Pubkey, mint: Pubkey, memo: str, blockhash: Hash) -> bytes:
    """A legacy message that makes the wallet's token account for the mint. `memo` ties it to one occasion."""
    create = Instruction(
        ASSOCIATED_TOKEN_PROGRAM,
        _CREATE_IDEMPOTENT,
        [
            AccountMeta(wallet, is_signer=True, is_writable=True),
            AccountMeta(token_account(wallet, mint), is_signer=False, is_writable=True),
            AccountMeta(wallet, is_signer=False, is_writable=False),
            AccountMeta(mint, is_signer=False, is_writable=False),
            AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
            AccountMeta(TOKEN_PROGRAM, is_signer=False, is_writable=False),
        ],
    )
    memo_instruction = Instruction(MEMO_PROGRAM, memo.encode(), [])
    return bytes(Message.new_with_blockhash([memo_instruction, create], wallet, blockhash))


def wire_of(message: bytes, signature: bytes = bytes(SIGNATURE_BYTES)) -> bytes:
    """The transaction with one signature, or with an empty place for it."""
    return b"\x01" + signature + message


def has_signed(wallet: Pubkey, content: bytes, signature: bytes) -> bool:
    """Whether the wallet's key made this Ed25519 signature over the content."""
    try:
        VerifyKey(bytes(wallet)).verify(content, signature)
    except (BadSignatureError, ValueError, TypeError):
        return False
    return True
