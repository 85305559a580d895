"""`settle sandbox`, as a program drives it: each call, restarts, and the end of all processes."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import msgspec
import psutil
import pytest

from app.sandbox.faults import TRANSPORT
from app.settings import load
from tests.sandbox_process import Sandbox, make_folder, wait

START_SECONDS = 60


@pytest.fixture(scope="module")
def module_folder() -> Iterator[Path]:
    yield from make_folder()


@pytest.fixture
def folder() -> Iterator[Path]:
    yield from make_folder()


@pytest.fixture(scope="module")
def running(module_folder: Path) -> Iterator[Sandbox]:
    """One sandbox for the tests that leave it as it is, or nearly."""
    sandbox = Sandbox(module_folder / "data")
    sandbox.begin("--slot-ms", "100")
    yield sandbox
    sandbox.close()


@pytest.fixture
def fresh(folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(folder / "data")
    yield sandbox
    sandbox.close()


def test_every_target_lists_its_faults(running: Sandbox) -> None:
    kinds = running.call("GET", "/sandbox/faults")["kinds"]
    assert {"shopify", "rpc", "rpc-test", "trm", "prices"} <= set(kinds)
    for faults in kinds.values():
        assert set(TRANSPORT) <= set(faults)


@pytest.mark.parametrize(
    ("target", "method", "path"),
    [
        ("rpc", "POST", "/sandbox/rpc"),
        ("rpc-test", "POST", "/sandbox/rpc-test"),
        ("trm", "POST", "/trm/public/v2/screening/addresses"),
        ("prices", "GET", "/coingecko/api/v3/simple/price?ids=usd-coin&vs_currencies=eur"),
        ("shopify", "POST", "/shops/sandbox.myshopify.com/payments_apps/api/2026-10/graphql.json"),
    ],
)
def test_each_targets_faults_reach_its_calls_and_no_others(
    running: Sandbox, target: str, method: str, path: str
) -> None:
    running.call("POST", "/sandbox/faults", {"target": target, "fault": "status", "value": 503, "times": 1})
    for other in ("/sandbox/health", "/sandbox/clock", "/"):
        assert running.http.get(other).status_code == 200
    assert running.http.request(method, path, json={}).status_code == 503
    assert running.http.request(method, path, json={}).status_code != 503
    assert running.call("GET", "/sandbox/faults")["on"] == []


def test_faults_are_cleared(running: Sandbox) -> None:
    running.call("POST", "/sandbox/faults", {"target": "rpc", "fault": "drop"})
    with pytest.raises(httpx.RemoteProtocolError):
        running.rpc("getSlot")
    assert running.call("DELETE", "/sandbox/faults")["on"] == []
    assert running.rpc("getSlot") > 0


def test_the_store_has_a_page(running: Sandbox) -> None:
    page = running.http.get("/")
    assert page.status_code == 200
    assert "Pay with Solana" in page.text


def test_a_checkout_whose_app_is_not_there_is_502_and_kept(running: Sandbox) -> None:
    answer = running.http.post("/sandbox/checkouts", json={"amount": "12.34", "currency": "USD"})
    assert answer.status_code == 502
    known = running.call("GET", f"/sandbox/checkouts/{answer.json()['id']}")
    assert (known["state"], known["reason"], known["mutations"]) == ("open", None, [])


def test_a_wallet_is_made_and_a_foreign_one_funded(running: Sandbox) -> None:
    address = running.call("POST", "/sandbox/wallets", {"usdc": "100"})["address"]
    wallet = running.call("GET", f"/sandbox/wallets/{address}")
    assert (float(wallet["usdc"]), float(wallet["sol"])) == (100, 0)
    running.call("POST", "/sandbox/wallets", {"usdc": "0.5", "address": address})
    assert float(running.call("GET", f"/sandbox/wallets/{address}")["usdc"]) == 100.5


def test_a_wallet_shows_why_a_link_can_not_be_paid(running: Sandbox) -> None:
    address = running.call("POST", "/sandbox/wallets", {"usdc": "1"})["address"]
    nowhere = f"solana:http://127.0.0.1:{running.ports[1]}/transactions/payment/x"
    answer = running.http.post(f"/sandbox/wallets/{address}/pay", json={"link": nowhere})
    assert answer.status_code == 422
    assert answer.json()["message"]


def test_settles_page_may_call_the_wallet_from_a_browser_and_others_may_not(running: Sandbox) -> None:
    def preflight(origin: str) -> httpx.Response:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        return running.http.options("/sandbox/wallets", headers=headers)

    ours = f"http://127.0.0.1:{running.ports[1]}"
    assert preflight(ours).headers["access-control-allow-origin"] == ours
    assert "access-control-allow-origin" not in preflight("http://elsewhere.example").headers


def test_the_clock_moves_the_chain_and_the_price_feed(running: Sandbox) -> None:
    before = running.rpc("getSlot", {"commitment": "processed"})
    path = "/coingecko/api/v3/simple/price?ids=usd-coin&vs_currencies=eur&include_last_updated_at=true"
    priced = running.call("GET", path)["usd-coin"]["last_updated_at"]
    moved = running.call("POST", "/sandbox/clock", {"advance_seconds": 3600})
    assert moved["offset_seconds"] >= 3600
    assert running.rpc("getSlot", {"commitment": "processed"}) >= before + 3600 * 10
    assert running.call("GET", path)["usd-coin"]["last_updated_at"] >= priced + 3570
    assert int((running.data / "clock").read_text()) == moved["offset_seconds"]


def test_both_clusters_have_their_own_mint_a_funded_fee_payer_and_the_merchants_account(running: Sandbox) -> None:
    environment = running.environment()
    assert environment["SETTLE_USDC_MINT"] != environment["SETTLE_TEST_USDC_MINT"]
    merchant = msgspec.json.decode(unquote(environment["SETTLE_SEED_MERCHANT"]))["wallet"]
    for prefix, path in (("SETTLE_", "/sandbox/rpc"), ("SETTLE_TEST_", "/sandbox/rpc-test")):
        key = msgspec.json.decode(Path(environment[f"{prefix}FEE_PAYER"]).read_bytes())
        payer = _address(bytes(key))
        mint = {"mint": environment[f"{prefix}USDC_MINT"]}

        def ask(method: str, *params: Any, path: str = path) -> Any:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            return running.call("POST", path, body)["result"]["value"]

        assert ask("getBalance", payer) == 10 * 10**9
        [account] = ask("getTokenAccountsByOwner", merchant, mint, {"encoding": "jsonParsed"})
        assert account["account"]["data"]["parsed"]["info"]["tokenAmount"]["amount"] == "0"


def _address(key: bytes) -> str:
    from solders.keypair import Keypair

    return str(Keypair.from_bytes(key).pubkey())


def test_the_environment_is_complete_and_private(running: Sandbox) -> None:
    environment = running.environment()
    assert (running.data / "sandbox.env").stat().st_mode & 0o777 == 0o600
    settings = load(environment)
    assert settings.environment == "sandbox"
    assert [settings.public_port, settings.shopify_port] == running.ports[1:]
    for name in ("SHOPIFY_CERTIFICATE", "SHOPIFY_KEY", "SHOPIFY_TRUST", "FEE_PAYER", "TEST_FEE_PAYER", "CLOCK_FILE"):
        assert Path(environment[f"SETTLE_{name}"]).exists(), name
    for name in ("ca.crt", "shopify-client.crt", "shopify-client.key"):
        assert (running.data / "tls" / name).exists(), name


def test_what_is_secret_is_for_its_owner_only(running: Sandbox) -> None:
    secret = [
        *(running.data / "keys").iterdir(),
        *(running.data / "tls").glob("*.key"),
        running.data / "sandbox.env",
        running.data / "lock",
    ]
    assert [path for path in secret if path.stat().st_mode & 0o077] == []
    for name in ("keys", "world", "logs"):
        assert (running.data / name).stat().st_mode & 0o777 == 0o700


def test_a_second_start_in_the_same_folder_is_refused(running: Sandbox) -> None:
    second = Sandbox(running.data)
    process = second.spawn("--outside-only")
    output, _ = process.communicate(timeout=START_SECONDS)
    second.close()
    assert process.returncode == 1
    assert "in use by another sandbox" in output
    assert "Traceback" not in output
    assert running.call("GET", "/sandbox/health")["status"] == "ok"


@pytest.mark.parametrize("option", ["--port", "--app-port", "--shopify-port"])
def test_a_busy_port_is_named(fresh: Sandbox, option: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        process = fresh.spawn(option, port)
        output, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 1
    assert f"port {port} is in use" in output
    assert option in output
    assert "Traceback" not in output


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_restart_continues_and_no_process_is_left(fresh: Sandbox, order: signal.Signals) -> None:
    printed = fresh.begin("--slot-ms", "100")
    assert any(str(fresh.http.base_url).rstrip("/") in line for line in printed)
    assert any("postgres" in process.name() for process in fresh.tree)
    address = fresh.call("POST", "/sandbox/wallets", {"usdc": "12.5"})["address"]
    checkout = fresh.http.post("/sandbox/checkouts", json={"amount": "5", "currency": "EUR"}).json()["id"]
    fresh.call("POST", "/sandbox/clock", {"advance_seconds": 600})
    flagged = fresh.call("POST", "/sandbox/trm/flagged", {"address": address})
    prices = fresh.call("POST", "/sandbox/prices", {"EUR": "0.92"})
    known = fresh.call("GET", f"/sandbox/checkouts/{checkout}")
    slot = fresh.rpc("getSlot", {"commitment": "finalized"})
    environment = fresh.environment()

    status = fresh.end(order)
    assert status == (-signal.SIGKILL if order == signal.SIGKILL else 0)
    with pytest.raises(httpx.ConnectError):
        fresh.http.get("/sandbox/health")

    fresh.begin("--slot-ms", "100")
    assert float(fresh.call("GET", f"/sandbox/wallets/{address}")["usdc"]) == 12.5
    assert fresh.call("GET", f"/sandbox/checkouts/{checkout}") == known
    assert fresh.call("GET", "/sandbox/clock")["offset_seconds"] == 600
    assert fresh.call("GET", "/sandbox/trm/flagged") == flagged
    assert fresh.call("GET", "/sandbox/prices") == prices
    assert fresh.rpc("getSlot", {"commitment": "finalized"}) >= slot
    assert fresh.environment() == environment
    assert fresh.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGKILL])
def test_settle_runs_in_it_is_started_again_when_killed_and_ends_with_it(fresh: Sandbox, order: signal.Signals) -> None:
    fresh.begin(whole=True)
    assert httpx.get(f"http://127.0.0.1:{fresh.ports[1]}/ready", trust_env=False).status_code == 200
    assert fresh.http.post("/sandbox/checkouts", json={"amount": "5", "currency": "USD"}).status_code == 201
    parent = fresh.tree[0]

    def workers() -> list[psutil.Process]:
        return [child for child in parent.children() if is_worker(child)]

    def is_worker(child: psutil.Process) -> bool:
        try:
            return child.cmdline()[-1:] == ["worker"]
        except psutil.NoSuchProcess:
            # A zombie, too: killed, and not waited for yet.
            return False

    [first] = workers()
    first.kill()
    [second] = wait(lambda: [p for p in workers() if p.pid != first.pid], "a new worker")
    fresh.tree.append(second)
    assert fresh.end(order) == (-signal.SIGKILL if order == signal.SIGKILL else 0)


def test_a_database_that_dies_is_started_again(fresh: Sandbox) -> None:
    fresh.begin()
    assert fresh.process is not None
    parent = psutil.Process(fresh.process.pid)

    def postmasters() -> list[psutil.Process]:
        return [child for child in parent.children() if "postgres" in child.name()]

    [first] = postmasters()
    first.kill()
    [second] = wait(lambda: [p for p in postmasters() if p.pid != first.pid and p.is_running()], "a new server")
    fresh.tree.append(second)
    assert fresh.end(signal.SIGTERM) == 0


def test_nothing_above_the_folder_is_changed(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    sandbox = Sandbox(private / "data")
    try:
        sandbox.begin()
        assert sandbox.end(signal.SIGTERM) == 0
        assert private.stat().st_mode & 0o777 == 0o700
    finally:
        sandbox.close()
        if os.geteuid() == 0:
            from app.embedded_postgres import discard

            discard(private / "data")
