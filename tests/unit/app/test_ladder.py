"""The retry ladder: Shopify's own schedule, 17 tries in 24 hours."""

from datetime import timedelta

import pytest

from app.jobs.ladder import JITTER_SHARE_MAX, JITTER_SHARE_MIN, TRIES_MAX, WAITS_SECONDS, spread, wait_after


def test_the_ladder_is_shopifys() -> None:
    minute, hour = 60, 3600
    assert WAITS_SECONDS[:12] == (
        0,
        5,
        10,
        30,
        45,
        minute,
        2 * minute,
        5 * minute,
        12 * minute,
        38 * minute,
        hour,
        2 * hour,
    )
    assert WAITS_SECONDS[12:] == (4 * hour,) * 5
    assert timedelta(seconds=sum(WAITS_SECONDS)) == timedelta(hours=23, minutes=59, seconds=30)


def test_the_last_try_comes_after_an_outage_of_24_hours_however_small_the_jitter() -> None:
    least = timedelta(seconds=sum(WAITS_SECONDS) * (1 + JITTER_SHARE_MIN))
    assert least > timedelta(hours=24, minutes=5)


def test_those_who_wait_together_come_back_apart_and_none_too_early() -> None:
    waits = {spread(10) for _ in range(100)}
    assert len(waits) > 50
    assert timedelta(seconds=10) <= min(waits)
    assert max(waits) <= timedelta(seconds=20)


@pytest.mark.parametrize("tries", range(1, TRIES_MAX))
def test_each_wait_is_its_rung_with_a_little_jitter(tries: int) -> None:
    rung = WAITS_SECONDS[tries]
    for _ in range(100):
        wait = wait_after(tries)
        assert wait is not None
        assert rung * (1 + JITTER_SHARE_MIN) <= wait.total_seconds() + 1e-6
        assert wait.total_seconds() <= rung * (1 + JITTER_SHARE_MAX)


def test_after_the_last_try_there_is_no_other() -> None:
    assert wait_after(TRIES_MAX) is None
    assert wait_after(TRIES_MAX + 1) is None


def test_shopify_is_never_asked_again_sooner_than_it_wants() -> None:
    wait = wait_after(1, retry_after_seconds=90)
    assert wait is not None
    assert wait >= timedelta(seconds=90)
