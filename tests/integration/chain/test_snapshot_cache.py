import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash

from chain import errors
from chain.node import Blockhash
from chain.snapshot import SnapshotCache, choose_compute_unit_price
from tests.integration.chain.rpc_server import error, in_context, result
from tests.unit.chain.samples import FEE_PAYER
from tests.waiting import wait_until


class Time:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def blockhash(slot):
    value = {"blockhash": str(Hash.hash(str(slot).encode())), "lastValidBlockHeight": slot + 150}
    return in_context(slot, value)


@pytest.fixture
def chain(rpc):
    rpc.answers = {
        "getLatestBlockhash": blockhash(100),
        "getMinimumBalanceForRentExemption": result(890_880),
        "getRecentPrioritizationFees": result([{"slot": slot, "prioritizationFee": slot} for slot in range(100)]),
    }
    return rpc


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def cache(node, time):
    return SnapshotCache(
        node, 0.01, fee_addresses=[FEE_PAYER.pubkey()], max_compute_unit_price=50, rent_seconds=300, clock=time
    )


async def test_a_cold_cache_has_nothing_and_fetches_on_demand(cache, chain):
    assert cache.current(100, 10) is None
    snapshot = await cache.get(100, 10)
    assert (snapshot.blockhash.slot, snapshot.rent_lamports) == (100, 890_880)
    assert cache.current(110, 10) is snapshot
    assert ("getRecentPrioritizationFees", [[str(FEE_PAYER.pubkey())]]) in chain.calls


async def test_a_warm_cache_asks_no_node(cache, chain):
    await cache.refresh()
    chain.calls.clear()
    for _ in range(100):
        await cache.get(105, 10)
    assert chain.calls == []


async def test_a_hundred_cold_requests_share_one_fetch(cache, chain):
    snapshots = await asyncio.gather(*(cache.get(100, 10) for _ in range(100)))
    assert len({id(snapshot) for snapshot in snapshots}) == 1
    assert chain.methods.count("getLatestBlockhash") == 1


async def test_rent_and_fees_are_asked_for_seldom_and_again_when_due(cache, chain, time):
    for _ in range(3):
        await cache.refresh()
    assert (chain.methods.count("getLatestBlockhash"), len(chain.calls)) == (3, 5)
    time.seconds = 301
    chain.answers["getMinimumBalanceForRentExemption"] = result(89_088)
    assert (await cache.refresh()).rent_lamports == 89_088


@pytest.mark.rule("B27")
async def test_a_blockhash_that_grew_too_old_is_not_given(cache, chain):
    await cache.refresh()
    assert cache.current(111, 10) is None
    chain.answers["getLatestBlockhash"] = blockhash(109)
    assert (await cache.get(111, 10)).blockhash.slot == 109


@pytest.mark.rule("B27")
async def test_a_node_that_stands_still_is_said_to_be_behind(cache, chain):
    with pytest.raises(errors.NodeBehind, match="200 slots old, at most 10"):
        await cache.get(300, 10)


@pytest.mark.rule("N01")
async def test_a_failing_node_leaves_the_old_snapshot_till_it_is_too_old(cache, chain):
    old = await cache.refresh()
    chain.answers["getLatestBlockhash"] = error(-32005)
    with pytest.raises(errors.NodeUnavailable):
        await cache.refresh()
    assert await cache.get(105, 10) is old
    with pytest.raises(errors.NodeUnavailable):
        await cache.get(150, 10)


@pytest.mark.rule("B28")
async def test_the_price_of_a_compute_unit_is_capped(cache, chain):
    assert (await cache.refresh()).compute_unit_price == 50


@pytest.mark.rule("B28")
@given(st.lists(st.integers(0, 10**9)), st.integers(0, 10**6))
def test_no_fees_of_others_lift_the_price_above_the_limit(recent, limit):
    price = choose_compute_unit_price(recent, limit)
    assert 0 <= price <= limit
    assert price in {0, limit} or price in recent


def test_the_price_is_what_was_enough_in_three_of_four_slots():
    assert choose_compute_unit_price([4, 1, 3, 2], 100) == 4
    assert choose_compute_unit_price(range(100), 100) == 75
    assert choose_compute_unit_price([], 100) == 0


async def test_the_background_loop_goes_on_after_failures_and_stops_at_once(cache, chain):
    stop = asyncio.Event()
    loop = asyncio.create_task(cache.run(stop))
    await wait_until(lambda: cache.current(100, 10) is not None)
    chain.answers["getLatestBlockhash"] = error(-32005)
    chain.calls.clear()
    await wait_until(lambda: len(chain.calls) >= 2)
    chain.answers["getLatestBlockhash"] = blockhash(200)
    await wait_until(lambda: cache.current(200, 10) is not None)
    stop.set()
    await asyncio.wait_for(loop, 2)


async def test_the_background_loop_grants_the_pause_that_the_node_asks_for(cache, chain):
    chain.answers["getMinimumBalanceForRentExemption"] = (429, {"Retry-After": "30"}, b"")
    stop = asyncio.Event()
    loop = asyncio.create_task(cache.run(stop))
    await wait_until(lambda: len(chain.calls) == 1)
    await asyncio.wait({loop}, timeout=0.2)
    assert len(chain.calls) == 1
    stop.set()
    await asyncio.wait_for(loop, 2)


@pytest.mark.rule("B27")
@pytest.mark.parametrize("steps", range(8))
async def test_a_fetch_that_has_just_ended_is_not_taken_for_one_that_begins_now(steps):
    """Whoever asks between a fetch's end and the moment in which the cache hears of it: both lie in one turn."""

    class Chain:
        slot = 100

        async def latest_blockhash(self, _):
            return Blockhash(Hash.hash(b"block"), self.slot + 150, self.slot)

        async def minimum_rent(self, _):
            return 890_880

        async def recent_priority_fees(self, _):
            return []

    cache = SnapshotCache(Chain(), 1)
    fetching = asyncio.create_task(cache.refresh())
    for _ in range(steps):
        await asyncio.sleep(0)
    Chain.slot = 200
    assert (await cache.get(200, 0)).blockhash.slot == 200
    await fetching
