"""The doctor: looks at everything Settle needs, says in words what is wrong and how to mend it."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from cryptography.x509 import load_pem_x509_certificates

from app.clusters import ClusterParts, make_clusters
from app.database import Database
from app.errors import SettleError
from app.migrations import pending
from app.money import USDC_DECIMALS
from app.records import Cluster
from app.settings import Settings, unknown, variable
from chain.accounts import read_mint_decimals
from chain.errors import ChainError, FeePayerUnavailable, NodeError

# Less than this pays for about a thousand open payments (rent of each, given back later) and their fees.
LOW_LAMPORTS = 1_000_000_000
CERTIFICATE_DAYS = 21
MAINNET_GENESIS = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"


@dataclass(frozen=True)
class Finding:
    """What was looked at, what is wrong (None: nothing), and what to do about it."""

    subject: str
    problem: str | None = None
    remedy: str = ""


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Look at everything, one after the other; what can not be looked at is a finding, too."""
    yield _check_names()
    database = await _check_database(settings)
    yield database
    yield (
        await _check_migrations(settings)
        if database.problem is None
        else Finding("Migrations", "could not be looked at without the database", "Mend the database first.")
    )
    if not settings.shopify_proxies:
        yield _check_certificate(settings)
        yield _check_trust(settings)
    yield await _check_address(settings, "Screening", settings.trm_url, variable("trm_url"))
    yield await _check_address(settings, "Prices", settings.price_url, variable("price_url"))
    if settings.price_second_url:
        yield await _check_address(
            settings, "Prices, second source", settings.price_second_url, variable("price_second_url")
        )
    try:
        clusters = await make_clusters(settings)
    except (ChainError, SettleError, OSError, ValueError) as error:
        remedy = f"Mend {variable('fee_payer')} or {variable('usdc_mint')}."
        if isinstance(error, FeePayerUnavailable):
            remedy = "Look for the key in AWS KMS; whoever runs Settle needs kms:GetPublicKey and kms:Sign for it."
        yield Finding("Solana", str(error), remedy)
        return
    for name, parts in clusters.items():
        async for finding in _check_cluster(name, parts):
            yield finding
    yield await _check_chains(settings, clusters)
    for parts in clusters.values():
        await parts.close()


def _check_names() -> Finding:
    strangers = unknown()
    if strangers:
        return Finding("Settings", f"unknown: {', '.join(strangers)}", "Correct the names; .env.example lists all.")
    return Finding("Settings")


async def _check_database(settings: Settings) -> Finding:
    try:
        async with (
            await Database.connect(settings.database_url, max_size=1) as database,
            database.acquire() as connection,
        ):
            version = int(await connection.fetchval("SHOW server_version_num")) // 10_000
    except (SettleError, OSError, ValueError) as error:
        return Finding("Database", str(error), f"Start PostgreSQL, or correct {variable('database_url')}.")
    if version < 15:
        return Finding("Database", f"PostgreSQL {version} is too old", "Use version 15 or newer.")
    return Finding("Database")


async def _check_migrations(settings: Settings) -> Finding:
    try:
        missing = await pending(settings.database_url)
    except SettleError as error:
        return Finding("Migrations", error.message, "See the message; nothing was changed.")
    if missing:
        return Finding("Migrations", f"not applied: {', '.join(missing)}", "Run `settle migrate`.")
    return Finding("Migrations")


def _check_certificate(settings: Settings) -> Finding:
    subject = "Certificate of Shopify's door"
    path = Path(settings.shopify_certificate or "-")
    if not path.is_file():
        return Finding(subject, f"there is no file {path}", f"Set {variable('shopify_certificate')} to a PEM file.")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, settings.shopify_key)
        ends = load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as error:
        return Finding(
            subject, f"can not be used with its key: {error}", "Give the chain and the key that belongs to it."
        )
    days = (ends - datetime.now(UTC)).days
    if days < CERTIFICATE_DAYS:
        when = f"ends in {days} days" if days >= 0 else f"ended {-days} days ago"
        return Finding(subject, when, "Renew it, then restart `settle serve`.")
    return Finding(subject)


def _check_trust(settings: Settings) -> Finding:
    subject = "Trust store of Shopify's door"
    folder = Path(settings.shopify_trust or "-")
    files = sorted(folder.glob("*.pem"))
    if not files:
        return Finding(
            subject,
            f"no .pem file in {folder}",
            f"Put Shopify's authorities there and set {variable('shopify_trust')}.",
        )
    for file in files:
        try:
            ssl.create_default_context(cafile=file)
        except (OSError, ssl.SSLError) as error:
            return Finding(subject, f"{file.name}: {error}", "Replace the file by the authority's PEM.")
    return Finding(subject)


async def _check_address(settings: Settings, subject: str, url: str, name: str) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=settings.trm_timeout_seconds, trust_env=False) as client:
            await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(subject, f"{url} does not answer ({type(error).__name__})", f"Check the network and {name}.")
    return Finding(subject)


async def _check_cluster(name: Cluster, parts: ClusterParts) -> AsyncIterator[Finding]:
    prefix = "" if name is Cluster.live else "test_"
    subject = f"Solana ({name})"
    try:
        await parts.node.health()
        view = await parts.node.accounts([parts.mint], "confirmed")
        lamports = await parts.node.balance(parts.fee_payer.address)
    except NodeError as error:
        yield Finding(subject, error.message, f"Check the network and {variable(prefix + 'rpc_urls')}.")
        return
    yield Finding(f"{subject}: RPC node")
    mint = view.accounts[0]
    if mint is None or read_mint_decimals(mint.data) != USDC_DECIMALS:
        yield Finding(
            f"{subject}: USDC mint",
            f"{parts.mint} is not a mint of {USDC_DECIMALS} decimals there",
            f"Set {variable(prefix + 'usdc_mint')}.",
        )
    else:
        yield Finding(f"{subject}: USDC mint")
    if lamports < LOW_LAMPORTS:
        yield Finding(
            f"{subject}: fee payer",
            f"has {lamports} lamports",
            f"Send SOL to {parts.fee_payer.address}: at least {LOW_LAMPORTS} lamports.",
        )
    else:
        yield Finding(f"{subject}: fee payer")


async def _check_chains(settings: Settings, clusters: Mapping[Cluster, ClusterParts]) -> Finding:
    """Live and test are two chains, each node is on its cluster's, and in production live is Solana's mainnet."""
    subject = "Solana: chains"
    chains: dict[Cluster, set[str]] = {name: set() for name in clusters}
    for name, parts in clusters.items():
        for member in parts.node.members:
            # A node that does not answer is found elsewhere.
            with suppress(NodeError):
                chains[name].add(await member.genesis_hash())
    for name, found in chains.items():
        urls = variable("rpc_urls" if name is Cluster.live else "test_rpc_urls")
        if len(found) > 1:
            return Finding(subject, f"the nodes of {urls} are on different chains", "Name nodes of one chain.")
    if len(chains) > 1 and chains[Cluster.live] & chains[Cluster.test]:
        remedy = f"Set {variable('test_rpc_urls')} to nodes of Solana's devnet."
        return Finding(subject, "live and test are the same chain: test payments would move real money", remedy)
    if settings.environment == "production" and chains[Cluster.live] - {MAINNET_GENESIS}:
        remedy = f"Set {variable('rpc_urls')} to nodes of Solana's mainnet."
        return Finding(subject, "the live cluster is not Solana's mainnet", remedy)
    return Finding(subject)
