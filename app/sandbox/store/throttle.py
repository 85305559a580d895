"""Shopify's leaky bucket: every query costs points, and they come back at a steady rate."""

from dataclasses import dataclass
from typing import Any

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store.switches import TARGET

# A standard shop's; the bucket holds 20 seconds of restoring.
RESTORE_RATE = 27_300
SECONDS_TO_FILL = 20
SMALL_BUCKET = 30


@dataclass(frozen=True)
class Status:
    """The bucket at one moment, in points."""

    maximum: int
    available: int
    rate: int

    def as_cost(self, requested: int, actual: int | None) -> dict[str, Any]:
        """The answer's `extensions`. `actual` is None when nothing was executed."""
        throttle = {
            "maximumAvailable": self.maximum,
            "currentlyAvailable": self.available,
            "restoreRate": self.rate,
        }
        return {
            "cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": throttle},
        }


class Bucket:
    """The points of one app at one shop. It lives in memory: a restart finds it full."""

    def __init__(self, clock: VirtualClock, faults: Faults) -> None:
        self._clock = clock
        self._faults = faults
        self._used = 0.0
        self._seen = clock.now()

    def status(self) -> Status:
        """The bucket now."""
        small = self._faults.peek(TARGET, "small_bucket")
        maximum = int(small[0].value or SMALL_BUCKET) if small else RESTORE_RATE * SECONDS_TO_FILL
        rate = max(1, maximum // SECONDS_TO_FILL)
        now = self._clock.now()
        self._used = max(0.0, self._used - (now - self._seen).total_seconds() * rate)
        self._seen = now
        return Status(maximum, max(0, int(maximum - self._used)), rate)

    def spend(self, points: int) -> Status:
        """Take points out; the bucket afterwards."""
        self._used += points
        return self.status()
