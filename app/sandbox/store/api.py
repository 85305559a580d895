"""Shopify's GraphQL endpoint over HTTP: shop, version, token, throttle, then the document."""

import json
import uuid
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.sandbox.faults import Faults
from app.sandbox.store.grants import Grants
from app.sandbox.store.graphql import Invalid, Query, prepare
from app.sandbox.store.mutations import Request, internal_error
from app.sandbox.store.schemas import choose_version, load_schema
from app.sandbox.store.switches import TARGET
from app.sandbox.store.throttle import Bucket, Status

UNAUTHORIZED = "[API] Invalid API key or access token (unrecognized login or wrong password)"
BAD_BODY = {"query": "Required parameter missing or invalid"}
OLD_VERSION = "https://shopify.dev/docs/api/usage/versioning"


class Api:
    """The endpoint of every shop that has installed the app."""

    def __init__(self, faults: Faults, bucket: Bucket, root: dict[str, Any], grants: Grants) -> None:
        self._faults = faults
        self._bucket = bucket
        self._root = root
        self._grants = grants
        self.routes: list[BaseRoute] = [
            Route("/shops/{shop}/payments_apps/api/{version}/graphql.json", self.answer, methods=["POST"])
        ]

    async def answer(self, http: HttpRequest) -> Response:
        """POST of a GraphQL document, as JSON {"query","variables","operationName"} or as application/graphql."""
        request_id = str(uuid.uuid4())
        headers = {"x-request-id": request_id}
        shop, version = http.path_params["shop"], choose_version(http.path_params["version"])
        if not self._grants.knows(shop) or version is None:
            return _respond({"errors": "Not Found"}, headers, 404)
        if not self._faults.peek(TARGET, "no_version_header"):
            headers["X-Shopify-API-Version"] = version
        scopes = self._grants.scopes_of(shop, http.headers.get("X-Shopify-Access-Token", ""))
        if scopes is None or self._faults.take(TARGET, "unauthorized"):
            return _respond({"errors": UNAUTHORIZED}, headers, 401)
        try:
            text, variables, operation = _read_body(await http.body(), http.headers.get("Content-Type", ""))
        except ValueError:
            return _respond({"errors": BAD_BODY}, headers, 400)
        request = Request(version, request_id, scopes)
        if version != http.path_params["version"]:
            request.deprecated.append(OLD_VERSION)
        try:
            query = prepare(load_schema(version), text, variables, operation)
        except Invalid as invalid:
            answer: dict[str, Any] = {"errors": invalid.errors}
        else:
            answer = self._execute(query, request)
        if request.deprecated:
            headers["X-Shopify-API-Deprecated-Reason"] = request.deprecated[0]
        return _respond(answer, headers)

    def _execute(self, query: Query, request: Request) -> dict[str, Any]:
        before = self._bucket.status()
        switched = self._faults.take(TARGET, "throttled")
        if switched:
            before = Status(before.maximum, int(switched.value or 0), before.rate)
        if switched or before.available < query.requested_cost:
            error = {
                "message": "Throttled",
                "extensions": {
                    "code": "THROTTLED",
                    "documentation": "https://shopify.dev/api/usage/limits#rate-limits",
                },
            }
            return {"errors": [error], "extensions": before.as_cost(query.requested_cost, None)}
        broken = self._faults.take(TARGET, "internal_error")
        if broken is None or broken.value == "after":
            answer = query.run(self._root, request)
        if broken:
            answer = {"errors": [internal_error(request.request_id).formatted]}
        after = self._bucket.spend(query.actual_cost)
        return answer | {"extensions": after.as_cost(query.requested_cost, query.actual_cost)}


def _read_body(body: bytes, content_type: str) -> tuple[str, dict[str, Any], str | None]:
    """Document, variables and operation name. Raises ValueError when the body is none of the forms."""
    if content_type.split(";", maxsplit=1)[0].strip().lower() == "application/graphql":
        return body.decode(), {}, None
    message = json.loads(body)
    # Half of a surrogate pair is JSON, but no text: this raises UnicodeEncodeError, a ValueError.
    json.dumps(message, ensure_ascii=False).encode()
    if not isinstance(message, dict) or not isinstance(message.get("query"), str) or not message["query"]:
        raise ValueError("no query")
    variables, operation = message.get("variables") or {}, message.get("operationName")
    if not isinstance(variables, dict) or not isinstance(operation, str | None):
        raise ValueError("variables or operationName of another type")
    return message["query"], variables, operation


def _respond(answer: dict[str, Any], headers: dict[str, str], status: int = 200) -> Response:
    content = json.dumps(answer, ensure_ascii=False)
    return Response(content, status, headers, media_type="application/json; charset=utf-8")
