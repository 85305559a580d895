"""The merchant's way to taking payments, as a page: what is done, what is left, and each step explained."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.onboarding.progress import Step, accept_terms, check_identity, finish, pause, read_progress
from app.onboarding.scanned_wallets import look_at_scan, open_scan, take_signer
from app.onboarding.wallets import ChainUnreachable, Proof, challenge, prove
from app.portal.sessions import Visitor
from app.records import Cluster
from handlers.checkout_page import CHAINS
from handlers.portal.access import form_of, signed_in
from handlers.portal.onboarding import RETURN_PATH
from handlers.portal.pages import draw
from handlers.qr_code import draw_qr
from handlers.requests import Json, system_of

PATH = "/portal/onboarding"


async def show_onboarding(request: Request, visitor: Visitor) -> Response:
    """GET /portal/onboarding."""
    return await _draw(request, visitor)


async def ask_wallet(request: Request, visitor: Visitor) -> Response:
    """POST .../wallet: field `wallet`; the page then shows the text to sign."""
    wallet = form_of(request).get("wallet", "").strip()
    asked = await challenge(system_of(request), visitor.merchant, wallet, Proof.message)
    return await _draw(request, visitor, challenge=asked, wallet=wallet)


async def take_proof(request: Request, visitor: Visitor) -> Response:
    """POST .../proof: fields `nonce` and `signed`."""
    form = form_of(request)
    await prove(system_of(request), visitor.merchant, form.get("nonce", ""), form.get("signed", "").strip())
    return RedirectResponse(f"{PATH}?done=proved", 303)


async def begin_scan(request: Request, visitor: Visitor) -> Response:
    """POST .../scan: the page then shows a code for a wallet to scan."""
    await open_scan(system_of(request), visitor.merchant)
    return RedirectResponse(PATH, 303)


async def take_scan(request: Request, visitor: Visitor) -> Response:
    """POST .../scan/take: field `wallet`, one of those that have signed; it is the merchant's."""
    await take_signer(system_of(request), visitor.merchant, form_of(request).get("wallet", ""))
    return RedirectResponse(f"{PATH}?done=proved", 303)


async def tell_scan(request: Request, visitor: Visitor) -> Response:
    """GET /portal/api/onboarding/scan: which wallets have signed; `mark` is another when the page would be."""
    standing = await look_at_scan(system_of(request), visitor.merchant)
    if standing is None:
        return Json({"signers": [], "mark": None})
    if standing.signers is None:
        raise ChainUnreachable
    return Json({"signers": standing.signers, "mark": standing.mark})


async def take_terms(request: Request, visitor: Visitor) -> Response:
    """POST .../terms: fields `terms` and `privacy`, the versions that were read."""
    form = form_of(request)
    await accept_terms(system_of(request), visitor.merchant.id, form.get("terms", ""), form.get("privacy", ""))
    return RedirectResponse(f"{PATH}?done=accepted", 303)


async def take_identity(request: Request, visitor: Visitor) -> Response:
    """POST .../identity: begin the check, or look how it ended; where it goes on is a link on the page then."""
    system = system_of(request)
    url = await check_identity(system, visitor.merchant, f"{system.settings.public_url}{RETURN_PATH}")
    # A link and no redirect: the page's policy lets no form lead to another site.
    return await _draw(request, visitor, identity_url=url)


async def open_shop(request: Request, visitor: Visitor) -> Response:
    """POST .../finish."""
    await finish(system_of(request), visitor.merchant)
    return RedirectResponse(f"{PATH}?done=opened", 303)


async def pause_shop(request: Request, visitor: Visitor) -> Response:
    """POST .../pause."""
    await pause(system_of(request), visitor.merchant.id)
    return RedirectResponse(f"{PATH}?done=paused", 303)


async def _draw(request: Request, visitor: Visitor, **what: Any) -> Response:
    system = system_of(request)
    progress, standing = await asyncio.gather(
        read_progress(system, visitor.merchant.id), look_at_scan(system, visitor.merchant)
    )
    qr_svg = None if standing is None else await asyncio.to_thread(draw_qr, standing.scan.link)
    given = {"challenge": None, "wallet": "", "identity_url": None} | what
    return await draw(
        request,
        visitor,
        "onboarding",
        progress=progress,
        known=progress.onboarding,
        missing=progress.missing,
        # The first step that is to be done is open; the page unfolds it.
        current=progress.missing[0] if progress.missing else None,
        steps=tuple(Step),
        settings=system.settings,
        chain=CHAINS[Cluster.live],
        scanned=standing,
        qr_svg=qr_svg,
        **given,
    )


ONBOARDING_PAGES: list[BaseRoute] = [
    Route(PATH, signed_in(show_onboarding), methods=["GET"]),
    Route(f"{PATH}/wallet", signed_in(ask_wallet), methods=["POST"]),
    Route(f"{PATH}/proof", signed_in(take_proof), methods=["POST"]),
    Route(f"{PATH}/scan", signed_in(begin_scan), methods=["POST"]),
    Route(f"{PATH}/scan/take", signed_in(take_scan), methods=["POST"]),
    Route("/portal/api/onboarding/scan", signed_in(tell_scan, in_use=False), methods=["GET"]),
    Route(f"{PATH}/terms", signed_in(take_terms), methods=["POST"]),
    Route(f"{PATH}/identity", signed_in(take_identity), methods=["POST"]),
    Route(f"{PATH}/finish", signed_in(open_shop), methods=["POST"]),
    Route(f"{PATH}/pause", signed_in(pause_shop), methods=["POST"]),
]
