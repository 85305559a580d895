"""The way in from Shopify: a merchant opens the app in the admin, consents, and is signed in at the portal."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.errors import SettleError
from app.install.installation import begin, complete
from handlers.portal.access import cookie_name, drop_cookie, session_cookie, set_cookie
from handlers.portal.pages import answer_outside
from handlers.requests import system_of

STATE_COOKIE = "settle_state"
_NOT_IN = "You could not be signed in"


async def install(request: Request) -> Response:
    """GET /install, the app's address at Shopify: on to the consent, which Shopify skips where it was given before."""
    system = system_of(request)
    try:
        consent = await begin(system, request.scope["query_string"])
    except SettleError as error:
        return await answer_outside(request, error, _NOT_IN)
    response = _redirect(consent.url)
    set_cookie(response, system.settings, STATE_COOKIE, consent.state, system.settings.oauth_state_seconds)
    return response


async def finish(request: Request) -> Response:
    """GET /redirect: back from the consent, with a code for the shop's token."""
    system = system_of(request)
    try:
        session = await complete(
            system,
            request.scope["query_string"],
            state_cookie=request.cookies.get(cookie_name(system.settings, STATE_COOKIE), ""),
            old_session=request.cookies.get(session_cookie(system.settings)),
        )
    except SettleError as error:
        return await answer_outside(request, error, _NOT_IN)
    # Always there: what came with the request does not decide where the browser goes.
    response = _redirect("/portal")
    set_cookie(response, system.settings, "settle_session", session, system.settings.portal_session_seconds)
    drop_cookie(response, system.settings, STATE_COOKIE)
    return response


def _redirect(url: str) -> Response:
    # 303, not 301: browsers would keep that for ever.
    return RedirectResponse(url, 303, headers={"Cache-Control": "no-store"})


INSTALL: list[BaseRoute] = [
    Route("/install", install, methods=["GET"]),
    Route("/redirect", finish, methods=["GET"]),
]
