"""What the measurements count, not time: it holds on any machine, so `make test` proves it."""

from pathlib import Path

from chain.reclaim import ACCOUNTS_PER_RECLAIM
from tests.bench.chain import count_chain
from tests.bench.door import count_initiation_queries
from tests.bench.request import run_request_process
from tests.bench.watching import count_poll_calls
from tests.house import make_settings


async def test_an_initiation_sends_at_most_two_queries(database_url: str, tmp_path: Path) -> None:
    counts = await count_initiation_queries(make_settings(database_url, tmp_path))
    assert max(counts) <= 2
    assert counts[-1] == 1


async def test_a_warm_transaction_request_makes_one_rpc_call(database_url: str, tmp_path: Path) -> None:
    measured = await run_request_process(database_url, tmp_path, rounds=1)
    assert measured["rpc"] == [1]


async def test_a_poll_makes_one_call_for_each_256_that_are_open(database_url: str, tmp_path: Path) -> None:
    assert await count_poll_calls(database_url, tmp_path, 600) == 3


async def test_a_payment_costs_its_fee_and_a_share_of_a_reclaim_and_all_its_rent_comes_back(
    database_url: str, tmp_path: Path
) -> None:
    counted = await count_chain(database_url, tmp_path, ACCOUNTS_PER_RECLAIM)
    assert counted.lamports_per_payment <= 10_600
    assert counted.returned == counted.locked == ACCOUNTS_PER_RECLAIM * 890_880
    assert counted.wire_bytes <= 800
    assert counted.compute_units <= 10_000
