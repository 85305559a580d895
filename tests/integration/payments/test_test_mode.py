"""Test mode: sessions with `test: true` live on the second cluster, and nothing leads from one to the other."""

import base64
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.doctor import examine
from app.records import Cluster
from app.settings import Settings, SettingsInvalid, load, names, read_fields
from app.system import System
from chain.addresses import token_account
from tests.box import Box, open_box
from tests.house import make_settings
from tests.waiting import wait_until

PATHS = {"live": "/sandbox/rpc", "test": "/sandbox/rpc-test"}
RENT = 890_880


class Tap:
    """Keeps the text of all that is asked of a node, by HTTP and by websocket."""

    def __init__(self, app: ASGIApp, heard: list[str]) -> None:
        self._app = app
        self._heard = heard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def listen() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                self._heard.append(message.get("text") or "")
            if message["type"] == "http.request":
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._heard.append(body.decode())
            return message

        await self._app(scope, listen, send)


def tap(box: Box) -> dict[str, list[str]]:
    """From now on, all that Settle asks of each cluster's node."""
    heard: dict[str, list[str]] = {name: [] for name in PATHS}
    for route in box.world.app.routes:
        for name, path in PATHS.items():
            if isinstance(route, Route | WebSocketRoute) and route.path in (path, f"{path}/ws"):
                route.app = Tap(route.app, heard[name])
    return heard


def named(heard: list[str]) -> Iterator[str]:
    """Every string that was asked with; of a transaction also its signatures and all its accounts."""
    for text in heard:
        for value in strings(json.loads(text)):
            yield value
            if len(value) > 200:
                transaction = VersionedTransaction.from_bytes(base64.b64decode(value))
                yield from map(str, [*transaction.signatures, *transaction.message.account_keys])


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


async def own_names(box: Box, cluster: str) -> set[str]:
    """All on the chain that belongs to payments and refunds of a cluster. Wallets may be used on both."""
    rows = await box.house.rows(
        """WITH records AS (
            SELECT id, group_id, destination, mint, memo, reference FROM payments WHERE cluster = $1
            UNION ALL SELECT r.id, r.group_id, r.destination, r.mint, r.memo, r.reference
            FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.cluster = $1
        )
        SELECT i.signature, i.single_use, i.fee_payer, i.blockhash, t.destination, t.mint, t.memo, t.reference,
            g.base, g.address, f.address AS left_address, r.signature AS reclaim
        FROM records t JOIN payment_groups g ON g.id = t.group_id
            LEFT JOIN issued_transactions i ON t.id IN (i.payment_id, i.refund_id)
            LEFT JOIN former_pins f ON f.group_id = g.id
            LEFT JOIN reclaimed_accounts a ON a.group_id = g.id LEFT JOIN reclaims r ON r.id = a.reclaim_id""",
        cluster,
    )
    parts = {str(name): parts for name, parts in box.house.system.clusters.items()}[cluster]
    fixed = {str(parts.mint), *map(str, parts.fee_payers.addresses)}
    return fixed | {value for row in rows for value in row.values() if value is not None}


async def walk(box: Box, cluster: str) -> None:
    """Every way that a payment and its refunds can go on a cluster."""
    more = {"test": cluster == "test"}
    devnet = box.world._devnets[cluster]

    async def wallet() -> str:
        return await box.wallet("100", cluster=cluster)

    async def fetch(checkout: dict[str, Any]) -> None:
        answer = await box.outside.post(f"/sandbox/wallets/{await wallet()}/fetch", json={"link": checkout["link"]})
        assert answer.status_code == 200, answer.text

    # Never paid; asked for and never sent; screened out; occupied, pinned anew and paid; simply paid, with a sibling.
    left = [await box.checkout("1.00", **more) for _ in range(2)]
    await fetch(left[1])
    flagged, refused = await wallet(), await box.checkout("1.00", **more)
    await box.fault("trm", "flag", value=flagged)
    assert (await box.pay(flagged, refused["link"])).status_code == 422
    occupied = await box.checkout("1.00", **more)
    await fetch(occupied)
    [group] = await box.house.rows(
        "SELECT g.address FROM payment_groups g JOIN payments p ON p.group_id = g.id WHERE p.id = $1",
        occupied["payment"],
    )
    await devnet.airdrop(group["address"], RENT)
    paid = await box.checkout("1.00", **more)
    sibling = await box.checkout("1.00", group=paid["group"], **more)
    paid["wallet"] = await wallet()
    assert (await box.pay(paid["wallet"], paid["link"])).status_code == 200
    await box.until_status(paid, "completed")
    await box.until_status(sibling, "superseded")
    await box.until_status(refused, "rejected")
    denied = await walk_refunds(box, cluster, paid)
    await box.advance(120)
    await box.until_refund(denied, "rejected")

    async def is_paid() -> bool:
        return (await box.pay(await wallet(), occupied["link"])).status_code == 200

    await wait_until(is_paid, 30, "the occupied order is paid at its next address")
    await box.until_status(occupied, "completed")
    await box.advance(86_400)
    for checkout in left:
        await box.until_status(checkout, "expired")

    async def is_back() -> bool:
        [count] = await box.house.rows(
            """SELECT count(*) FROM payment_groups
            WHERE cluster = $1 AND won_signature IS NOT NULL AND reclaimed_at IS NULL""",
            cluster,
        )
        return bool(count[0] == 0)

    await wait_until(is_back, 60, "all rent is back")


async def walk_refunds(box: Box, cluster: str, paid: dict[str, Any]) -> dict[str, Any]:
    """One refund is paid, another handed out, never sent and denied, which is returned: it ends when that is dead."""
    elsewhere = {"live": "test", "test": "live"}[cluster]
    refund, denied = [await box.refund(paid, amount) for amount in ("0.40", "0.30")]
    stranger = await box.wallet("100", cluster=elsewhere)
    answer = await box.pay(stranger, refund["link"])
    assert (answer.status_code, "holds no USDC" in answer.json()["message"]) == (422, True)
    merchant = await box.wallet("100", cluster=cluster)
    assert (await box.pay(merchant, refund["link"])).status_code == 200
    await box.until_refund(refund, "completed")
    for wallet, usdc in ((merchant, "99.6"), (paid["wallet"], "99.4"), (stranger, "100")):
        found = (await box.outside.get(f"/sandbox/wallets/{wallet}")).json()
        assert Decimal(found["usdc"]) == Decimal(usdc)
    there = box.house.system.clusters[Cluster(elsewhere)]
    accounts = [token_account(Pubkey.from_string(wallet), there.mint) for wallet in (merchant, paid["wallet"])]
    assert (await there.node.accounts(accounts, "confirmed")).accounts == [None, None]
    await box.fetch(merchant, denied["link"])
    async with box.house.portal() as portal:
        path = f"/portal/api/refunds/{denied['row']['id']}/deny"
        assert (await portal.post(path, json={"message": "Too late."})).status_code == 200
    return denied


async def test_no_path_leads_from_a_test_payment_to_the_live_cluster_or_back(database_url: str, tmp_path: Path) -> None:
    settings = {"reclaim_interval_seconds": 1, "reclaim_patience_seconds": 0, "reclaim_margin_blocks": 0}
    # What leaked is looked at, too, each on its own cluster.
    leaked = {name: str(Keypair().pubkey()) for name in ("leaked_fee_payers", "test_leaked_fee_payers")}
    async with open_box(database_url, tmp_path, **settings, **leaked) as box:
        heard = tap(box)
        for cluster in PATHS:
            await walk(box, cluster)
        known = {cluster: await own_names(box, cluster) for cluster in PATHS}
        assert known["live"].isdisjoint(known["test"])
        for cluster, other in (("live", "test"), ("test", "live")):
            asked = set(named(heard[cluster]))
            # The tap hears: what is the cluster's own was asked of it.
            assert len(asked & known[cluster]) >= 10
            assert asked.isdisjoint(known[other])
        [mixed] = await box.house.rows(
            """SELECT count(*) FROM reclaimed_accounts a JOIN reclaims r ON r.id = a.reclaim_id
            JOIN payment_groups g ON g.id = a.group_id WHERE g.cluster <> r.cluster"""
        )
        assert mixed[0] == 0
        assert await box.violations() == []


@pytest.mark.parametrize(("down", "cluster"), [("rpc", "test"), ("rpc-test", "live")])
async def test_one_clusters_node_being_down_stops_nothing_on_the_other(
    database_url: str, tmp_path: Path, down: str, cluster: str
) -> None:
    async with open_box(database_url, tmp_path) as box:
        await box.fault(down, "status", value=503)
        here = await box.checkout(test=cluster == "test")
        there = await box.checkout(test=cluster != "test")
        wallet = await box.wallet()
        answer = await box.house.public.post(f"/transactions/payment/{there['payment']}", json={"account": wallet})
        assert (answer.status_code, answer.json()["reason"]) == (503, "chain_unavailable")
        assert (await box.pay(await box.wallet("100", cluster=cluster), here["link"])).status_code == 200
        await box.until_status(here, "completed")
        await box.mend()


def changed(settings: Settings, **changes: Any) -> Settings:
    """Read anew, with these changes."""
    given = {field: getattr(settings, field) for field in read_fields()} | changes
    texts = {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in given.items()}
    return load({f"SETTLE_{name.upper()}": text for name, text in texts.items()})


def test_settings_that_give_both_clusters_one_node_or_one_mint_are_refused(tmp_path: Path) -> None:
    settings = make_settings("postgresql://nowhere/none", tmp_path)
    test_mode = {"test_rpc_urls": "http://127.0.0.1:2", "test_fee_payer": str(tmp_path / "other.json")}
    assert changed(settings, **test_mode).test_rpc_urls == ("http://127.0.0.1:2",)
    for same, name in (
        ({"test_rpc_urls": f"http://127.0.0.1:2,{settings.rpc_urls[0]}"}, "SETTLE_TEST_RPC_URLS"),
        ({"test_usdc_mint": settings.usdc_mint}, "SETTLE_TEST_USDC_MINT"),
    ):
        with pytest.raises(SettingsInvalid, match=name):
            changed(settings, **(test_mode | same))


@pytest.mark.parametrize("past", [False, True])
async def test_a_key_that_pays_on_both_clusters_is_refused_however_it_is_given(
    database_url: str, tmp_path: Path, past: bool
) -> None:
    settings = make_settings(database_url, tmp_path)
    copy = tmp_path / "copy.json"
    copy.write_text(Path(settings.fee_payer).read_text())
    test_mode: dict[str, Any] = {"test_rpc_urls": "http://127.0.0.1:2", "test_fee_payer": copy}
    if past:
        make_settings(database_url, tmp_path / "second")
        other = tmp_path / "second" / "fee-payer.json"
        test_mode |= {"test_fee_payer": other, "test_former_fee_payers": copy}
    with pytest.raises(SettingsInvalid, match="both clusters"):
        await System.open(changed(settings, **test_mode))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"test_rpc_urls": "WORLD/sandbox/rpc-b"}, "the same chain"),
        ({"rpc_urls": "WORLD/sandbox/rpc-b,WORLD/sandbox/rpc-test", "test_rpc_urls": ""}, "different chains"),
        ({"environment": "production"}, "not Solana's mainnet"),
    ],
)
async def test_the_doctor_asks_each_node_which_chain_it_is_on(
    database_url: str, tmp_path: Path, changes: dict[str, str], problem: str | None
) -> None:
    async with open_box(database_url, tmp_path, worker=False) as box:
        production = dict.fromkeys(names(sandbox=True), "") | {"public_url": "https://pay.example"}
        given = {name: value.replace("WORLD", box.world.url) for name, value in changes.items()}
        settings = changed(box.house.settings, **(production if "environment" in changes else {}), **given)
        findings = {finding.subject: finding async for finding in examine(settings)}
    assert (problem or "None") in str(findings["Solana: chains"].problem)
