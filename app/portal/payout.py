"""The payout wallet's USDC account, looked at on the chain: what is in it, and whether it can receive."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from solders.pubkey import Pubkey

from app import events
from app.records import Cluster, Merchant, MerchantStatus, RecordKind
from app.system import System
from chain.accounts import TokenAccount, read_token_account
from chain.addresses import token_account
from chain.errors import NodeError
from chain.programs import TOKEN_PROGRAM

# A page waits no longer for the chain than a person would for the page.
PATIENCE_SECONDS = 1.5
# A look is good for so long: who clicks through the portal does not ask the node each time.
FRESH = timedelta(seconds=60)

_NOTE = """
UPDATE merchants m SET payout_seen_at = $2, payout_problem = $3
FROM (SELECT payout_problem AS old FROM merchants WHERE id = $1 FOR UPDATE) AS before
WHERE m.id = $1 RETURNING m.*, before.old
"""


class Problem(StrEnum):
    """Why an account can not receive."""

    # There is none (any more): its owner can close it.
    missing = "missing"
    # Circle, who issues USDC, has frozen it.
    frozen = "frozen"
    # It has changed hands, or is no account for USDC.
    foreign = "foreign"


@dataclass(frozen=True)
class Payout:
    """`usdc` in base units, None where there is no account; `problem` is why it can not receive, None: it can."""

    usdc: int | None
    problem: Problem | None


async def look_at_payout(system: System, address: str | None, cluster: Cluster) -> Payout | None:
    """What the chain shows of a wallet's (base58) account. None: there is no wallet, or no node answers in time."""
    if address is None:
        return None
    parts, wallet = system.clusters[cluster], Pubkey.from_string(address)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            [account] = (await parts.node.accounts([token_account(wallet, parts.mint)], "confirmed")).accounts
    except (NodeError, TimeoutError):
        return None
    token = None
    if account is not None and account.owner == TOKEN_PROGRAM:
        token = read_token_account(account.data)
    return Payout(None if token is None else token.amount, _judge(account is not None, token, wallet, parts.mint))


def _judge(exists: bool, token: TokenAccount | None, wallet: Pubkey, mint: Pubkey) -> Problem | None:
    if not exists:
        return Problem.missing
    if token is None or (token.owner, token.mint) != (wallet, mint):
        return Problem.foreign
    return Problem.frozen if token.is_frozen else None


async def refresh_payout(system: System, merchant: Merchant) -> Merchant:
    """Look at the live account again, unless that was just done, and note with an event when its state is another.

    Returns the merchant as it is then: its row is what the attention list and the badge read. A payout wallet that is
    still to be given, or a shop that takes no payments, is no problem.
    """
    now = system.clock.now()
    if merchant.payout_seen_at is not None and now - merchant.payout_seen_at < FRESH:
        return merchant
    if merchant.status is not MerchantStatus.active:
        return merchant
    payout = await look_at_payout(system, merchant.wallet, Cluster.live)
    if payout is None:
        return merchant
    async with system.database.transaction() as connection:
        row = await connection.fetchrow(_NOTE, merchant.id, now, payout.problem)
        assert row is not None
        if row["old"] != payout.problem:
            await events.write_event(
                connection, RecordKind.merchant, str(merchant.id), events.CHANGED, at=now, by="chain",
                field="payout_problem", before=row["old"], after=payout.problem,
            )  # fmt: skip
    return Merchant.from_row(row)
