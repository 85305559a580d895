"""The merchant's way to taking payments, as calls for the portal's pages."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.errors import RequestInvalid
from app.onboarding.progress import Progress, accept_terms, check_identity, finish, pause, read_progress
from app.onboarding.wallets import Proof, challenge, prove
from app.portal.sessions import Visitor
from app.records import IdentityStatus, Merchant, MerchantStatus
from app.system import System
from handlers.portal.access import signed_in
from handlers.requests import Json, read_body, system_of

PATH = "/portal/api/onboarding"
# Where Persona sends the merchant's browser back to.
RETURN_PATH = "/portal"

T = TypeVar("T", bound=Struct)
Text = Annotated[str, Meta(max_length=4_096)]


class _Wallet(Struct):
    wallet: Annotated[str, Meta(max_length=64)]
    proof: Literal["message", "transaction"]


class _Proof(Struct):
    nonce: Annotated[str, Meta(max_length=64)]
    signed: Text


class _Terms(Struct):
    terms: Text
    privacy: Text


def gateway_url(system: System, shop: str) -> str:
    """Shopify's page on which the merchant activates the app (App Store requirement 5.2.7)."""
    origin = system.settings.shopify_url.format(shop=shop)
    return f"{origin}/services/payments_partners/gateways/{system.settings.shopify_client_id}/settings"


async def show_progress(request: Request, visitor: Visitor) -> Response:
    """GET: how far the merchant has come."""
    return await _answer(system_of(request), visitor.merchant)


async def ask_wallet(request: Request, visitor: Visitor) -> Response:
    """POST .../wallet: something to sign with the wallet."""
    wanted = await _read(request, _Wallet)
    asked = await challenge(system_of(request), visitor.merchant, wanted.wallet, Proof(wanted.proof))
    return Json(
        {"nonce": asked.nonce, "proof": asked.proof, "content": asked.content, "expires_at": asked.expires_at}, 201
    )


async def take_proof(request: Request, visitor: Visitor) -> Response:
    """POST .../proof: what was signed."""
    given = await _read(request, _Proof)
    system = system_of(request)
    await prove(system, visitor.merchant, given.nonce, given.signed)
    return await _answer(system, visitor.merchant)


async def take_terms(request: Request, visitor: Visitor) -> Response:
    """POST .../terms: terms and privacy notice are accepted, in these versions."""
    accepted = await _read(request, _Terms)
    system = system_of(request)
    await accept_terms(system, visitor.merchant.id, accepted.terms, accepted.privacy)
    return await _answer(system, visitor.merchant)


async def take_identity(request: Request, visitor: Visitor) -> Response:
    """POST .../identity: begin the check, or look how it ended; `identity.url` is where the merchant goes on."""
    system = system_of(request)
    url = await check_identity(system, visitor.merchant, f"{system.settings.public_url}{RETURN_PATH}")
    return await _answer(system, visitor.merchant, identity_url=url)


async def open_shop(request: Request, visitor: Visitor) -> Response:
    """POST .../finish: all is done, so the shop takes payments, and Shopify is told."""
    system = system_of(request)
    await finish(system, visitor.merchant)
    return await _answer(system, visitor.merchant)


async def pause_shop(request: Request, visitor: Visitor) -> Response:
    """POST .../pause: no payments for now; `finish` ends it."""
    system = system_of(request)
    await pause(system, visitor.merchant.id)
    return await _answer(system, visitor.merchant)


async def return_to_shopify(request: Request, visitor: Visitor) -> Response:
    """GET /portal/onboarding/return: to Shopify's own page, where the merchant activates the app."""
    return RedirectResponse(gateway_url(system_of(request), visitor.merchant.shop), 303)


async def _read(request: Request, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(await read_body(request), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestInvalid(problem=str(error).removesuffix(".")[:200]) from None


async def _answer(system: System, merchant: Merchant, *, identity_url: str | None = None) -> Response:
    """The whole state, as it is after the call."""
    return Json(_describe(system, await read_progress(system, merchant.id), identity_url))


def _describe(system: System, progress: Progress, identity_url: str | None) -> dict[str, Any]:
    merchant, known, settings, told = progress.merchant, progress.onboarding, system.settings, progress.told
    return {
        "missing": progress.missing,
        "active": merchant.status is MerchantStatus.active,
        "paused_at": known.paused_at if known else None,
        "wallet": {
            "in_use": merchant.wallet,
            "proved": known.wallet if known else None,
            "proved_by": known.wallet_proof if known else None,
            "proved_at": known.wallet_proved_at if known else None,
            "account_fits": progress.account_fits,
        },
        "terms": {
            "version": settings.terms_version,
            "url": settings.terms_url,
            "accepted": known.terms_version if known else None,
            "accepted_at": known.terms_accepted_at if known else None,
        },
        "privacy": {
            "version": settings.privacy_version,
            "url": settings.privacy_url,
            "accepted": known.privacy_version if known else None,
            "accepted_at": known.privacy_accepted_at if known else None,
        },
        "identity": {
            "provider": system.identity.name,
            "status": known.identity if known else IdentityStatus.unstarted,
            "url": identity_url,
        },
        "shopify": None if told is None else {"ready": told.ready, "acknowledged_at": told.acknowledged_at},
        "return_url": gateway_url(system, merchant.shop),
    }


ONBOARDING: list[BaseRoute] = [
    Route(PATH, signed_in(show_progress), methods=["GET"]),
    Route(f"{PATH}/wallet", signed_in(ask_wallet), methods=["POST"]),
    Route(f"{PATH}/proof", signed_in(take_proof), methods=["POST"]),
    Route(f"{PATH}/terms", signed_in(take_terms), methods=["POST"]),
    Route(f"{PATH}/identity", signed_in(take_identity), methods=["POST"]),
    Route(f"{PATH}/finish", signed_in(open_shop), methods=["POST"]),
    Route(f"{PATH}/pause", signed_in(pause_shop), methods=["POST"]),
    Route("/portal/onboarding/return", signed_in(return_to_shopify), methods=["GET"]),
]
