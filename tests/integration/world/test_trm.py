"""TRM's screening API."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.keypair import Keypair

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import BadFault, Faults
from app.sandbox.trm import Trm
from tests.integration.world.conftest import client_of

KEY = "the-key"
PATH = "/trm/public/v2/screening/addresses"


@pytest.fixture
def trm(tmp_path: Path, clock: VirtualClock, faults: Faults) -> Trm:
    return Trm(tmp_path, clock, faults, api_key=KEY)


@pytest.fixture
async def client(trm: Trm) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of([*trm.routes, *trm.api_routes]) as client:
        yield client
    await trm.stop()


def address() -> str:
    return str(Keypair().pubkey())


async def screen(client: httpx.AsyncClient, *addresses: str, key: str = KEY) -> Any:
    body = [{"address": address, "chain": "solana", "accountExternalId": "me"} for address in addresses]
    answer = await client.post(PATH, json=body, auth=(key, key))
    assert answer.status_code == 200, answer.text
    return answer.json()


def levels(finding: dict[str, Any]) -> list[int]:
    return [entity["riskScoreLevel"] for entity in finding["entities"]]


async def test_a_clean_address_has_no_findings(client: httpx.AsyncClient) -> None:
    wallet = address()
    [finding] = await screen(client, wallet)
    assert finding["address"] == finding["addressSubmitted"] == wallet
    assert finding["chain"] == "solana"
    assert finding["accountExternalId"] == "me"
    assert finding["entities"] == finding["addressRiskIndicators"] == []


async def test_findings_come_in_the_order_of_the_addresses(client: httpx.AsyncClient) -> None:
    wallets = [address() for _ in range(5)]
    assert [finding["address"] for finding in await screen(client, *wallets)] == wallets


@pytest.mark.parametrize("auth", [None, ("the-key", "other"), ("other", "other"), ("", "")])
async def test_a_wrong_key_is_refused(client: httpx.AsyncClient, auth: tuple[str, str] | None) -> None:
    answer = await client.post(PATH, json=[{"address": address(), "chain": "solana"}], auth=auth)
    assert answer.status_code == 401


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[]", b"[1]", b'[{"address":"x"}]', b'[{"chain":"solana"}]'])
async def test_a_bad_body_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(PATH, content=body, auth=(KEY, KEY))
    assert answer.status_code == 400


async def test_a_flag_concerns_its_address_only(client: httpx.AsyncClient, faults: Faults) -> None:
    wallet, other = address(), address()
    faults.set("trm", "flag", wallet)
    flagged, clean = await screen(client, wallet, other)
    assert levels(flagged) == [15]
    assert flagged["entities"][0]["riskScoreLevelLabel"] == "Severe"
    assert flagged["addressRiskIndicators"][0]["riskType"] == "OWNERSHIP"
    assert levels(clean) == []


async def test_a_flag_without_a_value_concerns_everybody_so_many_times(
    client: httpx.AsyncClient, faults: Faults
) -> None:
    faults.set("trm", "flag", times=2)
    found = [levels((await screen(client, address()))[0]) for _ in range(3)]
    assert found == [[15], [15], []]


async def test_a_flag_is_not_used_up_by_others(client: httpx.AsyncClient, faults: Faults) -> None:
    wallet = address()
    faults.set("trm", "flag", wallet, times=1)
    await screen(client, address())
    assert levels((await screen(client, wallet))[0]) == [15]


async def test_medium_risk_and_a_risky_counterparty(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.set("trm", "medium", times=1)
    assert levels((await screen(client, address()))[0]) == [5]
    faults.set("trm", "counterparty", times=1)
    [finding] = await screen(client, address())
    assert finding["entities"] == []
    assert [(i["riskType"], i["categoryRiskScoreLevel"]) for i in finding["addressRiskIndicators"]] == [
        ("COUNTERPARTY", 15)
    ]


def test_a_fault_for_no_address_is_refused(trm: Trm, faults: Faults) -> None:
    with pytest.raises(BadFault, match="no Solana address"):
        faults.set("trm", "flag", "nonsense")


async def test_the_standing_list_outlives_the_process(
    client: httpx.AsyncClient, tmp_path: Path, clock: VirtualClock
) -> None:
    wallet = address()
    for _ in range(2):
        answer = await client.post("/sandbox/trm/flagged", json={"address": wallet})
        assert (answer.status_code, answer.json()) == (201, {"flagged": [wallet]})
    again = Trm(tmp_path, clock, Faults(), api_key=KEY)
    async with client_of([*again.routes, *again.api_routes]) as other:
        assert levels((await screen(other, wallet))[0]) == [15]
        assert (await other.delete("/sandbox/trm/flagged")).json() == {"flagged": []}
        assert levels((await screen(other, wallet))[0]) == []
    await again.stop()


@pytest.mark.parametrize("body", [{}, {"address": None}, {"address": "x"}, {"address": 5}, {"other": 1}, []])
async def test_flagging_nonsense_is_refused(client: httpx.AsyncClient, body: Any) -> None:
    answer = await client.post("/sandbox/trm/flagged", json=body)
    assert answer.status_code == 422
    assert answer.json()["message"]
