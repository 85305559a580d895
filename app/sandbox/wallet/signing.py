"""Looking at a transaction before signing it, as Solana Pay demands of wallets, and signing it."""

import base64
import binascii

from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from app.sandbox.wallet.errors import WalletRefusal

AnyMessage = Message | MessageV0
_MISSING = Signature.default()


def parse_transaction(encoded: str) -> VersionedTransaction:
    """The transaction of an application. Raises WalletRefusal."""
    try:
        return VersionedTransaction.from_bytes(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise WalletRefusal("The application's transaction cannot be read.") from error


def is_unsigned(tx: VersionedTransaction) -> bool:
    """Whether the application signed nothing: then fee payer and blockhash are the wallet's to choose."""
    return all(signature == _MISSING for signature in tx.signatures)


def with_own_fee_payer(tx: VersionedTransaction, payer: Pubkey, blockhash: Hash) -> VersionedTransaction:
    """The same instructions, paid for by this account. Raises WalletRefusal."""
    message = tx.message
    if not isinstance(message, Message):
        raise WalletRefusal("The application's transaction is not signed, and too new to be changed.")
    rebuilt = Message.new_with_blockhash(_instructions(message), payer, blockhash)
    missing = [_MISSING] * rebuilt.header.num_required_signatures
    return VersionedTransaction.populate(rebuilt, missing)


def _instructions(message: Message) -> list[Instruction]:
    header, keys = message.header, message.account_keys
    signers, writable_end = header.num_required_signatures, len(keys) - header.num_readonly_unsigned_accounts
    writable_signers = signers - header.num_readonly_signed_accounts
    metas = [
        AccountMeta(
            key, is_signer=index < signers, is_writable=index < writable_signers or signers <= index < writable_end
        )
        for index, key in enumerate(keys)
    ]
    return [
        Instruction(keys[ix.program_id_index], bytes(ix.data), [metas[index] for index in bytes(ix.accounts)])
        for ix in message.instructions
    ]


def check_signatures(tx: VersionedTransaction, account: Pubkey) -> None:
    """Every signature that is there must be right; only the wallet's own may be missing. Raises WalletRefusal."""
    message = _known(tx)
    signers = message.account_keys[: message.header.num_required_signatures]
    if len(tx.signatures) != len(signers):
        raise WalletRefusal("The application's transaction is malformed.")
    raw = to_bytes_versioned(message)
    for signer, signature in zip(signers, tx.signatures, strict=True):
        if signature == _MISSING:
            if signer != account:
                raise WalletRefusal("The transaction wants the signature of somebody else: this may be a fraud.")
        elif not signature.verify(signer, raw):
            raise WalletRefusal("The transaction holds a wrong signature.")


def sign(tx: VersionedTransaction, key: Keypair) -> VersionedTransaction:
    """The transaction with this key's signature, if one is wanted. Raises WalletRefusal."""
    message, account = _known(tx), key.pubkey()
    signatures = list(tx.signatures)
    signers = message.account_keys[: message.header.num_required_signatures]
    if account in signers:
        signatures[signers.index(account)] = key.sign_message(to_bytes_versioned(message))
    return VersionedTransaction.populate(message, signatures)


def _known(tx: VersionedTransaction) -> AnyMessage:
    if not isinstance(tx.message, AnyMessage):
        raise WalletRefusal("The application's transaction is of a version that this wallet does not know.")
    return tx.message
