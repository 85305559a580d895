"""Settings of prices."""

from dataclasses import dataclass
from typing import Annotated

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Prices of fiat currencies."""

    price_url: Annotated[str, about("CoinGecko's API, the first source of prices.")] = "https://api.coingecko.com"
    price_second_url: Annotated[
        str, about("Coinbase's API, the second source: it confirms the first and stands in for it; empty: none.")
    ] = "https://api.coinbase.com"
    price_apart_percent: Annotated[
        int, about("How far two sources may be apart; beyond it no price is given.", ge=1, le=1_000)
    ] = 2
    price_jump_percent: Annotated[
        int, about("How far a price may be from the last one that was accepted.", ge=1, le=1_000)
    ] = 10
    price_memory_seconds: Annotated[int, about("How long a price stays the measure for a jump.", ge=0, le=86_400)] = 900
    price_patience_ms: Annotated[
        int, about("How long the other sources are waited for once one has a price.", ge=0, le=5_000)
    ] = 300
    price_timeout_ms: Annotated[int, about("Longest a payment session waits for a price.", ge=50, le=5_000)] = 800
    price_age_seconds: Annotated[int, about("Oldest price that is used for a quote.", ge=10, le=3_600)] = 300
    price_cache_seconds: Annotated[
        int, about("How long a price is used before it is asked for again.", ge=0, le=600)
    ] = 30
