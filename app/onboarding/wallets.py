"""The payout wallet: whose key the merchant must be shown to have, by a signed message or by a signed transaction.

What is to be signed names us, the shop, the wallet, the time and a number used once, so that no signature made for
anybody else, for another shop or at another time proves anything here.
"""

import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature

from app import events
from app.database import Connection
from app.errors import SettleError
from app.logs import get_logger
from app.onboarding.record import touch
from app.records import Cluster, Merchant, RecordKind, WalletChallenge
from app.system import System
from app.transactions import own_addresses
from chain.addresses import parse_wallet
from chain.errors import NodeError, Refused
from chain.payout_account import build_account_message, has_signed, wire_of

# Of one merchant's challenges so many are kept; more take the place of the oldest.
CHALLENGES_MAX = 5

_IS_OURS = f"SELECT {own_addresses.is_ours('$1')}"
_ADD = """
INSERT INTO wallet_challenges (nonce, merchant_id, wallet, proof, content, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
_TRIM = """
DELETE FROM wallet_challenges WHERE expires_at <= $2 OR merchant_id = $1 AND id NOT IN (
    SELECT id FROM wallet_challenges WHERE merchant_id = $1 ORDER BY id DESC LIMIT $3)
"""
_USE = "DELETE FROM wallet_challenges WHERE nonce = $1 AND merchant_id = $2 AND wallet IS NOT NULL RETURNING *"
_PROVED = "UPDATE onboardings SET wallet = $2, wallet_proof = $3, wallet_proved_at = $4 WHERE merchant_id = $1"


class WalletUnfit(SettleError):
    """This address can not be your payout wallet: {problem}."""

    reason = "wallet_unfit"
    status = 422


class ProofInvalid(SettleError):
    """This does not prove that the wallet is yours: {problem}. Ask for a new text to sign, and sign it with it."""

    reason = "proof_invalid"
    status = 422


class ChainUnreachable(SettleError):
    """Solana can not be reached right now; nothing was changed. Please try again in a moment."""

    reason = "chain_unreachable"
    status = 503


class Proof(StrEnum):
    """What is signed."""

    message = "message"
    # It makes the wallet's USDC account, which the merchant pays for.
    transaction = "transaction"
    # The same, fetched by a wallet that scans a code, and sent by it (app/onboarding/scanned_wallets.py).
    scanned = "scanned"


@dataclass(frozen=True)
class Challenge:
    """What to sign: a text, or a transaction in base64 with an empty place for the wallet's signature."""

    nonce: str
    proof: Proof
    content: str
    expires_at: datetime


async def challenge(system: System, merchant: Merchant, address: str, proof: Proof) -> Challenge:
    """Something to sign with this wallet (base58): message or transaction. Raises WalletUnfit or ChainUnreachable."""
    wallet = await read_wallet(system, address)
    nonce, now = secrets.token_urlsafe(32), system.clock.now()
    expires_at = now + timedelta(seconds=system.settings.wallet_challenge_seconds)
    if proof is Proof.message:
        text = _write_message(system, merchant, wallet, nonce, now)
        content, shown = text.encode(), text
    else:
        parts = system.clusters[Cluster.live]
        content = build_account_message(wallet, parts.mint, nonce, await newest_blockhash(system))
        shown = b64encode(wire_of(content)).decode()
    async with system.database.transaction() as connection:
        await add_challenge(connection, nonce, merchant.id, str(wallet), proof, content, expires_at, at=now)
    return Challenge(nonce, proof, shown, expires_at)


async def add_challenge(
    connection: Connection,
    nonce: str,
    merchant_id: int,
    wallet: str | None,
    proof: Proof,
    content: bytes,
    expires_at: datetime,
    *,
    at: datetime,
) -> None:
    """Keep it until it is used. `wallet` None: whichever signs."""
    await connection.execute(_ADD, nonce, merchant_id, wallet, proof, content, expires_at)
    await connection.execute(_TRIM, merchant_id, at, CHALLENGES_MAX)


async def prove(system: System, merchant: Merchant, nonce: str, signed: str) -> None:
    """Take the signature over a challenge, which is used up by it, right or wrong.

    `signed`: the signature in base58 or base64, or the signed transaction in base64, which is then sent to the chain.
    Raises ProofInvalid, WalletUnfit or ChainUnreachable.
    """
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_USE, nonce, merchant.id)
    if row is None:
        raise ProofInvalid(problem="it was used before, or is not one of yours")
    known, now = WalletChallenge.from_row(row), system.clock.now()
    if known.expires_at <= now:
        raise ProofInvalid(problem="its time is over")
    assert known.wallet is not None
    wallet, proof = await read_wallet(system, known.wallet), Proof(known.proof)
    signature = _read_signature(signed, known.content, proof)
    if not has_signed(wallet, known.content, signature):
        raise ProofInvalid(problem="the signature is not that wallet's")
    if proof is Proof.transaction:
        await _send(system, wire_of(known.content, signature))
    async with system.database.transaction() as connection:
        await note_proof(connection, merchant.id, known.wallet, proof, at=now)


async def note_proof(connection: Connection, merchant_id: int, wallet: str, proof: Proof, *, at: datetime) -> None:
    """The merchant has shown that this wallet (base58) is its own."""
    before = await touch(connection, merchant_id, at=at)
    await connection.execute(_PROVED, merchant_id, wallet, proof, at)
    await events.write_event(
        connection,
        RecordKind.merchant,
        str(merchant_id),
        events.WALLET_PROVED,
        at=at,
        proof=proof,
        before=before.wallet,
        wallet=wallet,
    )
    get_logger().info("wallet_proved", merchant_id=merchant_id, wallet=wallet, proof=proof)


async def is_ours(system: System, connection: Connection, wallet: Pubkey) -> bool:
    """Whether an address is a fee payer or a single-use account, of today or of yesterday."""
    if any(wallet in parts.fee_payers.addresses for parts in system.clusters.values()):
        return True
    found: bool = await connection.fetchval(_IS_OURS, str(wallet))
    return found


async def read_wallet(system: System, address: str) -> Pubkey:
    """An address (base58) that may be a payout wallet. Raises WalletUnfit."""
    try:
        wallet = parse_wallet(address)
    except Refused as refusal:
        raise WalletUnfit(problem=refusal.message.rstrip(".").lower()) from None
    if any(wallet == parts.mint for parts in system.clusters.values()):
        raise WalletUnfit(problem="it is the address of the mint")
    async with system.database.acquire() as connection:
        if await is_ours(system, connection, wallet):
            raise WalletUnfit(problem="it belongs to Settle itself")
    return wallet


def _write_message(system: System, merchant: Merchant, wallet: Pubkey, nonce: str, now: datetime) -> str:
    domain = urlsplit(system.settings.public_url).netloc
    return (
        f"{domain} asks you to show that this wallet is yours, so that the payments of your shop can be sent to it.\n\n"
        f"Wallet: {wallet}\n"
        f"Shop: {merchant.shop}\n"
        f"Nonce: {nonce}\n"
        f"Time: {now:%Y-%m-%dT%H:%M:%SZ}\n\n"
        "Signing this moves no money and allows nothing else."
    )


def _read_signature(signed: str, content: bytes, proof: Proof) -> bytes:
    if len(signed) > 4_096:
        raise ProofInvalid(problem="it is no signature")
    if proof is Proof.message:
        try:
            return bytes(Signature.from_string(signed))
        except ValueError:
            pass
    try:
        decoded = b64decode(signed, validate=True)
    except (Base64Error, ValueError):
        raise ProofInvalid(problem="it is no signature") from None
    if proof is Proof.message:
        return decoded
    signature, rest = decoded[1:65], decoded[65:]
    if decoded[:1] != b"\x01" or rest != content:
        raise ProofInvalid(problem="the transaction is not the one that was to be signed")
    return signature


async def newest_blockhash(system: System) -> Hash:
    """One that a wallet has time to sign with. Raises ChainUnreachable."""
    try:
        return (await system.clusters[Cluster.live].node.latest_blockhash("confirmed")).hash
    except NodeError as error:
        raise ChainUnreachable from error


async def _send(system: System, transaction: bytes) -> None:
    try:
        await system.clusters[Cluster.live].node.send_transaction(transaction)
    except NodeError as error:
        raise ChainUnreachable from error
