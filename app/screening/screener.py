"""Screening: is this wallet one that we must not serve?"""

from typing import Protocol

import msgspec

from app.errors import CustomerError


class ScreeningUnavailable(CustomerError):
    """Your wallet cannot be checked right now. Nothing was paid; please try again in a moment."""

    reason = "screening_unavailable"
    status = 503


class Verdict(msgspec.Struct, frozen=True):
    """Whether the wallet is flagged, and by which categories of risk."""

    flagged: bool
    categories: tuple[str, ...] = ()


class Screener(Protocol):
    async def screen(self, wallet: str) -> Verdict:
        """Ask about a wallet (base58). Raises ScreeningUnavailable: then nothing is known, and nothing is decided."""
        ...
