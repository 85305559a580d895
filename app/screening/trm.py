"""TRM Labs' wallet screening (facts/solana.md section 7)."""

import asyncio
from typing import Annotated

import httpx
import msgspec

from app import metrics
from app.logs import get_logger
from app.screening.screener import ScreeningUnavailable, Verdict
from app.tracing import tracing


class Entity(msgspec.Struct, rename="camel"):
    """Who owns or is tied to the address; the level is 1 low, 5 medium, 10 high, 15 severe, 0 or null unknown."""

    category: str = ""
    risk_score_level: int | None = None


class RiskIndicator(msgspec.Struct, rename="camel"):
    """A kind of risk found in the address's own doings (OWNERSHIP) or in those it dealt with."""

    category: str = ""
    category_risk_score_level: int | None = None
    risk_type: str = ""


class Screened(msgspec.Struct, rename="camel"):
    address: str
    entities: list[Entity] = []
    address_risk_indicators: list[RiskIndicator] = []


_CLEAR, _FLAGGED, _UNAVAILABLE = (
    metrics.screenings_total.labels(outcome) for outcome in ("clear", "flagged", "unavailable")
)

Answer = Annotated[list[Screened], msgspec.Meta(min_length=1, max_length=1)]


class TrmScreener:
    """Flags a wallet that an entity at the set risk level owns, or whose own risk indicators reach it."""

    def __init__(self, client: httpx.AsyncClient, api_key: str, risk_level: int, timeout_seconds: float = 5) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._auth = httpx.BasicAuth(api_key, api_key)
        self._risk_level = risk_level

    async def screen(self, wallet: str) -> Verdict:
        """Raises ScreeningUnavailable on any trouble: an unclear answer is no clearance."""
        with tracing.span("screening"):
            return await self._screen(wallet)

    async def _screen(self, wallet: str) -> Verdict:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.post(
                    "/public/v2/screening/addresses", json=[{"address": wallet, "chain": "solana"}], auth=self._auth
                )
            response.raise_for_status()
            [screened] = msgspec.json.decode(response.content, type=Answer)
            if screened.address != wallet:
                raise ValueError("the answer is about another address")
        except (httpx.HTTPError, TimeoutError, msgspec.DecodeError, ValueError) as error:
            _UNAVAILABLE.inc()
            get_logger().warning("screening_unavailable", wallet=wallet, error=type(error).__name__)
            raise ScreeningUnavailable from error
        verdict = self._judge(screened)
        (_FLAGGED if verdict.flagged else _CLEAR).inc()
        return verdict

    def _judge(self, screened: Screened) -> Verdict:
        risks = [(entity.category, entity.risk_score_level) for entity in screened.entities]
        # Dealing with a risky counterparty is not guilt: only what the address itself is counts.
        risks += [
            (indicator.category, indicator.category_risk_score_level)
            for indicator in screened.address_risk_indicators
            if indicator.risk_type == "OWNERSHIP"
        ]
        found = tuple(category for category, level in risks if (level or 0) >= self._risk_level)
        return Verdict(flagged=bool(found), categories=found)
