"""Settle's processes: how they end, what is left of them, and what they say in their logs."""

import asyncio
import json
import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import asyncpg
import httpx
import pytest
from solders.keypair import Keypair

from tests.collector import Collector, trace_of
from tests.house import client_context, session_body
from tests.sandbox_process import Program, Sandbox, make_folder, run_settle, wait

# Within this a program that is told to stop has ended, whatever it is doing.
STOP_SECONDS = 6
SHOPIFY = {"target": "shopify", "times": 1}
CANARY = "canary-7Yq"


class Joined:
    """An outside world, and the two programs that have joined it."""

    def __init__(self, folder: Path) -> None:
        self.world = Sandbox(folder / "data")
        self.collector = Collector()
        self._seen_by = {"otlp_url": self.collector.traces_url, "sentry_dsn": self.collector.sentry_dsn}
        self.serve = Program("serve", self.world, **self._seen_by)
        # Less than Shopify may take: a call that is not answered is left for the next worker.
        self.worker = Program("worker", self.world, shopify_timeout_seconds="3", log_level="debug", **self._seen_by)
        self.public = httpx.Client(base_url=f"http://127.0.0.1:{self.world.ports[1]}", timeout=20, trust_env=False)

    def start(self) -> None:
        """Both programs, unless they run."""
        for program in (self.serve, self.worker):
            if program.process is None:
                program.start()
        wait(self._is_ready, "the public door is ready", 30)

    def close(self) -> None:
        self.public.close()
        self.serve.close()
        self.worker.close()
        self.world.close()
        self.collector.close()

    def change_database(self, statement: str) -> None:
        async def change() -> None:
            connection = await asyncpg.connect(self.world.environment()["SETTLE_DATABASE_URL"])
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(change())

    def _is_ready(self) -> bool:
        try:
            return bool(self.public.get("/ready").json()["status"] == "ok")
        except httpx.TransportError:
            return False

    def shopify(self) -> httpx.Client:
        """Shopify itself: a client with its certificate."""
        tls = self.world.data / "tls"
        context: ssl.SSLContext = client_context(tls, tls / "shopify-client.crt", tls / "shopify-client.key")
        url = f"https://127.0.0.1:{self.world.ports[2]}"
        return httpx.Client(base_url=url, verify=context, timeout=20, trust_env=False)


@pytest.fixture(scope="module")
def standing() -> Iterator[Joined]:
    for folder in make_folder():
        joined = Joined(folder)
        try:
            joined.world.begin("--slot-ms", "100")
            migrated = run_settle("migrate", environment=joined.world.environment())
            assert migrated.returncode == 0, migrated.stderr
            yield joined
        finally:
            joined.close()


@pytest.fixture
def joined(standing: Joined) -> Joined:
    standing.start()
    standing.world.call("DELETE", "/sandbox/faults")
    return standing


def open_checkout(world: Sandbox, amount: str = "12.34") -> dict[str, Any]:
    checkout: dict[str, Any] = world.call("POST", "/sandbox/checkouts", {"amount": amount, "currency": "USD"})
    origin, _, checkout["payment"] = checkout["redirect_url"].rpartition("/pay/")
    return checkout | {"link": f"solana:{origin}/transactions/payment/{checkout['payment']}"}


def make_wallet(world: Sandbox) -> str:
    address: str = world.call("POST", "/sandbox/wallets", {"usdc": "100"})["address"]
    return address


def pay(world: Sandbox, checkout: dict[str, Any]) -> str:
    """Pay with a new wallet; the signature."""
    body = {"link": checkout["link"]}
    signature: str = world.call("POST", f"/sandbox/wallets/{make_wallet(world)}/pay", body)["signature"]
    return signature


def at_shopify(world: Sandbox, checkout: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = world.call("GET", f"/sandbox/checkouts/{checkout['id']}")
    return known


def until_resolved(world: Sandbox, checkout: dict[str, Any]) -> dict[str, Any]:
    wait(lambda: at_shopify(world, checkout)["state"] == "resolved", "resolved")
    return at_shopify(world, checkout)


def status_of(joined: Joined, checkout: dict[str, Any]) -> str:
    status: str = joined.public.get(f"/pay/{checkout['payment']}/status").json()["status"]
    return status


def stop(program: Program, order: signal.Signals = signal.SIGTERM) -> float:
    """Tell it to stop; the seconds it took."""
    began = time.monotonic()
    assert program.end(order, STOP_SECONDS) == 0
    return time.monotonic() - began


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_while_a_page_is_open(joined: Joined, order: signal.Signals) -> None:
    checkout = open_checkout(joined.world)
    with joined.public.stream("GET", f"/pay/{checkout['payment']}/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: status"
        took = stop(joined.serve, order)
        # The stream came to its proper end: an incomplete one would raise here.
        assert [line for line in lines if line.startswith("event: ")] == []
    print(f"stopped in {took:.2f} s")


def test_a_worker_that_is_stopped_finishes_its_job(joined: Joined) -> None:
    checkout = open_checkout(joined.world)
    joined.world.call("POST", "/sandbox/faults", SHOPIFY | {"fault": "delay", "value": 1})
    pay(joined.world, checkout)
    wait(lambda: joined.world.call("GET", "/sandbox/faults")["on"] == [], "the resolve is on its way")
    stop(joined.worker)
    assert status_of(joined, checkout) == "completed"
    assert len(at_shopify(joined.world, checkout)["mutations"]) == 1


def test_a_job_that_does_not_end_keeps_no_worker_from_stopping_and_is_left_for_the_next(joined: Joined) -> None:
    checkout = open_checkout(joined.world)
    joined.world.call("POST", "/sandbox/faults", SHOPIFY | {"fault": "delay", "value": 30})
    pay(joined.world, checkout)
    wait(lambda: joined.world.call("GET", "/sandbox/faults")["on"] == [], "the resolve is on its way")
    stop(joined.worker)
    assert status_of(joined, checkout) == "paid"
    joined.start()
    joined.world.call("POST", "/sandbox/clock", {"advance_seconds": 10})
    wait(lambda: status_of(joined, checkout) == "completed", "it is completed by the next worker")
    applied = [mutation for mutation in at_shopify(joined.world, checkout)["mutations"] if mutation["applied"]]
    assert len(applied) == 1


def test_log_lines_are_json_and_say_what_happened_to_whom(joined: Joined) -> None:
    checkout = open_checkout(joined.world, "0.77")
    signature = pay(joined.world, checkout)
    wait(lambda: status_of(joined, checkout) == "completed", "completed")
    delivery = at_shopify(joined.world, checkout)["deliveries"][-1]

    def said(program: Program) -> list[dict[str, Any]]:
        return [json.loads(line) for line in program.lines()]

    for program in (joined.serve, joined.worker):
        for line in said(program):
            assert {"action", "level", "timestamp"} <= line.keys(), line
    ours = [line for line in said(joined.serve) if line.get("payment_id") == checkout["payment"]]
    opened = next(line for line in ours if line["action"] == "session_opened")
    assert opened["shopify_request_id"] == delivery["request_id"]
    request = next(
        line
        for line in said(joined.serve)
        if line["action"] == "request" and line.get("shopify_request_id") == delivery["request_id"]
    )
    assert (request["status"], request["route"]) == (200, "/shopify/payment")
    assert [line["signature"] for line in ours if line["action"] == "transaction_issued"] == [signature]
    theirs = [line for line in said(joined.worker) if line.get("payment_id") == checkout["payment"]]
    moved = {line["to_status"]: line for line in theirs if line["action"] == "payment_moved"}
    assert moved["paid"]["signature"] == signature
    assert "completed" in moved
    assert any(line["action"] == "shopify_answered" for line in theirs)


def secrets_of(environment: dict[str, str]) -> dict[str, str]:
    """Everything in a sandbox's environment that must never be seen, by its name."""
    merchant = json.loads(unquote(environment["SETTLE_SEED_MERCHANT"]))
    secrets = {
        "derivation secret": environment["SETTLE_DERIVATION_SECRET"],
        "token key": environment["SETTLE_TOKEN_KEYS"],
        "TRM key": environment["SETTLE_TRM_API_KEY"],
        "Shopify's token": merchant["token"],
        "the door's key": Path(environment["SETTLE_SHOPIFY_KEY"]).read_text().splitlines()[1],
    }
    for name in ("SETTLE_FEE_PAYER", "SETTLE_TEST_FEE_PAYER"):
        numbers = json.loads(Path(environment[name]).read_text())
        key = Keypair.from_bytes(bytes(numbers))
        secrets |= {
            f"{name} as base58": str(key),
            f"{name} as numbers": ", ".join(map(str, numbers[:8])),
            f"{name} as numbers, close": ",".join(map(str, numbers[:8])),
            f"{name} as hex": key.secret().hex(),
        }
    return secrets


def personal_data() -> dict[str, Any]:
    """A customer as Shopify sends one, a canary in every text."""
    address = {
        "given_name": f"{CANARY}-given",
        "family_name": f"{CANARY}-family",
        "line1": f"{CANARY}-line1",
        "line2": f"{CANARY}-line2",
        "city": f"{CANARY}-city",
        "postal_code": f"{CANARY}-code",
        "province": f"{CANARY}-province",
        "country_code": "CA",
        "phone_number": f"+1613{CANARY}",
        "company": f"{CANARY}-company",
    }
    return {
        "email": f"{CANARY}@customers.example",
        "phone_number": f"+1613{CANARY}",
        "locale": "en-CA",
        "billing_address": address,
        "shipping_address": dict(address),
    }


def meet_bug(joined: Joined) -> str:
    """The database refuses a session's row, which nobody foresaw: what Shopify is answered."""
    constraint = "ALTER TABLE payments ADD CONSTRAINT bug CHECK (shopify_id <> 'bug') NOT VALID"
    customer = {"cancel_url": f"https://shop.example/{CANARY}"}
    body = session_body(id="bug", customer=personal_data(), payment_method={"type": "offsite", "data": customer})
    headers = {"Shopify-Shop-Domain": "sandbox.myshopify.com", "Shopify-Api-Version": "2026-10"}
    joined.change_database(constraint)
    try:
        with joined.shopify() as shopify:
            answer = shopify.post("/shopify/payment", json=body, headers=headers)
    finally:
        joined.change_database("ALTER TABLE payments DROP CONSTRAINT bug")
    assert (answer.status_code, answer.json()["reason"]) == (500, "internal_error")
    wait(lambda: "CheckViolationError" in joined.collector.read_events(), "Sentry has been told")
    return answer.text


def test_one_trace_goes_from_the_session_to_shopifys_acknowledgement(joined: Joined) -> None:
    checkout = open_checkout(joined.world)
    pay(joined.world, checkout)
    until_resolved(joined.world, checkout)
    trace = trace_of(checkout["payment"])
    joined.collector.wait_for("job payment_resolve", trace)
    joined.collector.wait_for("payment session", trace)
    spans = joined.collector.spans(trace)
    by_name = {span.name: span for span in spans}
    assert set(by_name) >= {
        "payment session", "transaction request", "screening", "settlement", "job payment_resolve",
        "Shopify paymentSessionResolve",
    }  # fmt: skip
    assert by_name["payment session"].service == "settle-serve"
    assert by_name["settlement"].service == by_name["job payment_resolve"].service == "settle-worker"
    # Everything hangs together: each has a parent in the trace, but for the first.
    ids = {span.id for span in spans}
    assert [span.name for span in spans if span.parent not in ids] == ["payment session"]
    assert by_name["Shopify paymentSessionResolve"].parent == by_name["job payment_resolve"].id


def test_no_secret_and_no_personal_datum_is_ever_seen(joined: Joined) -> None:
    customer = personal_data()
    bodies: list[Any] = [
        session_body(customer=customer),
        session_body(customer=customer, amount="nonsense"),
        session_body(customer=customer, kind="authorization"),
        session_body(customer=customer, currency="dollars"),
        session_body(customer=customer, payment_method=None),
        session_body(customer=customer | {"locale": [f"{CANARY}-locale"]}),
        session_body(customer=f"{CANARY}-text"),
        {"customer": customer},
        json.dumps(session_body(customer=customer))[:-40],
    ]
    seen = {}
    with joined.shopify() as shopify:
        headers = {"Shopify-Shop-Domain": "sandbox.myshopify.com", "Shopify-Api-Version": "2026-10"}
        for number, body in enumerate(bodies):
            content = body if isinstance(body, str) else json.dumps(body)
            sent = headers | {"Shopify-Request-Id": f"request-{number}", "Cookie": f"{CANARY}=1"}
            answer = shopify.post("/shopify/payment", content=content, headers=sent)
            assert (answer.status_code == 200) == (number == 0), answer.text
            seen[f"answer {number}"] = answer.text
            if number == 0:
                page = answer.json()["redirect_url"]
                # The same id with other content: a conflict, and an event.
                other = json.dumps(body | {"amount": "99"})
                seen["conflict"] = shopify.post("/shopify/payment", content=other, headers=sent).text
    link = {"link": f"solana:{page.replace('/pay/', '/transactions/payment/')}"}
    trouble = [
        {"target": "shopify", "fault": "internal_error", "times": 1},
        {"target": "trm", "fault": "broken_json", "times": 1},
        {"target": "rpc", "fault": "broken_json", "times": 3},
    ]
    for fault in trouble:
        joined.world.call("POST", "/sandbox/faults", fault)
    address = make_wallet(joined.world)

    def is_paid() -> bool:
        return joined.world.http.post(f"/sandbox/wallets/{address}/pay", json=link).status_code == 200

    wait(is_paid, "it is paid in spite of the trouble")
    path = httpx.URL(page).path
    payment = path.removeprefix("/pay/")

    def has_told_shopify() -> bool:
        return any(payment in line and "shopify_answered" in line for line in joined.worker.lines())

    wait(has_told_shopify, "the worker has told Shopify, and failed")
    joined.collector.wait_for("Shopify paymentSessionResolve", trace_of(payment))
    seen["bug"] = meet_bug(joined)
    for place in (path, f"{path}/status", "/metrics", "/ready", "/pay/nothing", f"/{CANARY[:3]}"):
        seen[place] = joined.public.get(place, headers={"Accept": "text/html"}).text
    with joined.public.stream("GET", f"{path}/events") as stream:
        seen["events"] = "".join(line for line, _ in zip(stream.iter_lines(), range(2), strict=False))
    for program in (joined.serve, joined.worker):
        seen[program.command] = "\n".join(program.lines())
    seen["traces"], seen["sentry"] = joined.collector.read_traces(), joined.collector.read_events()
    assert "request-0" in seen["serve"]
    assert payment in seen["traces"]
    # Where the row that was refused would have stood.
    for place in ("serve", "sentry"):
        assert "CheckViolationError" in seen[place]
    for name, secret in (secrets_of(joined.world.environment()) | {"the customer": CANARY}).items():
        assert [place for place, text in seen.items() if secret in text] == [], name


def test_a_killed_sandbox_leaves_no_process_and_its_open_payments_are_completed_after_the_next_start() -> None:
    for folder in make_folder():
        world = Sandbox(folder / "data")
        try:
            world.begin("--slot-ms", "200", whole=True)
            waiting, fetched, landed = (open_checkout(world) for _ in range(3))
            world.call("POST", "/sandbox/faults", {"target": "shopify", "fault": "status", "value": 503})
            pay(world, landed)
            wallet = make_wallet(world)
            transaction = world.call("POST", f"/sandbox/wallets/{wallet}/fetch", {"link": fetched["link"]})
            # Of the whole tree, database and children's children included, nothing is left.
            world.end(signal.SIGKILL)
            world.begin("--slot-ms", "200", whole=True)
            body = {"transaction": transaction["transaction"]}
            world.call("POST", f"/sandbox/wallets/{wallet}/send", body)
            pay(world, waiting)
            world.call("POST", "/sandbox/clock", {"advance_seconds": 61})
            for checkout in (waiting, fetched, landed):
                known = until_resolved(world, checkout)
                assert [mutation["applied"] for mutation in known["mutations"]].count(True) == 1
                assert known["alarms"] == []
            assert world.end(signal.SIGTERM) == 0
        finally:
            world.close()
