"""The price feed."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import BadFault, Faults
from app.sandbox.prices import RATES, Prices
from tests.integration.world.conftest import client_of

PATH = "/coingecko/api/v3/simple/price"


@pytest.fixture
def prices(tmp_path: Path, clock: VirtualClock, faults: Faults) -> Prices:
    return Prices(tmp_path, clock, faults)


@pytest.fixture
async def client(prices: Prices) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of([*prices.routes, *prices.coingecko_routes, *prices.coinbase_routes]) as client:
        yield client
    await prices.stop()


async def ask(client: httpx.AsyncClient, currencies: str = "eur,jpy", **more: str) -> Any:
    query = {"ids": "usd-coin", "vs_currencies": currencies, "include_last_updated_at": "true", "precision": "full"}
    answer = await client.get(PATH, params=query | more)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content, parse_float=Decimal, parse_int=Decimal)


async def test_a_coin_costs_what_it_costs(client: httpx.AsyncClient, clock: VirtualClock) -> None:
    coin = (await ask(client))["usd-coin"]
    assert coin["eur"] == Decimal(RATES["EUR"])
    assert coin["jpy"] == Decimal(RATES["JPY"])
    assert 0 <= int(clock.now().timestamp()) - coin["last_updated_at"] <= 31
    assert set(coin) == {"eur", "jpy", "last_updated_at"}


async def test_prices_are_of_the_virtual_time(client: httpx.AsyncClient, clock: VirtualClock) -> None:
    before = (await ask(client))["usd-coin"]["last_updated_at"]
    clock.advance(86_400)
    assert 86_400 - 30 <= (await ask(client))["usd-coin"]["last_updated_at"] - before <= 86_400 + 60


async def test_unknown_currencies_and_coins_are_left_out(client: httpx.AsyncClient) -> None:
    assert set((await ask(client, "xyz,eur"))["usd-coin"]) == {"eur", "last_updated_at"}
    assert await ask(client, ids="dogecoin") == {}


@pytest.mark.parametrize("query", [{}, {"ids": "usd-coin"}, {"vs_currencies": "eur"}])
async def test_a_missing_parameter_is_refused(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    assert (await client.get(PATH, params=query)).status_code == 422


@pytest.mark.parametrize(("precision", "written"), [("full", "0.86442"), ("2", "0.86"), ("0", "1"), ("18", "0.86442")])
async def test_precision_rounds(client: httpx.AsyncClient, precision: str, written: str) -> None:
    coin = (await ask(client, "eur", precision=precision))["usd-coin"]
    assert coin["eur"] == Decimal(written)


async def test_a_changed_price_outlives_the_process(
    client: httpx.AsyncClient, tmp_path: Path, clock: VirtualClock
) -> None:
    answer = await client.post("/sandbox/prices", json={"EUR": "0.920000000000000001", "XTS": "3"})
    assert answer.status_code == 200
    assert answer.json()["EUR"] == "0.920000000000000001"
    again = Prices(tmp_path, clock, Faults())
    async with client_of([*again.routes, *again.coingecko_routes]) as other:
        coin = (await ask(other, "eur,xts"))["usd-coin"]
    assert (coin["eur"], coin["xts"]) == (Decimal("0.920000000000000001"), 3)
    await again.stop()


@pytest.mark.parametrize(
    "body", [[], {"EUR": 0.92}, {"EUR": "0"}, {"EUR": "-1"}, {"EUR": "NaN"}, {"EUR": "1e99"}, {"eur": "1"}, {"E": "1"}]
)
async def test_a_price_that_is_none_changes_nothing(client: httpx.AsyncClient, body: Any) -> None:
    answer = await client.post("/sandbox/prices", json={"GBP": "5"} | body if isinstance(body, dict) else body)
    assert answer.status_code == 422
    assert answer.json()["message"]
    assert (await client.get("/sandbox/prices")).json() == RATES


async def test_prices_jump_vanish_and_turn(client: httpx.AsyncClient, faults: Faults) -> None:
    rate = Decimal(RATES["EUR"])
    for fault, value, price in (("jump", "1.5", rate * Decimal("1.5")), ("zero", None, 0), ("negative", None, -rate)):
        faults.set("prices", fault, value, times=1)
        assert (await ask(client))["usd-coin"]["eur"] == price
    faults.set("prices", "absent", times=1)
    assert await ask(client) == {}
    assert (await ask(client))["usd-coin"]["eur"] == rate


async def test_the_second_source_tells_the_same_prices_as_texts(client: httpx.AsyncClient, faults: Faults) -> None:
    async def rates() -> dict[str, str]:
        answer = await client.get("/coinbase/v2/exchange-rates", params={"currency": "USDC"})
        assert (answer.status_code, answer.json()["data"]["currency"]) == (200, "USDC")
        found: dict[str, str] = answer.json()["data"]["rates"]
        return found

    assert await rates() == RATES
    # A fault of both, and one of each alone.
    faults.set("prices", "zero")
    assert (await rates())["EUR"] == "0"
    faults.clear()
    faults.set("coinbase", "jump", 2)
    assert Decimal((await rates())["EUR"]) == 2 * Decimal(RATES["EUR"])
    assert (await ask(client))["usd-coin"]["eur"] == Decimal(RATES["EUR"])
    faults.clear()
    faults.set("coingecko", "absent")
    assert await ask(client) == {}
    assert await rates() == RATES


async def test_the_second_source_knows_no_other_coin(client: httpx.AsyncClient) -> None:
    assert (await client.get("/coinbase/v2/exchange-rates", params={"currency": "DOGE"})).status_code == 400


async def test_prices_grow_stale(client: httpx.AsyncClient, faults: Faults, clock: VirtualClock) -> None:
    faults.set("prices", "stale", 600, times=1)
    age = int(clock.now().timestamp()) - (await ask(client))["usd-coin"]["last_updated_at"]
    assert 599 <= age <= 601


@pytest.mark.parametrize(("fault", "value"), [("jump", 0), ("jump", "x"), ("jump", []), ("stale", "x"), ("stale", -1)])
def test_a_fault_with_a_senseless_value_is_refused(prices: Prices, faults: Faults, fault: str, value: Any) -> None:
    with pytest.raises(BadFault):
        faults.set("prices", fault, value)
