"""What the merchant decides about the checkout, the log of changes, and the sessions."""

from functools import cache

from babel import Locale
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.languages.reader import Language
from app.portal import logos
from app.portal.actions import BY_PORTAL
from app.portal.preferences import NAME_MAX, SUPPORT_MAX, change_preferences, read_log, read_preferences
from app.portal.sessions import Visitor
from app.portal.timeline import moment_of
from handlers.portal.access import form_of, signed_in
from handlers.portal.pages import draw
from handlers.requests import Json, read_body, system_of

PATH = "/portal/settings"
LOGO_SECONDS = 31_536_000


@cache
def name_languages() -> dict[Language, str]:
    """Each language as its own readers call it."""
    return {
        language: (Locale.parse(language, sep="-").get_display_name() or language).capitalize() for language in Language
    }


async def show_settings(request: Request, visitor: Visitor) -> Response:
    """GET /portal/settings."""
    system, merchant = system_of(request), visitor.merchant
    log = await read_log(system, merchant.id)
    return await draw(
        request,
        visitor,
        "settings",
        moments=[moment_of(event) for event in log],
        logo=await logos.find_digest(system, merchant.id),
        languages=name_languages(),
        name_max=NAME_MAX,
        support_max=SUPPORT_MAX,
        logo_bytes_max=logos.BYTES_MAX,
        side_min=logos.SIDE_MIN,
        side_max=logos.SIDE_MAX,
    )


async def save(request: Request, visitor: Visitor) -> Response:
    """POST /portal/settings: fields `name`, `support` and `language`."""
    form = form_of(request)
    wanted = read_preferences(form.get("name", ""), form.get("support", ""), form.get("language", ""))
    await change_preferences(system_of(request), visitor.merchant.id, wanted, by=BY_PORTAL)
    return RedirectResponse(f"{PATH}?done=saved", 303)


async def put_logo(request: Request, visitor: Visitor) -> Response:
    """PUT /portal/api/logo: the picture is the body. `{"logo": "<its address>"}`."""
    digest = await logos.set_logo(system_of(request), visitor.merchant.id, await read_body(request), by=BY_PORTAL)
    return Json({"logo": f"/logos/{digest}"})


async def remove_logo(request: Request, visitor: Visitor) -> Response:
    """POST /portal/settings/remove-logo."""
    await logos.remove_logo(system_of(request), visitor.merchant.id, by=BY_PORTAL)
    return RedirectResponse(f"{PATH}?done=saved", 303)


async def show_logo(request: Request) -> Response:
    """GET /logos/{digest}: for everybody, and for good, since another picture has another address."""
    logo = await logos.read_logo(system_of(request), request.path_params["digest"])
    headers = {
        "Cache-Control": f"public, max-age={LOGO_SECONDS}, immutable",
        # A wallet in a browser shows it from its own origin.
        "Access-Control-Allow-Origin": "*",
    }
    return Response(logo.content, media_type=logo.media_type, headers=headers)


SETTINGS: list[BaseRoute] = [
    Route(PATH, signed_in(show_settings), methods=["GET"]),
    Route(PATH, signed_in(save), methods=["POST"]),
    Route(f"{PATH}/remove-logo", signed_in(remove_logo), methods=["POST"]),
    Route("/portal/api/logo", signed_in(put_logo), methods=["PUT"]),
    Route("/logos/{digest:digest}", show_logo, methods=["GET"]),
]
