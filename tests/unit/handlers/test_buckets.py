"""Token buckets: what they grant, for how long they refuse, and what they remember."""

import random

import pytest

from handlers.rate_limits import Buckets


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_is_granted_and_then_as_much_as_flows_in(clock: Clock) -> None:
    buckets = Buckets(60, 3, 10, clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]
    clock.now = 0.5
    assert buckets.take("a") == pytest.approx(0.5)
    clock.now = 1.0
    assert [buckets.take("a") for _ in range(2)] == [0, 1]


def test_keys_do_not_share_a_bucket_and_a_full_one_overflows(clock: Clock) -> None:
    buckets = Buckets(60, 2, 10, clock)
    assert [buckets.take("a"), buckets.take("a"), buckets.take("b")] == [0, 0, 0]
    clock.now = 3600
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]


def test_only_so_many_are_remembered_and_the_one_unused_longest_goes(clock: Clock) -> None:
    buckets = Buckets(60, 1, 2, clock)
    buckets.take("a")
    buckets.take("b")
    assert buckets.take("a") > 0
    buckets.take("c")
    assert len(buckets) == 2
    assert buckets.take("a") > 0  # was used since, so "b" went


def test_whoever_waits_as_long_as_was_said_is_granted_and_never_more_than_the_rate(clock: Clock) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    per_minute, burst = chance.randint(1, 600), chance.randint(1, 50)
    buckets = Buckets(per_minute, burst, 10, clock)
    for granted in range(1, 2_001):
        if wait := buckets.take("a"):
            clock.now += wait + 1e-6
            assert buckets.take("a") == 0
        assert granted <= burst + clock.now * per_minute / 60 + 1e-3
        clock.now += chance.random() / per_minute
