"""The customer's wallet: pays what it should, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from solana.rpc.async_api import AsyncClient
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from app.sandbox.clock import VirtualClock
from app.sandbox.devnet import Devnet
from app.sandbox.faults import Faults
from app.sandbox.wallet import Wallets
from tests.integration.devnet.conftest import serving
from tests.integration.devnet.running import SOL, Running
from tests.integration.devnet.shop import Shop, sign_partly

# The same in every process that collects these tests, since their names carry it.
SOMEBODY = Keypair.from_seed(bytes(32)).pubkey()


@dataclass
class Street:
    """A shop, wallets, two clusters, and the outside world's port."""

    origin: str
    http: httpx.AsyncClient
    shop: Shop
    live: Running
    test: Devnet

    @property
    def link(self) -> str:
        return f"solana:{self.origin}/shop/pay"

    async def wallet(self, usdc: str = "10", **more: Any) -> str:
        answer = await self.http.post("/sandbox/wallets", json={"usdc": usdc, "address": None, **more})
        assert answer.status_code == 201, answer.text
        address: str = answer.json()["address"]
        return address

    async def pay(self, address: str, link: str | None = None) -> httpx.Response:
        return await self.http.post(f"/sandbox/wallets/{address}/pay", json={"link": link or self.link})

    async def refusal(self, address: str, link: str | None = None) -> str:
        answer = await self.pay(address, link)
        assert answer.status_code == 422, answer.text
        message: str = answer.json()["message"]
        return message

    async def holds(self, address: object) -> dict[str, str]:
        answer: dict[str, str] = (await self.http.get(f"/sandbox/wallets/{address}")).json()
        return answer


@pytest_asyncio.fixture
async def street(tmp_path: Path, clock: VirtualClock, faults: Faults) -> AsyncIterator[Street]:
    devnets = {name: Devnet(name, tmp_path, clock, faults, slot_ms=20) for name in ("live", "test")}
    wallets = Wallets(devnets, tmp_path)
    live = Running(devnets["live"], "", AsyncClient("http://127.0.0.1:1"), faults)
    shop = Shop(live, Keypair().pubkey(), await live.rich_key())
    await live.devnet.fund_usdc(str(shop.merchant), 0)
    routes = [*wallets.routes, *shop.routes, *devnets["live"].routes, *devnets["test"].routes]
    for devnet in devnets.values():
        await devnet.start()
    async with serving(routes) as origin, httpx.AsyncClient(base_url=origin, timeout=30) as http:
        live.url = f"{origin}/sandbox/rpc"
        yield Street(origin, http, shop, live, devnets["test"])
        for devnet in devnets.values():
            await devnet.stop()
    await live.client.close()


async def test_a_wallet_pays_without_sol_and_the_answer_comes_when_it_is_confirmed(street: Street) -> None:
    address = await street.wallet("12.5")
    assert await street.holds(address) == {"usdc": "12.5", "sol": "0"}

    answer = await street.pay(address)

    assert answer.status_code == 200
    status = await street.live.result("getSignatureStatuses", [answer.json()["signature"]])
    assert status["value"][0]["confirmationStatus"] in ("confirmed", "finalized")
    assert await street.holds(address) == {"usdc": "11.5", "sol": "0"}
    assert (await street.holds(street.shop.merchant))["usdc"] == "1"


async def test_faults_of_settles_node_are_not_the_wallets(street: Street, faults: Faults) -> None:
    address = await street.wallet()
    for fault in ("behind", "null_status", "swallow"):
        faults.set("rpc", fault)
    assert (await street.pay(address)).status_code == 200


@pytest.mark.parametrize("cluster", ["live", "test"])
async def test_the_wallet_finds_the_cluster_by_the_blockhash(street: Street, cluster: str) -> None:
    address = await street.wallet(cluster=cluster)
    devnet = street.live.devnet if cluster == "live" else street.test
    there = Running(devnet, "", street.live.client, street.live.faults)
    street.shop.running, street.shop.fee_payer = there, await there.rich_key()
    await devnet.fund_usdc(str(street.shop.merchant), 0)

    assert (await street.pay(address)).status_code == 200
    assert (await devnet.balances(str(street.shop.merchant)))[0] == 1_000_000


async def test_two_wallets_may_fetch_and_send_apart(street: Street) -> None:
    first, second = await street.wallet(), await street.wallet()
    offers = []
    for address in (first, second):
        answer = await street.http.post(f"/sandbox/wallets/{address}/fetch", json={"link": street.link})
        offers.append(answer.json()["transaction"])
    sent = await asyncio.gather(
        *(
            street.http.post(f"/sandbox/wallets/{address}/send", json={"transaction": offer})
            for address, offer in zip((first, second), offers, strict=True)
        )
    )
    assert [answer.status_code for answer in sent] == [200, 200]
    again = await street.http.post(f"/sandbox/wallets/{first}/send", json={"transaction": offers[0]})
    assert again.status_code == 422
    assert "AlreadyProcessed" in again.json()["message"]
    foreign = await street.http.post(f"/sandbox/wallets/{first}/send", json={"transaction": offers[1]})
    assert "somebody else" in foreign.json()["message"]


async def test_an_applications_refusal_is_shown_in_its_own_words(street: Street) -> None:
    address = await street.wallet()
    street.shop.status, street.shop.offered = 403, {"message": "We cannot accept this wallet."}
    assert await street.refusal(address) == "We cannot accept this wallet."
    street.shop.status, street.shop.offered = 503, {"message": None}
    assert await street.refusal(address) == "The application answered 503."


async def test_a_wallet_with_too_little_is_told_before_anything_is_sent(street: Street) -> None:
    address = await street.wallet("0.5")
    assert "would fail" in await street.refusal(address)
    assert (await street.live.devnet.balances(str(street.shop.fee_payer.pubkey())))[1] == 10 * SOL


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shown": {"label": ""}}, "name"),
        ({"shown": {"icon": "/icon.svg"}}, "icon"),
        ({"shown": {"icon": "http://127.0.0.1:1/icon"}}, "icon"),
        ({"icon_type": "text/html"}, "picture"),
        ({"offered": {"transaction": None}}, "without a transaction"),
        ({"offered": {"transaction": "AAAA"}}, "cannot be read"),
        ({"offered": {"message": 5}}, "message"),
    ],
)
async def test_malformed_answers_are_refused(street: Street, change: dict[str, Any], words: str) -> None:
    for name, value in change.items():
        setattr(street.shop, name, value)
    assert words in await street.refusal(await street.wallet())


def _tampered(shop: Shop, customer: Pubkey) -> VersionedTransaction:
    tx = shop.sell(customer)
    return VersionedTransaction.populate(tx.message, [Keypair().sign_message(b"x"), *tx.signatures[1:]])


def _third_signer(shop: Shop, customer: Pubkey) -> VersionedTransaction:
    move = shop.running.usdc_transfer(Keypair().pubkey(), shop.merchant, 1)
    pay = shop.running.usdc_transfer(customer, shop.merchant, 1)
    message = Message.new_with_blockhash([pay, move], shop.fee_payer.pubkey(), shop.running.blockhash())
    return sign_partly(message, shop.fee_payer)


def _unsigned_fee_payer(shop: Shop, customer: Pubkey) -> VersionedTransaction:
    other = Keypair()
    pay = shop.running.usdc_transfer(other.pubkey(), shop.merchant, 1)
    mine = shop.running.usdc_transfer(customer, shop.merchant, 1)
    message = Message.new_with_blockhash([mine, pay], shop.fee_payer.pubkey(), shop.running.blockhash())
    return sign_partly(message, other)


def _old(shop: Shop, customer: Pubkey) -> VersionedTransaction:
    pay = shop.running.usdc_transfer(customer, shop.merchant, 1)
    message = Message.new_with_blockhash([pay], shop.fee_payer.pubkey(), Hash(bytes(Keypair().pubkey())))
    return sign_partly(message, shop.fee_payer)


@pytest.mark.parametrize(
    ("make", "words"),
    [(_tampered, "wrong signature"), (_third_signer, "fraud"), (_unsigned_fee_payer, "fraud"), (_old, "expired")],
)
async def test_suspicious_transactions_are_not_signed(
    street: Street, make: Callable[[Shop, Pubkey], VersionedTransaction], words: str
) -> None:
    address = await street.wallet()
    street.shop.transaction = make(street.shop, Pubkey.from_string(address))
    assert words in await street.refusal(address)
    assert (await street.holds(address))["usdc"] == "10"


async def test_a_transaction_that_nobody_signed_is_paid_for_by_the_wallet(street: Street) -> None:
    address = await street.wallet(sol="1")
    signed = street.shop.sell(Pubkey.from_string(address))
    street.shop.transaction = VersionedTransaction.populate(signed.message, [Signature.default()] * 2)
    assert (await street.pay(address)).status_code == 200
    assert await street.holds(address) == {"usdc": "9", "sol": "0.999995"}


async def test_transfer_links_are_paid_too(street: Street) -> None:
    address, merchant, reference = await street.wallet(sol="1"), street.shop.merchant, Keypair().pubkey()
    mint = street.live.devnet.usdc_mint
    link = f"solana:{merchant}?amount=2.25&spl-token={mint}&reference={reference}&memo={quote('order 9')}"

    signature = (await street.pay(address, link)).json()["signature"]

    assert (await street.holds(merchant))["usdc"] == "2.25"
    lines = await street.live.result("getSignaturesForAddress", str(reference), {"commitment": "confirmed"})
    assert [(line["signature"], line["memo"]) for line in lines] == [(signature, "[7] order 9")]


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("bitcoin:abc", "not a Solana Pay link"),
        ("solana:" + "a" * 3000, "not a Solana Pay link"),
        ("solana:http://example.com/pay", "secure"),
        ("solana:ftp://127.0.0.1/pay", "secure"),
        ("solana:http%3A%2F%2F127.0.0.1%3A1%2Fpay", "cannot be reached"),
        ("solana:abc?amount=1", "none"),
        (f"solana:{SOMEBODY}", "amount"),
        (f"solana:{SOMEBODY}?amount=1e3", "not a number"),
        (f"solana:{SOMEBODY}?amount=.5", "not a number"),
    ],
)
async def test_links_that_are_none_are_refused(street: Street, link: str, words: str) -> None:
    assert words in await street.refusal(await street.wallet("0"), link)


async def test_a_foreign_address_can_be_funded_but_not_made_to_pay(street: Street) -> None:
    address = str(Keypair().pubkey())
    assert await street.wallet("3", address=address) == address
    assert (await street.holds(address))["usdc"] == "3"
    assert (await street.pay(address)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"usdc": "x"},
        {"usdc": "-1"},
        {"usdc": "0.0000001"},
        {"usdc": 5},
        {"usdc": "1", "cluster": "mainnet"},
        {"usdc": "1", "address": "abc"},
        {"usdc": "NaN"},
    ],
)
async def test_wallets_cannot_be_made_from_nonsense(street: Street, body: dict[str, Any]) -> None:
    assert (await street.http.post("/sandbox/wallets", json=body)).status_code == 422


async def test_keys_survive_a_restart(street: Street, tmp_path: Path) -> None:
    address = await street.wallet()
    again = Wallets({}, tmp_path)
    key = again._keys.key(address)
    assert key is not None
    assert str(key.pubkey()) == address
