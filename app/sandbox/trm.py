"""TRM Labs' wallet screening, as its public API answers."""

import json
import secrets
from base64 import b64encode
from pathlib import Path
from typing import Any

from solders.pubkey import Pubkey
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.calls import read_object
from app.sandbox.clock import VirtualClock
from app.sandbox.faults import BadFault, Fault, Faults
from app.sandbox.state import open_state

TARGET = "trm"
KINDS = {
    "flag": "the address of the value (null: every address) is a sanctioned entity: severe risk, level 15",
    "medium": "the address of the value (null: every address) has medium risk, level 5",
    "counterparty": "the address of the value (null: every address) dealt with a sanctioned entity, but is none itself",
}
_TABLES = "CREATE TABLE IF NOT EXISTS flagged (address TEXT PRIMARY KEY, at TEXT NOT NULL)"
_LEVELS = {0: "Unknown", 1: "Low", 5: "Medium", 10: "High", 15: "Severe"}
_MOST_ADDRESSES = 1000


class Trm:
    """The screening API for one API key, and the standing list of flagged addresses in `data`/trm.sqlite3."""

    def __init__(self, data: Path, clock: VirtualClock, faults: Faults, *, api_key: str) -> None:
        faults.register(TARGET, KINDS, dict.fromkeys(KINDS, _check_address))
        self._faults = faults
        self._clock = clock
        self._state = open_state(data / "trm.sqlite3", _TABLES)
        self._authorization = "Basic " + b64encode(f"{api_key}:{api_key}".encode()).decode()
        self.api_routes: list[BaseRoute] = [
            Route("/trm/public/v2/screening/addresses", self.screen, methods=["POST"]),
        ]
        self.routes: list[BaseRoute] = [
            Route("/sandbox/trm/flagged", self.flag, methods=["POST"]),
            Route("/sandbox/trm/flagged", self.show_flagged, methods=["GET"]),
            Route("/sandbox/trm/flagged", self.clear_flagged, methods=["DELETE"]),
        ]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        self._state.close()

    async def screen(self, request: Request) -> Response:
        """An array of {"address","chain","accountExternalId"?} in, an array of findings in the same order out."""
        given = request.headers.get("Authorization", "")
        if not secrets.compare_digest(given.encode(), self._authorization.encode()):
            return _problem(401, "Unauthorized")
        try:
            wanted = json.loads(await request.body())
        except ValueError:
            return _problem(400, "Request body is not valid JSON")
        if not isinstance(wanted, list) or not 0 < len(wanted) <= _MOST_ADDRESSES:
            return _problem(400, f"Request body must be an array of 1 to {_MOST_ADDRESSES} items")
        for item in wanted:
            if not isinstance(item, dict) or not all(_is_text(item.get(name)) for name in ("address", "chain")):
                return _problem(400, "Each item needs an address and a chain")
        return JSONResponse([self._find(item) for item in wanted])

    async def flag(self, request: Request) -> Response:
        """{"address"}: flagged from now on. 201 with the whole list."""
        address = (await read_object(request, {"address": (str,)}))["address"]
        try:
            _check_address(address)
        except BadFault as bad:
            raise HTTPException(422, f"'address': {bad}") from None
        at = self._clock.now().isoformat()
        self._state.execute("INSERT INTO flagged VALUES (?, ?) ON CONFLICT DO NOTHING", (address, at))
        return JSONResponse(self._list(), 201)

    async def show_flagged(self, _request: Request) -> Response:
        return JSONResponse(self._list())

    async def clear_flagged(self, _request: Request) -> Response:
        self._state.execute("DELETE FROM flagged")
        return JSONResponse(self._list())

    def _list(self) -> dict[str, list[str]]:
        rows = self._state.execute("SELECT address FROM flagged ORDER BY rowid")
        return {"flagged": [address for (address,) in rows]}

    def _find(self, item: dict[str, Any]) -> dict[str, Any]:
        address = item["address"]
        fault = self._faults.take(TARGET, *KINDS, where=lambda fault: _concerns(fault, address))
        known = self._state.execute("SELECT 1 FROM flagged WHERE address = ?", (address,)).fetchone()
        kind = fault.fault if fault else ("flag" if known else None)
        return {
            "accountExternalId": item.get("accountExternalId"),
            "address": address,
            "addressIncomingVolumeUsd": "0.0",
            "addressOutgoingVolumeUsd": "0.0",
            "addressRiskIndicators": _INDICATORS.get(kind, []),
            "addressSubmitted": address,
            "addressTotalVolumeUsd": "0.0",
            "chain": item["chain"],
            "entities": _ENTITIES.get(kind, []),
            "trmAppUrl": f"https://my.trmlabs.com/address/{address}/{item['chain']}",
        }


def _check_address(value: Any) -> None:
    try:
        Pubkey.from_string(value)
    except (ValueError, TypeError):
        raise BadFault("it is no Solana address") from None


def _concerns(fault: Fault, address: str) -> bool:
    return fault.value is None or fault.value == address


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _problem(status: int, message: str) -> Response:
    return JSONResponse({"code": status, "message": message}, status)


def _entity(category: str, category_id: str, entity: str, level: int) -> dict[str, Any]:
    return {
        "category": category,
        "categoryId": category_id,
        "entity": entity,
        "riskScoreLevel": level,
        "riskScoreLevelLabel": _LEVELS[level],
        "trmAppUrl": f"https://my.trmlabs.com/entities/trm/{category_id}",
        "trmUrn": f"/entity/manual/{category_id}",
    }


def _indicator(category: str, category_id: str, level: int, risk_type: str) -> dict[str, Any]:
    return {
        "category": category,
        "categoryId": category_id,
        "categoryRiskScoreLevel": level,
        "categoryRiskScoreLevelLabel": _LEVELS[level],
        "incomingVolumeUsd": "1250.0",
        "outgoingVolumeUsd": "0.0",
        "riskType": risk_type,
        "totalVolumeUsd": "1250.0",
    }


_ENTITIES: dict[str | None, list[dict[str, Any]]] = {
    "flag": [_entity("Sanctions", "69", "Sandbox Sanctioned Entity", 15)],
    "medium": [_entity("High-Risk Exchange", "44", "Sandbox Exchange", 5)],
}
_INDICATORS: dict[str | None, list[dict[str, Any]]] = {
    "flag": [_indicator("Sanctions", "69", 15, "OWNERSHIP")],
    "medium": [_indicator("High-Risk Exchange", "44", 5, "OWNERSHIP")],
    "counterparty": [_indicator("Sanctions", "69", 15, "COUNTERPARTY")],
}
