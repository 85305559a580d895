"""How often one address, or everybody together for one payment, may ask at the public door.

What a transaction may cost is limited elsewhere, exactly and over all processes (app/transactions/quotas.py). This
keeps one process free for others, and counts in its own memory. Webhooks, and what operators ask, are never counted.
"""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from starlette.requests import Request
from starlette.types import Scope

from app import metrics
from app.errors import CustomerError
from app.networks import read_network
from app.settings import Settings
from handlers.network_address import read_network_address
from handlers.pages import browsers_reader
from handlers.transaction_request import OPEN

_COUNTED = ("/pay/", "/transactions/", "/portal", "/install", "/redirect")
_PAYMENT = re.compile(r"/(?:pay|transactions/(?:payment|refund|wallet))/([A-Za-z0-9_-]{22})(?:/|$)")


class AskedTooOften(CustomerError):
    """Too many requests came at once. Please wait a moment, then try again."""

    reason = "asked_too_often"
    status = 429

    @property
    def retry_after_seconds(self) -> int:
        return int(self.details["seconds"])


class Buckets:
    """Token buckets by key: `burst` at once, then `per_minute`. Of more than `kept`, the one unused longest goes."""

    def __init__(self, per_minute: int, burst: int, kept: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._kept = kept
        self._clock = clock
        # What is left in the bucket, and when it was.
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable) -> float:
        """Take one. Returns 0, or how many seconds there is none; then nothing was taken."""
        now = self._clock()
        left, at = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._buckets[key] = (left if wait else left - 1, now)
        if len(self._buckets) > self._kept:
            self._buckets.popitem(last=False)
        return wait


class RateLimits:
    """The limits of one process; called with each request before anything reads it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        kept = settings.rate_kept_max
        self._addresses = Buckets(settings.rate_address_per_minute, settings.rate_address_burst, kept)
        self._payments = Buckets(settings.rate_payment_per_minute, settings.rate_payment_burst, kept)

    def __call__(self, scope: Scope) -> None:
        """Raises AskedTooOften."""
        path = scope["path"]
        if not path.startswith(_COUNTED):
            return
        network = read_network(read_network_address(Request(scope), self._settings))
        if network is not None:
            self._take("address", self._addresses, network, scope)
        if payment := _PAYMENT.match(path):
            self._take("payment", self._payments, payment.group(1), scope)

    def _take(self, limit: str, buckets: Buckets, key: Hashable, scope: Scope) -> None:
        wait = buckets.take(key)
        if not wait:
            return
        metrics.rate_limited_total.labels(limit=limit).inc()
        scope["state"]["reader"] = browsers_reader(Request(scope))
        if scope["path"].startswith("/transactions/"):
            # A wallet in a browser reads the refusal only with this.
            scope["state"]["headers"] = OPEN
        raise AskedTooOften(seconds=math.ceil(wait))
