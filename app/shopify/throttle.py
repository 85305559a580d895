"""Shopify's leaky bucket of points, as each shop's answers tell of it (facts/shopify.md section 8)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from app import metrics

# What a mutation of ours is taken to cost until an answer has told: 10 for itself, 1 for each object of its answer.
COST_ASSUMED = 13
# Shops one process keeps in mind; the least lately asked is forgotten first, and taken to have a full bucket.
SHOPS_MAX = 10_000


class _Status(msgspec.Struct, rename="camel"):
    maximum_available: float
    currently_available: float
    restore_rate: float


class Cost(msgspec.Struct, rename="camel"):
    """An answer's cost block, in points."""

    requested_query_cost: float
    throttle_status: _Status


class _Extensions(msgspec.Struct):
    cost: Cost | None = None


class _Body(msgspec.Struct):
    extensions: _Extensions | None = None


_decoder = msgspec.json.Decoder(_Body)


def read_cost(body: bytes) -> Cost | None:
    """The cost block of an answer's body; None when it has none."""
    try:
        found = _decoder.decode(body).extensions
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found.cost if found else None


@dataclass
class _Bucket:
    """One shop's bucket: what the last answer said was left and when, and the points of calls under way since."""

    available: float
    maximum: float
    rate: float
    at: datetime
    under_way: float = 0

    def free(self, now: datetime) -> float:
        restored = self.available + max(0.0, (now - self.at).total_seconds()) * self.rate
        return min(self.maximum, restored) - self.under_way


@dataclass
class Throttle:
    """Tells how long to leave a shop in peace, so that Shopify need not refuse. Each shop has a bucket of its own."""

    _buckets: "OrderedDict[str, _Bucket]" = field(default_factory=OrderedDict)
    _costs: dict[str, float] = field(default_factory=dict)

    def wait_seconds(self, shop: str, mutation: str, now: datetime) -> float:
        """Seconds until the shop's bucket holds what the mutation costs; 0: now."""
        bucket = self._buckets.get(shop)
        if bucket is None:
            return 0
        missing = min(self._cost(mutation), bucket.maximum) - bucket.free(now)
        return max(0.0, missing / bucket.rate)

    def begin(self, shop: str, mutation: str) -> None:
        """A call goes out."""
        if bucket := self._buckets.get(shop):
            bucket.under_way += self._cost(mutation)

    def end(self, shop: str, mutation: str, cost: Cost | None, now: datetime) -> None:
        """The call is over: with what its answer told, or without."""
        bucket = self._buckets.pop(shop, None)
        if bucket is not None:
            bucket.under_way = max(0.0, bucket.under_way - self._cost(mutation))
        if cost is not None:
            self._costs[mutation] = cost.requested_query_cost
            status = cost.throttle_status
            metrics.shopify_points_left_ratio.observe(status.currently_available / max(status.maximum_available, 1.0))
            bucket = _Bucket(
                available=status.currently_available,
                maximum=status.maximum_available,
                rate=max(status.restore_rate, 1.0),
                at=now,
                under_way=bucket.under_way if bucket else 0,
            )
        if bucket is not None:
            self._buckets[shop] = bucket
            if len(self._buckets) > SHOPS_MAX:
                self._buckets.popitem(last=False)

    def _cost(self, mutation: str) -> float:
        return self._costs.get(mutation, COST_ASSUMED)
