"""The transactions with which a merchant makes its own USDC account, and shows that a wallet is its own.

The merchant alone signs them and pays for them.
"""

from hashlib import sha256

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message
from solders.pubkey import Pubkey

from chain.addresses import token_account
from chain.errors import TransactionVersionUnsupported
from chain.node import Questions
from chain.programs import ASSOCIATED_TOKEN_PROGRAM, MEMO_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM
from chain.settled import SettledTransaction

# The associated token program's instruction that does nothing when the account is there already.
_CREATE_IDEMPOTENT = bytes([1])
# The system program's transfer (2, as u32) of 0 lamports (as u64).
_TRANSFER_NOTHING = (2).to_bytes(4, "little") + bytes(8)
SIGNATURE_BYTES = 64


def build_account_message(wallet: Pubkey, mint: Pubkey, memo: str, blockhash: Hash) -> bytes:
    """A legacy message that makes the wallet's token account for the mint. `memo` ties it to one occasion."""
    return bytes(Message.new_with_blockhash([_note(memo), _open_account(wallet, mint)], wallet, blockhash))


def build_found_message(wallet: Pubkey, mint: Pubkey, memo: str, reference: Pubkey, blockhash: Hash) -> bytes:
    """The same, to be sent by the wallet itself and then found by the reference.

    Solana Pay lets a transfer of SOL bring references along; this one moves 0 lamports from the wallet to itself.
    """
    transfer = Instruction(
        SYSTEM_PROGRAM,
        _TRANSFER_NOTHING,
        [
            AccountMeta(wallet, is_signer=True, is_writable=True),
            AccountMeta(wallet, is_signer=False, is_writable=True),
            AccountMeta(reference, is_signer=False, is_writable=False),
        ],
    )
    return bytes(Message.new_with_blockhash([_note(memo), _open_account(wallet, mint), transfer], wallet, blockhash))


def derive_reference(nonce: str) -> Pubkey:
    """An address that nobody can connect with the nonce who does not know it."""
    return Pubkey.from_bytes(sha256(nonce.encode()).digest())


async def find_signers(node: Questions, reference: Pubkey, memo: str, at_most: int) -> list[Pubkey]:
    """The wallets that have signed with this memo, each once, the first one first.

    Of the transactions that name the reference and did not fail, `at_most` are looked at, the oldest ones: once a
    wallet has signed, the reference is there for all to see and to name. Raises NodeError.
    """
    lines = await node.history(reference, commitment="confirmed")
    signatures = [line.signature for line in reversed(lines) if line.error is None][:at_most]
    found = [await _read_signer(node, signature, memo) for signature in signatures]
    return list(dict.fromkeys(wallet for wallet in found if wallet is not None))


async def _read_signer(node: Questions, signature: str, memo: str) -> Pubkey | None:
    try:
        landed = await node.transaction(signature, "confirmed")
    except TransactionVersionUnsupported:
        # It can not be one of those that we hand out.
        return None
    return None if landed is None else find_signer(landed, memo)


def find_signer(transaction: SettledTransaction, memo: str) -> Pubkey | None:
    """Who has paid for and signed a transaction with exactly this memo; None: nobody, or it failed.

    Wallets may change what nobody else has signed (fees, a newer blockhash, guards of their own), so only the memo
    counts, and a signature over all of it that is checked here, whatever the node says.
    """
    payer = transaction.keys[0]
    noted = any(step.program == MEMO_PROGRAM and step.data == memo.encode() for step in transaction.steps)
    if transaction.error is not None or not noted:
        return None
    return payer if has_signed(payer, transaction.message, bytes(transaction.signatures[0])) else None


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


def _note(memo: str) -> Instruction:
    return Instruction(MEMO_PROGRAM, memo.encode(), [])


def _open_account(wallet: Pubkey, mint: Pubkey) -> Instruction:
    return Instruction(
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
