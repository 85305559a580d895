"""How far a merchant has come, and the step from there to taking payments."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app import events
from app.database import Connection
from app.errors import SettleError
from app.identity.provider import Check, IdentityUnavailable
from app.jobs.outcomes import Done, Outcome, Retry
from app.logs import get_logger
from app.merchants import move_merchant
from app.onboarding.configuration import configure, newest_configuration
from app.onboarding.record import read, touch
from app.portal.payout import look_at_payout
from app.records import (
    AppConfiguration,
    Cluster,
    IdentityStatus,
    InboxEvent,
    Merchant,
    MerchantStatus,
    Onboarding,
    RecordKind,
)
from app.system import System

_WALLET = """
UPDATE merchants SET wallet = $2, payout_problem = NULL, payout_seen_at = NULL, updated_at = $3
WHERE id = $1 AND wallet IS DISTINCT FROM $2 RETURNING id
"""
_TERMS = """
UPDATE onboardings SET terms_version = $2, terms_accepted_at = $4, privacy_version = $3, privacy_accepted_at = $4
WHERE merchant_id = $1
"""
_IDENTITY = """
UPDATE onboardings SET identity = $2, identity_provider = $3, identity_reference = $4, identity_at = $5
WHERE merchant_id = $1
"""
_CHECKED = "SELECT merchant_id FROM onboardings WHERE identity_reference = $1 AND identity_provider = $2"
_PAUSE = "UPDATE onboardings SET paused_at = $2 WHERE merchant_id = $1"


class OnboardingIncomplete(SettleError):
    """Something is still to be done before the shop can take payments: {missing}."""

    reason = "onboarding_incomplete"
    status = 409


class TermsOutdated(SettleError):
    """These are not the terms that are in force now. Load the page again, and read the new ones."""

    reason = "terms_outdated"
    status = 409


class Step(StrEnum):
    """What a merchant must have done, in this order."""

    # Shown that the payout wallet is its own.
    wallet = "wallet"
    # That wallet's USDC account is on the chain and can receive.
    account = "account"
    # Terms and privacy notice accepted, in the versions of now.
    terms = "terms"
    # Somebody vouches for it.
    identity = "identity"


@dataclass(frozen=True)
class Progress:
    """`missing`: the steps to be done. `told`: what Shopify was told last."""

    merchant: Merchant
    onboarding: Onboarding | None
    missing: tuple[Step, ...]
    told: AppConfiguration | None
    # None: the chain could not be asked, or there is no wallet.
    account_fits: bool | None


async def read_progress(system: System, merchant_id: int) -> Progress:
    """Where the merchant stands; the chain is asked about the account."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow("SELECT * FROM merchants WHERE id = $1", merchant_id)
        assert row is not None
        onboarding = await read(connection, merchant_id)
        told = await newest_configuration(connection, merchant_id)
    fits = None if onboarding is None else await _account_fits(system, onboarding)
    return Progress(Merchant.from_row(row), onboarding, _missing(system, onboarding, fits), told, fits)


async def accept_terms(system: System, merchant_id: int, terms: str, privacy: str) -> None:
    """The merchant accepts these versions. Raises TermsOutdated for others than those of now."""
    if (terms, privacy) != (system.settings.terms_version, system.settings.privacy_version):
        raise TermsOutdated
    now = system.clock.now()
    async with system.database.transaction() as connection:
        await touch(connection, merchant_id, at=now)
        await connection.execute(_TERMS, merchant_id, terms, privacy, now)
        await events.write_event(
            connection,
            RecordKind.merchant,
            str(merchant_id),
            events.TERMS_ACCEPTED,
            at=now,
            version=f"{terms}, {privacy}",
        )


async def check_identity(system: System, merchant: Merchant, return_url: str) -> str | None:
    """Begin the identity check, or look how it stands. Returns the page on which it goes on, if it is not over.

    Raises IdentityUnavailable.
    """
    async with system.database.acquire() as connection:
        before = await read(connection, merchant.id)
    provider = system.identity
    reference = before.identity_reference if before and before.identity_provider == provider.name else None
    under_way = before is not None and before.identity in (IdentityStatus.pending, IdentityStatus.approved)
    if reference is not None and under_way:
        check = await provider.look(reference)
    else:
        check = await provider.begin(merchant.shop, return_url)
    async with system.database.transaction() as connection:
        await _take_over(system, connection, merchant.id, check)
    return check.url


async def process_inquiry(system: System, event: InboxEvent) -> Outcome:
    """What an event of Persona's means: ask how that inquiry stands, if it is a merchant's of ours."""
    reference = (event.payload or b"").decode()
    provider = system.identity
    async with system.database.acquire() as connection:
        merchant_id = await connection.fetchval(_CHECKED, reference, provider.name)
    if merchant_id is None:
        return Done()
    try:
        check = await provider.look(reference)
    except IdentityUnavailable as error:
        return Retry(error.reason)

    async def take_over(connection: Connection) -> None:
        # A check that was begun meanwhile counts, and this one no more.
        if await connection.fetchval(_CHECKED, reference, provider.name) is not None:
            await _take_over(system, connection, merchant_id, check)

    return Done(take_over)


async def _take_over(system: System, connection: Connection, merchant_id: int, check: Check) -> None:
    """The check stands like this now."""
    now, by = system.clock.now(), system.identity.name
    known = await touch(connection, merchant_id, at=now)
    await connection.execute(_IDENTITY, merchant_id, check.status, by, check.reference, now)
    if known.identity is not check.status:
        await events.write_event(
            connection, RecordKind.merchant, str(merchant_id), events.IDENTITY, at=now, by=by,
            before=known.identity, after=check.status,
        )  # fmt: skip
    if check.status is IdentityStatus.declined:
        await _close(system, connection, merchant_id, because="identity_declined", at=now)


async def finish(system: System, merchant: Merchant) -> None:
    """Take the proved wallet into use, open the shop for payments, and have Shopify told.

    Also after a change of the wallet: payments that are open keep the one they began with.
    Raises OnboardingIncomplete.
    """
    async with system.database.acquire() as connection:
        onboarding = await read(connection, merchant.id)
    fits = None if onboarding is None else await _account_fits(system, onboarding)
    _demand(_missing(system, onboarding, fits))
    now = system.clock.now()
    async with system.database.transaction() as connection:
        current = await touch(connection, merchant.id, at=now)
        # Another browser may have proved another wallet meanwhile: then its account is not known to fit.
        _demand(_missing(system, current, fits if onboarding and current.wallet == onboarding.wallet else None))
        if await connection.fetchval(_WALLET, merchant.id, current.wallet, now) is not None:
            await events.write_event(
                connection, RecordKind.merchant, str(merchant.id), events.CHANGED, at=now, by="portal",
                field="wallet", before=merchant.wallet, after=current.wallet,
            )  # fmt: skip
        await connection.execute(_PAUSE, merchant.id, None)
        moved = await move_merchant(connection, merchant.id, MerchantStatus.active, at=now, because="onboarded")
        told = await newest_configuration(connection, merchant.id)
        if moved or told is None or not told.ready:
            version = system.settings.shopify_api_version
            await configure(connection, merchant.id, ready=True, version=version, at=now)
    get_logger().info("merchant_onboarded", merchant_id=merchant.id, wallet=current.wallet)


async def pause(system: System, merchant_id: int) -> None:
    """The merchant wants no payments for now: sessions are refused, and Shopify is told. What is open is settled."""
    now = system.clock.now()
    async with system.database.transaction() as connection:
        await touch(connection, merchant_id, at=now)
        await connection.execute(_PAUSE, merchant_id, now)
        await _close(system, connection, merchant_id, because="paused", at=now)


async def _close(system: System, connection: Connection, merchant_id: int, *, because: str, at: datetime) -> None:
    if await move_merchant(connection, merchant_id, MerchantStatus.inactive, at=at, because=because):
        version = system.settings.shopify_api_version
        await configure(connection, merchant_id, ready=False, version=version, at=at)


async def _account_fits(system: System, onboarding: Onboarding) -> bool | None:
    payout = await look_at_payout(system, onboarding.wallet, Cluster.live)
    return None if payout is None else payout.problem is None


def _missing(system: System, onboarding: Onboarding | None, account_fits: bool | None) -> tuple[Step, ...]:
    if onboarding is None:
        return tuple(Step)
    settings = system.settings
    done = {
        Step.wallet: onboarding.wallet is not None,
        Step.account: account_fits is True,
        Step.terms: (onboarding.terms_version, onboarding.privacy_version)
        == (settings.terms_version, settings.privacy_version),
        Step.identity: onboarding.identity is IdentityStatus.approved,
    }
    return tuple(step for step in Step if not done[step])


def _demand(missing: tuple[Step, ...]) -> None:
    if missing:
        raise OnboardingIncomplete(missing=", ".join(missing))
