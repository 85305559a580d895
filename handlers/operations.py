"""What operators and their machines ask: is it alive, is it ready, and how is it doing."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.health import check_readiness
from handlers.exposition import Exposition
from handlers.requests import Json, system_of


async def health(_request: Request) -> Response:
    """The process answers. It says nothing of anything else, so nobody restarts it for a database's trouble."""
    return Json({"status": "ok"})


async def ready(request: Request) -> Response:
    """200 while it can take payments, `degraded` included; 503 without the database."""
    readiness = await check_readiness(system_of(request))
    return Json(readiness, 503 if readiness.status == "unavailable" else 200)


async def show_metrics(request: Request) -> Response:
    exposition: Exposition = request.app.state.exposition
    return Response(await exposition.text(), media_type=CONTENT_TYPE_LATEST)


OPERATIONS = [
    Route("/health", health, methods=["GET"]),
    Route("/ready", ready, methods=["GET"]),
    Route("/metrics", show_metrics, methods=["GET"]),
]
