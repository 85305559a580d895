"""What every page is made with: templates, the words of the reader's language, and static files under their version."""

import hashlib
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from app.languages.reader import Reader, choose_reader
from app.languages.sentences import translate

STATIC = Path(__file__).parent / "static"
NO_STORE = {"Cache-Control": "no-store"}
LASTING_SECONDS = 31_536_000
PLAIN_SECONDS = 3_600

_files = StaticFiles(directory=STATIC)


@lru_cache(maxsize=1)
def static_version() -> str:
    """Changes whenever a static file does, so that browsers may keep them for long."""
    content = b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))
    return hashlib.sha256(content).hexdigest()[:12]


def static_url(name: str) -> str:
    """A static file's address, with its version in the path: what a script imports from there has the same one."""
    return f"/static/{static_version()}/{name}"


def make_templates() -> Environment:
    """Templates of handlers/templates. All know `static`, which gives a file's address."""
    templates = Environment(
        loader=PackageLoader("handlers"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["static"] = static_url
    return templates


_templates = make_templates()


def render_page(template: str, reader: Reader, status: int = 200, **values: Any) -> HTMLResponse:
    """A page in the reader's language. In templates `_` translates."""
    html = _templates.get_template(template).render(
        _=partial(translate, reader.language), language=str(reader.language), **values
    )
    return HTMLResponse(html, status, headers=NO_STORE | {"Content-Language": str(reader.language)})


def browsers_reader(request: Request) -> Reader:
    """Who reads, by the browser or the wallet alone: for what belongs to nobody we know."""
    return choose_reader(None, request.headers.get("accept-language"))


async def serve_static(request: Request) -> Response:
    """GET /static/{version}/{name}, and GET /static/{name} for those who were told an address for ever."""
    name, version = request.path_params["name"], request.path_params.get("version")
    response = await _files.get_response(name, request.scope)
    if response.status_code < 400:
        # With its version in the address a file never changes; without, it is asked for again some day.
        is_versioned = static_version() in (version, request.query_params.get("v"))
        lasts = LASTING_SECONDS if is_versioned else PLAIN_SECONDS
        response.headers["Cache-Control"] = f"public, max-age={lasts}"
        # A wallet in a browser shows our icon from its own origin.
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response


STATIC_FILES = [
    Route("/static/{version:str}/{name:str}", serve_static, methods=["GET"]),
    Route("/static/{name:str}", serve_static, methods=["GET"]),
]
