"""The calls with which a program drives the world as a whole: fault switches, the clock, health."""

from types import NoneType
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.calls import read_object
from app.sandbox.clock import VirtualClock
from app.sandbox.faults import BadFault, Fault, Faults, UnknownFault


class Control:
    """The /sandbox calls that belong to no part."""

    def __init__(self, clock: VirtualClock, faults: Faults) -> None:
        self._clock = clock
        self._faults = faults
        self.routes: list[BaseRoute] = [
            Route("/sandbox/faults", self.set_fault, methods=["POST"]),
            Route("/sandbox/faults", self.show_faults, methods=["GET"]),
            Route("/sandbox/faults", self.clear_faults, methods=["DELETE"]),
            Route("/sandbox/clock", self.advance_clock, methods=["POST"]),
            Route("/sandbox/clock", self.show_clock, methods=["GET"]),
            Route("/sandbox/health", self.show_health, methods=["GET"]),
        ]

    async def set_fault(self, request: Request) -> Response:
        """{"target","fault","value","times"}, the last two may be missing. 201 with the switch."""
        anything = (str, int, float, bool, list, dict, NoneType)
        message = await read_object(
            request, {"target": (str,), "fault": (str,), "value": anything, "times": (int, NoneType)}
        )
        try:
            switch = self._faults.set(**message)
        except (UnknownFault, BadFault) as bad:
            raise HTTPException(422, str(bad)) from None
        return JSONResponse(_describe(switch), 201)

    async def show_faults(self, _request: Request) -> Response:
        """{"kinds": {target: {fault: what it does}}, "on": [{"target","fault","value","times"}]}."""
        return JSONResponse({"kinds": self._faults.kinds, "on": [_describe(fault) for fault in self._faults.on]})

    async def clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return await self.show_faults(request)

    async def advance_clock(self, request: Request) -> Response:
        """{"advance_seconds"}: the world's time jumps. Answers as `show_clock`."""
        seconds = (await read_object(request, {"advance_seconds": (int,)}))["advance_seconds"]
        try:
            self._clock.advance(seconds)
        except ValueError as bad:
            raise HTTPException(422, f"'advance_seconds': {bad}") from None
        return await self.show_clock(request)

    async def show_clock(self, _request: Request) -> Response:
        """{"now", "offset_seconds"}: virtual time, and how far it is ahead of the real one."""
        return JSONResponse({"now": self._clock.now().isoformat(), "offset_seconds": self._clock.offset_seconds})

    async def show_health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})


def _describe(fault: Fault) -> dict[str, Any]:
    return {"target": fault.target, "fault": fault.fault, "value": fault.value, "times": fault.times}
