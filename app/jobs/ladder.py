"""The retry ladder: how long to wait before each try of a mutation (facts/shopify.md section 4)."""

import random
from datetime import datetime, timedelta
from itertools import accumulate

# Seconds before each try, the first included: 17 tries within 24 hours.
WAITS_SECONDS = (0, 5, 10, 30, 45, 60, 120, 300, 720, 2_280, 3_600, 7_200, *[14_400] * 5)
TRIES_MAX = len(WAITS_SECONDS)

# A little disorder, so that what failed together does not come back together. Always some, for the bare waits end
# 30 seconds short of the 24 hours that an outage may last.
JITTER_SHARE_MIN = 0.005
JITTER_SHARE_MAX = 0.02


def wait_after(tries: int, retry_after_seconds: int = 0) -> timedelta | None:
    """How long to wait after so many failed tries; never less than Shopify asked for. None: the ladder is spent."""
    if tries >= TRIES_MAX:
        return None
    seconds = WAITS_SECONDS[tries] * (1 + random.uniform(JITTER_SHARE_MIN, JITTER_SHARE_MAX))  # not a secret
    return timedelta(seconds=max(seconds, retry_after_seconds))


def spread(seconds: float) -> timedelta:
    """A wait that is no rung: at least so long, at most twice, so that those who wait together come back apart."""
    return timedelta(seconds=seconds * random.uniform(1, 2))  # not a secret


def tries_to_come(tries: int, due_at: datetime) -> list[datetime]:
    """When each try that is left comes at the earliest, after so many begun and with the next one due then."""
    later = accumulate(WAITS_SECONDS[tries + 1 :], initial=0)
    return [due_at + timedelta(seconds=seconds) for seconds in later] if tries < TRIES_MAX else []
