"""The payout wallet shown by a code: a wallet, on a phone say, fetches a transaction, signs it and sends it by itself.

What lands is found by its reference, and names the occasion by its memo. Whoever else has seen the code can sign, too:
so no wallet counts before the merchant, signed in, has said that it is theirs.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from solders.pubkey import Pubkey

from app.errors import MerchantError
from app.identifiers import new_scan_id
from app.languages.reader import Reader, choose_reader
from app.languages.sentences import sentence, translate
from app.onboarding.wallets import (
    ChainUnreachable,
    Proof,
    ProofInvalid,
    WalletUnfit,
    add_challenge,
    newest_blockhash,
    note_proof,
    read_wallet,
)
from app.records import Cluster, Merchant, WalletChallenge
from app.system import System
from app.transactions.issuing import Offer
from chain.addresses import token_account
from chain.errors import NodeError
from chain.payout_account import build_found_message, derive_reference, find_signers, wire_of
from chain.preflight import display_amount
from chain.programs import LAMPORTS_PER_SIGNATURE, SOL_DECIMALS, TOKEN_ACCOUNT_SIZE

# What a wallet fetched in the code's last second can land so much later: its blockhash lives for about a minute.
LANDING = timedelta(seconds=120)
# Of the transactions that bear the reference so many are looked at: those of the merchant, and of who saw the code.
SIGNERS_MAX = 5
# A page waits no longer for the chain than a person would for the page.
PATIENCE_SECONDS = 1.5

_TITLE = sentence("Payout wallet of {shop}")
_MESSAGE = sentence("Shows that this wallet is yours. It pays nobody.")

_FORGET = "DELETE FROM wallet_challenges WHERE merchant_id = $1 AND proof = 'scanned'"
_NEWEST = """
SELECT * FROM wallet_challenges WHERE merchant_id = $1 AND proof = 'scanned' AND expires_at > $2
ORDER BY id DESC LIMIT 1
"""
_READ = """
SELECT c AS challenge, m.display_name, m.language FROM wallet_challenges c JOIN merchants m ON m.id = c.merchant_id
WHERE c.nonce = $1 AND c.proof = 'scanned'
"""
_LANGUAGE = """
SELECT m.language FROM wallet_challenges c JOIN merchants m ON m.id = c.merchant_id WHERE c.nonce = $1
"""
_USE = "DELETE FROM wallet_challenges WHERE id = $1 RETURNING id"


class ScanOver(MerchantError):
    """This code has been used, or its time is over. Get a new one on the portal's page, and scan that."""

    reason = "scan_over"
    status = 410


class ScanningWalletUnfit(MerchantError):
    """This cannot be your payout wallet: it is not an ordinary wallet of your own. Please scan with another one."""

    reason = "scanning_wallet_unfit"
    status = 422


class TooLittleSolToShow(MerchantError):
    """Showing it takes up to {needed} SOL, this wallet has {there}. Add SOL first, or sign the text in the portal."""

    reason = "too_little_sol_to_show"
    status = 422


@dataclass(frozen=True)
class Scan:
    """A code that waits for a wallet: it says `link`, and is good until `ends_at`."""

    id: int
    nonce: str
    memo: str
    link: str
    ends_at: datetime


@dataclass(frozen=True)
class ScanStanding:
    """How far it is: the wallets (base58) that have signed, the first one first. None: the chain can not be asked."""

    scan: Scan
    signers: tuple[str, ...] | None

    @property
    def mark(self) -> str:
        """Another one whenever there is something else to show."""
        return " ".join([self.scan.nonce, *(["?"] if self.signers is None else self.signers)])


async def open_scan(system: System, merchant: Merchant) -> None:
    """Begin a new one; an earlier one of this merchant is good no more."""
    nonce, now = new_scan_id(), system.clock.now()
    domain = urlsplit(system.settings.public_url).netloc
    memo = f"I show {domain} that this wallet is mine: {derive_reference(nonce)}"
    expires_at = now + timedelta(seconds=system.settings.wallet_challenge_seconds) + LANDING
    async with system.database.transaction() as connection:
        await connection.execute(_FORGET, merchant.id)
        await add_challenge(connection, nonce, merchant.id, None, Proof.scanned, memo.encode(), expires_at, at=now)


async def look_at_scan(system: System, merchant: Merchant) -> ScanStanding | None:
    """The merchant's, while something may still come of it; the chain is asked who has signed."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_NEWEST, merchant.id, system.clock.now())
    if row is None:
        return None
    scan = _scan_of(system, WalletChallenge.from_row(row))
    return ScanStanding(scan, await _find_signers(system, scan))


async def describe_scan(system: System, nonce: str, accept_language: str | None) -> str:
    """Whose payout wallet it is about, as a wallet that sends this header shows it. Raises ScanOver."""
    _, shop, reader = await _read_open(system, nonce, accept_language)
    return translate(reader.language, _TITLE, shop=shop)


async def offer_scan(system: System, nonce: str, account: str, accept_language: str | None) -> Offer:
    """The transaction with which a wallet (base58) shows that it is the merchant's, and opens its USDC account.

    Raises ScanOver, ScanningWalletUnfit, TooLittleSolToShow or ChainUnreachable.
    """
    scan, _, reader = await _read_open(system, nonce, accept_language)
    try:
        wallet = await read_wallet(system, account)
    except WalletUnfit:
        raise ScanningWalletUnfit from None
    await _check_sol(system, wallet)
    parts, blockhash = system.clusters[Cluster.live], await newest_blockhash(system)
    message = build_found_message(wallet, parts.mint, scan.memo, derive_reference(nonce), blockhash)
    return Offer(wire_of(message), translate(reader.language, _MESSAGE))


async def take_signer(system: System, merchant: Merchant, address: str) -> None:
    """The merchant says which of the wallets (base58) that have signed is theirs: that is proved then.

    Raises ScanOver, ProofInvalid for one that has not signed, WalletUnfit or ChainUnreachable.
    """
    standing = await look_at_scan(system, merchant)
    if standing is None:
        raise ScanOver
    if standing.signers is None:
        raise ChainUnreachable
    if address not in standing.signers:
        raise ProofInvalid(problem="this wallet has not signed what the code asked for")
    await read_wallet(system, address)
    async with system.database.transaction() as connection:
        if await connection.fetchval(_USE, standing.scan.id) is None:
            raise ScanOver
        await note_proof(connection, merchant.id, address, Proof.scanned, at=system.clock.now())


async def find_reader(system: System, nonce: str, accept_language: str | None) -> Reader:
    """Who scans, with a wallet that sends this header: by that, else by the shop's language of last resort."""
    async with system.database.acquire() as connection:
        language = await connection.fetchval(_LANGUAGE, nonce)
    return choose_reader(None, accept_language, language)


async def _read_open(system: System, nonce: str, accept_language: str | None) -> tuple[Scan, str, Reader]:
    """A scan, the shop's name, and who reads. Raises ScanOver."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_READ, nonce)
    if row is None:
        raise ScanOver
    scan = _scan_of(system, WalletChallenge.from_row(row["challenge"]))
    if scan.ends_at <= system.clock.now():
        raise ScanOver
    return scan, row["display_name"], choose_reader(None, accept_language, row["language"])


def _scan_of(system: System, challenge: WalletChallenge) -> Scan:
    link = f"solana:{system.settings.public_url}/transactions/wallet/{challenge.nonce}"
    return Scan(challenge.id, challenge.nonce, challenge.content.decode(), link, challenge.expires_at - LANDING)


async def _find_signers(system: System, scan: Scan) -> tuple[str, ...] | None:
    node = system.clusters[Cluster.live].node
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await find_signers(node, derive_reference(scan.nonce), scan.memo, SIGNERS_MAX)
    except (NodeError, TimeoutError):
        return None
    return tuple(map(str, found))


async def _check_sol(system: System, wallet: Pubkey) -> None:
    """Raises TooLittleSolToShow when the wallet can not pay for it and stay alive, ChainUnreachable."""
    parts = system.clusters[Cluster.live]
    try:
        purse, account = (await parts.node.accounts([wallet, token_account(wallet, parts.mint)], "confirmed")).accounts
        opening = 0 if account is not None else await parts.node.minimum_rent(TOKEN_ACCOUNT_SIZE)
        needed = LAMPORTS_PER_SIGNATURE + opening + await parts.node.minimum_rent(0)
    except NodeError as error:
        raise ChainUnreachable from error
    there = 0 if purse is None else purse.lamports
    if there < needed:
        raise TooLittleSolToShow(needed=display_amount(needed, SOL_DECIMALS), there=display_amount(there, SOL_DECIMALS))
