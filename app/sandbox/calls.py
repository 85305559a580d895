"""The control calls' manners: JSON objects in, JSON out, a sentence when something is wrong."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


async def read_object(request: Request, fields: Mapping[str, tuple[type, ...]] | None = None) -> dict[str, Any]:
    """The request's JSON object, its fields of these types. Raises HTTPException: 400 no JSON, 422 not what is wanted.

    Without `fields` any object will do. A field that may be missing has `NoneType` among its types.
    """
    try:
        message = json.loads(await request.body())
    except ValueError:
        raise HTTPException(400, "the body must be JSON") from None
    if not isinstance(message, dict):
        raise HTTPException(422, "the body must be a JSON object")
    if fields is None:
        return message
    if unknown := sorted(set(message) - set(fields)):
        raise HTTPException(422, f"unknown field {unknown[0]!r}; there are {', '.join(fields)}")
    for name, types in fields.items():
        value = message.get(name)
        # JSON's true is no number, whatever Python says.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join("null" if kind is type(None) else _NAMES[kind] for kind in types)
            raise HTTPException(422, f"{name!r} must be {names}")
    return {name: message.get(name) for name in fields}


_NAMES: dict[type, str] = {str: "a string", int: "a whole number", bool: "true or false"}


async def complain(_request: Request, error: Exception) -> Response:
    """The answer to an HTTPException: {"message"}."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"message": error.detail}, error.status_code, headers=error.headers)
