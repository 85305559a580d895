"""Settings of screening."""

from dataclasses import dataclass
from typing import Annotated

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Screening:
    """Screening of wallets."""

    trm_url: Annotated[str, about("TRM's API.")] = "https://api.trmlabs.com"
    trm_api_key: Annotated[str, about("TRM's API key.", secret=True)]
    trm_risk_level: Annotated[
        int, about("Lowest risk level that is screened out (10 is high, 15 severe).", ge=1, le=15)
    ] = 5
    trm_timeout_seconds: Annotated[int, about("Longest one screening may take.", ge=1, le=60)] = 5
