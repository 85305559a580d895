"""Settings of payments."""

from dataclasses import dataclass
from typing import Annotated

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Payments:
    """Payments: how long things hold, and what Shopify is told meanwhile."""

    pending_after_seconds: Annotated[
        int,
        about("Landed and not final for so long: Shopify is told `pending`, and the customer may go; 0: never.", ge=0),
    ] = 120
    pending_lifetime_seconds: Annotated[
        int,
        about("How long Shopify may hold a session as pending; it recommends up to three days.", ge=3_600, le=259_200),
    ] = 86_400
    payment_lifetime_seconds: Annotated[int, about("How long a payment waits for its customer.", ge=60)] = 86_400
    expiry_poll_ms: Annotated[int, about("How often overdue payments are looked for.", ge=50, le=600_000)] = 30_000
    quote_lifetime_seconds: Annotated[int, about("How long the price of a fiat currency holds.", ge=30)] = 600
    issued_live_max: Annotated[int, about("Live transactions one payment may have at once.", ge=1, le=100)] = 8
