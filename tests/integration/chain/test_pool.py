"""Several nodes that answer what the test says: who is asked, who is spared, and what counts as landed."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from chain import errors
from chain.agreement import Accord, read_landed
from chain.node import Node
from chain.pool import MAX_LAG_SLOTS, MAX_TRIES, Pool
from tests.integration.chain.rpc_server import Answer, RpcServer, error, result
from tests.unit.chain.samples import answer_for, good_transaction

LANDED = answer_for(good_transaction())
SIGNATURE = str(good_transaction().signatures[0])
BROKEN: Answer = (200, {}, b'{"jsonrpc":"2.0","res')


def epoch(slot: int) -> Answer:
    return result({"absoluteSlot": slot, "blockHeight": slot, "epoch": 1, "slotIndex": 1, "slotsInEpoch": 432_000})


@dataclass
class Scene:
    """Three nodes, and what the pool told of them. `now` is the pool's clock."""

    servers: list[RpcServer]
    now: float = 1_000.0
    faults: list[tuple[str, str]] = field(default_factory=list)
    changes: list[tuple[str, bool]] = field(default_factory=list)

    def pool(self, count: int) -> Pool:
        return Pool(
            [Node(server.url, 2) for server in self.servers[:count]],
            on_fault=lambda name, _, problem: self.faults.append((name, str(problem.reason))),
            on_health=lambda name, is_well: self.changes.append((name, is_well)),
            clock=lambda: self.now,
        )


@pytest.fixture
def scene() -> Iterator[Scene]:
    servers = [RpcServer() for _ in range(MAX_TRIES + 1)]
    for number, server in enumerate(servers, 1):
        server.answers |= {"getGenesisHash": result(f"node {number}"), "getHealth": result("ok")}
        server.answers["getEpochInfo"] = epoch(1_000)
    yield Scene(servers)
    for server in servers:
        server.close()


@pytest_asyncio.fixture
async def make(scene: Scene) -> AsyncIterator[Callable[[int], Pool]]:
    pools: list[Pool] = []

    def make_pool(count: int) -> Pool:
        pools.append(scene.pool(count))
        return pools[-1]

    yield make_pool
    for pool in pools:
        await pool.close()


@pytest.mark.rule("N08")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((503, {}, b"away"), "node_unavailable"),
        ((429, {}, b"slower"), "node_rate_limited"),
        ((401, {}, b"who?"), "node_refused"),
        (BROKEN, "node_answer_invalid"),
        (result(17), "node_answer_invalid"),
        (error(-32005, "Node is behind by 150 slots"), "node_unavailable"),
    ],
)
async def test_what_one_node_does_not_answer_the_next_one_is_asked(
    scene: Scene, make: Callable[[int], Pool], answer: Answer, reason: str
) -> None:
    scene.servers[0].answers["getGenesisHash"] = answer
    pool = make(2)
    assert await pool.genesis_hash() == "node 2"
    assert scene.faults == [("1:127.0.0.1", reason)]
    assert scene.changes == [("1:127.0.0.1", False)]
    # It rests; then it is asked first again, and is well.
    scene.servers[0].answers["getGenesisHash"] = result("node 1")
    assert await pool.genesis_hash() == "node 2"
    scene.now += 5
    assert await pool.genesis_hash() == "node 1"
    assert scene.changes[-1] == ("1:127.0.0.1", True)


@pytest.mark.rule("N08")
async def test_a_question_is_put_to_each_node_once_and_to_no_more_than_three(
    scene: Scene, make: Callable[[int], Pool]
) -> None:
    for server in scene.servers:
        server.answers["getGenesisHash"] = (503, {}, b"away")
    with pytest.raises(errors.NodeUnavailable):
        await make(MAX_TRIES + 1).genesis_hash()
    assert [len(server.calls) for server in scene.servers] == [1] * MAX_TRIES + [0]


@pytest.mark.rule("N09")
async def test_a_node_that_asks_for_a_pause_is_left_alone_until_it_is_over(
    scene: Scene, make: Callable[[int], Pool]
) -> None:
    scene.servers[0].answers["getGenesisHash"] = (429, {"retry-after": "7"}, b"slower")
    pool = make(1)
    with pytest.raises(errors.NodeRateLimited):
        await pool.genesis_hash()
    scene.servers[0].answers["getGenesisHash"] = result("node 1")
    scene.now += 6
    with pytest.raises(errors.NodeRateLimited) as raised:
        await pool.genesis_hash()
    assert raised.value.retry_after == 1
    assert len(scene.servers[0].calls) == 1
    scene.now += 1
    assert await pool.genesis_hash() == "node 1"


@pytest.mark.rule("N09")
async def test_a_node_that_is_left_alone_delays_nobody_while_another_is_there(
    scene: Scene, make: Callable[[int], Pool]
) -> None:
    scene.servers[0].answers["getGenesisHash"] = (429, {"retry-after": "3600"}, b"slower")
    pool = make(2)
    assert [await pool.genesis_hash() for _ in range(3)] == ["node 2"] * 3
    assert len(scene.servers[0].calls) == 1
    # Nobody is left alone for longer than a minute, whatever it asks for.
    scene.servers[0].answers["getGenesisHash"] = result("node 1")
    scene.now += 60
    assert await pool.genesis_hash() == "node 1"


@pytest.mark.rule("N12")
async def test_a_node_far_behind_the_others_is_asked_last(scene: Scene, make: Callable[[int], Pool]) -> None:
    scene.servers[0].answers["getEpochInfo"] = epoch(1_000 - MAX_LAG_SLOTS - 1)
    pool = make(2)
    await pool.check()
    assert scene.faults == [("1:127.0.0.1", "node_behind")]
    assert await pool.genesis_hash() == "node 2"
    scene.now += 90
    assert pool.members[0].unwell_seconds == 90
    scene.servers[0].answers["getEpochInfo"] = epoch(1_000 - MAX_LAG_SLOTS)
    await pool.check()
    assert await pool.genesis_hash() == "node 1"
    assert pool.members[0].unwell_seconds == 0


async def test_well_nodes_take_turns_where_that_is_wanted(scene: Scene, make: Callable[[int], Pool]) -> None:
    pool = make(2)
    assert [await pool.at_turn(turn).genesis_hash() for turn in range(4)] == ["node 1", "node 2"] * 2
    scene.servers[0].answers["getHealth"] = error(-32005, "Node is behind by 150 slots")
    await pool.check()
    scene.now += 90
    assert [await pool.at_turn(turn).genesis_hash() for turn in range(4)] == ["node 2"] * 4


def shows(answer: dict[str, Any]) -> Answer:
    return result(answer)


@pytest.mark.rule("N10")
async def test_two_nodes_must_show_the_same_transaction_before_it_counts_as_landed(
    scene: Scene, make: Callable[[int], Pool]
) -> None:
    landed = LANDED
    pool = make(2)

    async def read(first: Answer, second: Answer) -> Accord:
        scene.servers[0].answers["getTransaction"] = first
        scene.servers[1].answers["getTransaction"] = second
        scene.now += 60
        landing = await read_landed(pool, SIGNATURE, "confirmed", 300)
        assert (landing.transaction is None) is (landing.accord is not Accord.AGREED)
        return landing.accord

    assert await read(shows(landed), shows(landed)) is Accord.AGREED
    assert await read(shows(landed), result(None)) is Accord.WAITING
    assert await read(result(None), shows(landed)) is Accord.WAITING
    assert await read(result(None), result(None)) is Accord.WAITING
    elsewhere = landed | {"slot": landed["slot"] + 1}
    assert await read(shows(landed), shows(elsewhere)) is Accord.DISAGREED
    failed = landed | {"meta": landed["meta"] | {"err": {"InstructionError": [0, {"Custom": 0}]}}}
    assert await read(shows(landed), shows(failed)) is Accord.DISAGREED
    # A node that is unwell only now is waited for, even when it is not asked.
    assert await read(shows(landed), (503, {}, b"away")) is Accord.WAITING
    assert (await read_landed(pool, SIGNATURE, "confirmed", 300)).accord is Accord.WAITING


@pytest.mark.rule("N11")
async def test_one_node_alone_is_enough_only_at_finalized_and_after_a_long_time(
    scene: Scene, make: Callable[[int], Pool]
) -> None:
    def show_at(params: Any) -> Answer:
        return shows(LANDED) if params[1]["commitment"] in levels else result(None)

    levels = {"confirmed"}
    scene.servers[0].answers["getTransaction"] = show_at
    scene.servers[1].answers["getHealth"] = (503, {}, b"away")
    scene.servers[1].answers["getTransaction"] = (503, {}, b"away")
    pool = make(2)
    await pool.check()
    scene.now += 299
    assert (await read_landed(pool, SIGNATURE, "confirmed", 300)).accord is Accord.WAITING
    scene.now += 1
    assert (await read_landed(pool, SIGNATURE, "confirmed", 300)).accord is Accord.WAITING
    levels.add("finalized")
    landing = await read_landed(pool, SIGNATURE, "confirmed", 300)
    assert landing.accord is Accord.ALONE
    assert landing.transaction is not None


async def test_a_node_alone_is_not_looked_at_and_agrees_with_itself(scene: Scene, make: Callable[[int], Pool]) -> None:
    scene.servers[0].answers["getTransaction"] = shows(LANDED)
    pool = make(1)
    assert (await read_landed(pool, SIGNATURE, "confirmed", 300)).accord is Accord.AGREED
    assert scene.servers[0].methods == ["getTransaction"]


async def test_when_no_node_answers_nothing_is_said(scene: Scene, make: Callable[[int], Pool]) -> None:
    for server in scene.servers[:2]:
        server.answers["getTransaction"] = (503, {}, b"away")
    pool = make(2)
    with pytest.raises(errors.NodeUnavailable):
        await read_landed(pool, SIGNATURE, "confirmed", 300)
    # Nor while both rest, which is no answer either.
    asked = [len(server.methods) for server in scene.servers[:2]]
    with pytest.raises(errors.NodeUnavailable):
        await read_landed(pool, SIGNATURE, "confirmed", 300)
    assert [len(server.methods) for server in scene.servers[:2]] == asked
