"""The throttle knows each shop's bucket from its answers, and holds back what would only be refused."""

import json
from datetime import UTC, datetime, timedelta

from app.shopify.throttle import COST_ASSUMED, SHOPS_MAX, Cost, Throttle, read_cost

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RESOLVE = "paymentSessionResolve"


def told(available: float, *, maximum: float = 100, rate: float = 5, requested: float = 13) -> Cost:
    status = {"maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": rate}
    cost = {"requestedQueryCost": requested, "actualQueryCost": 10, "throttleStatus": status}
    found = read_cost(json.dumps({"data": {}, "extensions": {"cost": cost}}).encode())
    assert found is not None
    return found


def test_a_shop_that_told_nothing_yet_is_not_held_back() -> None:
    assert Throttle().wait_seconds("a", RESOLVE, NOW) == 0


def test_an_empty_bucket_is_waited_for_until_it_holds_the_cost() -> None:
    throttle = Throttle()
    throttle.end("a", RESOLVE, told(3), NOW)
    assert throttle.wait_seconds("a", RESOLVE, NOW) == 2
    assert throttle.wait_seconds("a", RESOLVE, NOW + timedelta(seconds=1)) == 1
    assert throttle.wait_seconds("a", RESOLVE, NOW + timedelta(seconds=2)) == 0


def test_each_shop_has_a_bucket_of_its_own() -> None:
    throttle = Throttle()
    throttle.end("a", RESOLVE, told(0), NOW)
    throttle.end("b", RESOLVE, told(100), NOW)
    assert throttle.wait_seconds("a", RESOLVE, NOW) > 0
    assert throttle.wait_seconds("b", RESOLVE, NOW) == 0


def test_calls_under_way_count_until_they_are_answered_or_lost() -> None:
    throttle = Throttle()
    throttle.end("a", RESOLVE, told(2 * COST_ASSUMED), NOW)
    throttle.begin("a", RESOLVE)
    assert throttle.wait_seconds("a", RESOLVE, NOW) == 0
    throttle.begin("a", RESOLVE)
    assert throttle.wait_seconds("a", RESOLVE, NOW) == COST_ASSUMED / 5
    throttle.end("a", RESOLVE, None, NOW)
    assert throttle.wait_seconds("a", RESOLVE, NOW) == 0


def test_the_cost_of_a_mutation_is_what_its_last_answer_said() -> None:
    throttle = Throttle()
    throttle.end("a", RESOLVE, told(20, requested=40), NOW)
    assert throttle.wait_seconds("a", RESOLVE, NOW) == 4
    assert throttle.wait_seconds("a", "paymentSessionReject", NOW) == 0


def test_a_mutation_that_costs_more_than_the_bucket_holds_waits_for_a_full_one_only() -> None:
    throttle = Throttle()
    throttle.end("a", RESOLVE, told(0, maximum=10, rate=1), NOW)
    assert throttle.wait_seconds("a", RESOLVE, NOW) == 10
    assert throttle.wait_seconds("a", RESOLVE, NOW + timedelta(seconds=10)) == 0


def test_a_bucket_restores_no_more_than_it_holds_and_time_that_went_back_takes_nothing() -> None:
    throttle = Throttle()
    throttle.end("a", RESOLVE, told(15, maximum=15, rate=1), NOW)
    throttle.begin("a", RESOLVE)
    assert throttle.wait_seconds("a", RESOLVE, NOW + timedelta(days=1)) == 11
    assert throttle.wait_seconds("a", RESOLVE, NOW - timedelta(days=1)) == 11


def test_an_answer_without_a_cost_block_tells_nothing() -> None:
    for body in (b"", b"{", b"null", b'{"data":{}}', b'{"extensions":{"cost":{"requestedQueryCost":"x"}}}'):
        assert read_cost(body) is None


def test_only_so_many_shops_are_kept_in_mind() -> None:
    throttle = Throttle()
    for number in range(SHOPS_MAX + 1):
        throttle.end(str(number), RESOLVE, told(0), NOW)
    assert throttle.wait_seconds("0", RESOLVE, NOW) == 0
    assert throttle.wait_seconds("1", RESOLVE, NOW) > 0
