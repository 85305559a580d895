"""The command line as an operator meets it: what it prints, how it exits, and that it never shows a secret."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from solders.keypair import Keypair

from app.settings import read_fields
from tests.acceptance.test_processes import open_checkout, pay
from tests.house import free_port
from tests.sandbox_process import ROOT, Program, Sandbox, make_folder, run_settle, wait

Environment = dict[str, str]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """An outside world with a migrated database that nobody has joined."""
    for folder in make_folder():
        sandbox = Sandbox(folder / "data")
        try:
            sandbox.begin("--slot-ms", "100")
            assert run_settle("migrate", environment=sandbox.environment()).returncode == 0
            yield sandbox
        finally:
            sandbox.close()


@pytest.fixture
def environment(sandbox: Sandbox) -> Environment:
    return sandbox.environment()


def shown(ended: subprocess.CompletedProcess[str], environment: Environment) -> str:
    """Everything it printed, which shows no secret and no traceback."""
    text = ended.stdout + ended.stderr
    assert "Traceback" not in text
    assert "  File " not in text
    for secret in ("DERIVATION_SECRET", "TOKEN_KEYS", "TRM_API_KEY"):
        value = environment.get(f"SETTLE_{secret}")
        assert not value or value not in text, secret
    seed = environment.get("SETTLE_SEED_MERCHANT")
    assert not seed or json.loads(unquote(seed))["token"] not in text
    assert "canary" not in text
    return text


def test_the_doctor_finds_nothing_in_a_healthy_sandbox(environment: Environment) -> None:
    ended = run_settle("doctor", environment=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = shown(ended, environment).splitlines()
    assert len(lines) > 10
    assert [line for line in lines if not line.startswith("ok ")] == []


def _away(environment: Environment, _: Path) -> Environment:
    return {"SETTLE_DATABASE_URL": f"postgresql://settle:canary-password@127.0.0.1:{free_port()}/settle"}


def _empty(environment: Environment, _: Path) -> Environment:
    return {"SETTLE_DATABASE_URL": environment["SETTLE_DATABASE_URL"].replace("/settle?", "/template1?")}


def _no_rpc(environment: Environment, _: Path) -> Environment:
    return {"SETTLE_RPC_URLS": f"http://127.0.0.1:{free_port()}/?api-key=canary-key"}


def _no_test_rpc(environment: Environment, _: Path) -> Environment:
    return {"SETTLE_TEST_RPC_URLS": f"http://127.0.0.1:{free_port()}"}


def _other_mint(environment: Environment, _: Path) -> Environment:
    return {"SETTLE_USDC_MINT": str(Keypair().pubkey())}


def _no_mint(environment: Environment, _: Path) -> Environment:
    return {"SETTLE_USDC_MINT": "nonsense"}


def _poor(environment: Environment, folder: Path) -> Environment:
    path = folder / "poor.json"
    path.write_text(json.dumps(list(bytes(Keypair()))))
    return {"SETTLE_FEE_PAYER": str(path)}


def _no_fee_payer(environment: Environment, folder: Path) -> Environment:
    return {"SETTLE_FEE_PAYER": str(folder / "nowhere.json")}


def _broken_fee_payer(environment: Environment, folder: Path) -> Environment:
    path = folder / "broken.json"
    path.write_text('["canary"]')
    return {"SETTLE_FEE_PAYER": str(path)}


def _no_certificate(environment: Environment, folder: Path) -> Environment:
    return {"SETTLE_SHOPIFY_CERTIFICATE": str(folder / "nowhere.crt")}


def _expired(environment: Environment, folder: Path) -> Environment:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now - timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "old.crt").write_bytes(certificate.public_bytes(pem))
    (folder / "old.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return {"SETTLE_SHOPIFY_CERTIFICATE": str(folder / "old.crt"), "SETTLE_SHOPIFY_KEY": str(folder / "old.key")}


def _other_key(environment: Environment, folder: Path) -> Environment:
    return {"SETTLE_SHOPIFY_KEY": environment["SETTLE_SHOPIFY_KEY"].replace("server.key", "shopify-client.key")}


def _no_trust(environment: Environment, folder: Path) -> Environment:
    (folder / "trust").mkdir()
    return {"SETTLE_SHOPIFY_TRUST": str(folder / "trust")}


def _broken_trust(environment: Environment, folder: Path) -> Environment:
    shutil.copytree(environment["SETTLE_SHOPIFY_TRUST"], folder / "broken")
    (folder / "broken" / "extra.pem").write_text("no certificate")
    return {"SETTLE_SHOPIFY_TRUST": str(folder / "broken")}


def _misspelt(environment: Environment, _: Path) -> Environment:
    return {"SETTLE_PUBLIC_PROT": "canary"}


def _no_trm(environment: Environment, _: Path) -> Environment:
    return {"SETTLE_TRM_URL": f"http://127.0.0.1:{free_port()}"}


# What is broken -> where the doctor finds it, and a word that its sentence must have.
FINDINGS = {
    _away: ("Database", "SETTLE_DATABASE_URL"),
    _empty: ("Migrations", "settle migrate"),
    _no_rpc: ("Solana (live)", "SETTLE_RPC_URLS"),
    _no_test_rpc: ("Solana (test)", "SETTLE_TEST_RPC_URLS"),
    _other_mint: ("Solana (live): USDC mint", "SETTLE_USDC_MINT"),
    _no_mint: ("Solana", "SETTLE_USDC_MINT"),
    _poor: ("Solana (live): fee payer", "Send SOL to"),
    _no_fee_payer: ("Solana", "SETTLE_FEE_PAYER"),
    _broken_fee_payer: ("Solana", "SETTLE_FEE_PAYER"),
    _no_certificate: ("Certificate of Shopify's door", "SETTLE_SHOPIFY_CERTIFICATE"),
    _expired: ("Certificate of Shopify's door", "Renew it"),
    _other_key: ("Certificate of Shopify's door", "key that belongs to it"),
    _no_trust: ("Trust store of Shopify's door", "SETTLE_SHOPIFY_TRUST"),
    _broken_trust: ("Trust store of Shopify's door", "extra.pem"),
    _misspelt: ("Settings", "SETTLE_PUBLIC_PROT"),
    _no_trm: ("Screening", "SETTLE_TRM_URL"),
}
Break = Callable[[Environment, Path], Environment]


@pytest.mark.parametrize(
    "broken",
    [
        (_empty, _expired, _poor, _broken_trust, _misspelt, _no_test_rpc),
        (_away, _no_rpc, _no_certificate, _no_trust, _no_trm),
        (_other_mint, _other_key),
        (_no_mint,),
        (_no_fee_payer,),
        (_broken_fee_payer,),
    ],
    ids=lambda broken: " ".join(function.__name__.strip("_") for function in broken),
)
def test_the_doctor_names_each_thing_that_is_broken_and_how_to_mend_it(
    environment: Environment, tmp_path: Path, broken: tuple[Break, ...]
) -> None:
    here = environment.copy()
    for function in broken:
        here |= function(environment, tmp_path)
    ended = run_settle("doctor", environment=here)
    assert ended.returncode == 1
    problems = [line for line in shown(ended, here).splitlines() if not line.startswith("ok ")]
    for function in broken:
        subject, word = FINDINGS[function]
        assert any(line.startswith(f"PROBLEM  {subject}: ") and word in line for line in problems), problems
    # Without a database its migrations can not be looked at; everything else that is well is called so.
    assert len(problems) == len(broken) + (_away in broken), problems
    assert [line for line in problems if ".. " in line] == []


# Each breaks one invariant: {paid} is a completed payment, the others nobody paid.
VIOLATIONS = {
    "I1": """DROP INDEX payments_shopify_id_key;
        UPDATE payments SET shopify_id = (SELECT shopify_id FROM payments WHERE id = '{paid}') WHERE id = '{first}'""",
    "I2": """INSERT INTO shopify_mutations
            (record, record_id, name, variables, api_version, acknowledged_at, created_at)
        VALUES ('payment', '{paid}', 'paymentSessionReject', '{{}}', '2026-10', now(), now())""",
    "I4": """DROP INDEX issued_transactions_signature_key CASCADE;
        CREATE TEMPORARY TABLE again AS SELECT * FROM issued_transactions WHERE payment_id = '{paid}' LIMIT 1;
        UPDATE again SET id = id + 1000, payment_id = '{first}', fate = 'live', final = false, poll_at = now();
        INSERT INTO issued_transactions SELECT * FROM again""",
    "I3": "UPDATE issued_transactions SET fate = 'failed', error = 'InsufficientFunds' WHERE payment_id = '{paid}'",
    "I6": """UPDATE payments SET status = 'rejecting' WHERE id = '{second}';
        INSERT INTO events (record, record_id, kind, from_status, to_status, detail, at)
        VALUES ('payment', '{second}', 'moved', 'pending', 'rejecting', '{{}}', now())""",
    "I7": "UPDATE payments SET status = 'expired' WHERE id = '{first}'",
    "I8": """INSERT INTO events (record, record_id, kind, from_status, to_status, detail, at)
        VALUES ('payment', '{paid}', 'moved', 'completed', 'pending', '{{}}', now()),
            ('payment', '{paid}', 'moved', 'pending', 'paid', '{{}}', now()),
            ('payment', '{paid}', 'moved', 'paid', 'completed', '{{}}', now())""",
}


def says(program: Program, **fields: str) -> bool:
    """Whether one of its log lines has these fields."""
    return any(fields.items() <= json.loads(line).items() for line in program.lines())


@pytest.fixture(scope="module")
def payments(sandbox: Sandbox) -> dict[str, str]:
    """Our ids of a completed payment and of two that nobody paid; the programs have ended."""
    programs = [Program(name, sandbox) for name in ("serve", "worker")]
    try:
        for program in programs:
            program.start()
        wait(lambda: says(programs[0], action="doors_opening"), "the doors open", 30)
        paid, first, second = (open_checkout(sandbox) for _ in range(3))
        pay(sandbox, paid)
        wait(lambda: sandbox.call("GET", f"/sandbox/checkouts/{paid['id']}")["state"] == "resolved", "resolved")
        wait(lambda: says(programs[1], to_status="completed"), "completed")
    finally:
        for program in programs:
            program.close()
    return {"paid": paid["payment"], "first": first["payment"], "second": second["payment"]}


@pytest.fixture
async def copied(sandbox: Sandbox, payments: dict[str, str]) -> str:
    """The DSN of a copy of the database."""
    dsn = sandbox.environment()["SETTLE_DATABASE_URL"]
    name = f"copy_{free_port()}"
    admin = await asyncpg.connect(dsn.replace("/settle?", "/template1?"))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE settle")
    await admin.close()
    return dsn.replace("/settle?", f"/{name}?")


async def violate(dsn: str, *scripts: str) -> None:
    connection = await asyncpg.connect(dsn)
    # Replication's own role: no trigger and no foreign key stands in the way.
    await connection.execute("SET session_replication_role = replica")
    for script in scripts:
        await connection.execute(script)
    await connection.close()


async def test_the_check_finds_each_broken_invariant(
    environment: Environment, copied: str, payments: dict[str, str]
) -> None:
    await violate(copied, *(script.format(**payments) for script in VIOLATIONS.values()))
    ended = run_settle("check", environment=environment | {"SETTLE_DATABASE_URL": copied})
    assert ended.returncode == 1, ended.stdout + ended.stderr
    *lines, summary = shown(ended, environment).splitlines()
    found = [json.loads(line) for line in lines]
    assert {violation["invariant"] for violation in found} == set(VIOLATIONS)
    assert summary.startswith(f"{len(found)} violations ")
    assert all(violation["record"] and violation["problem"] for violation in found)


async def test_the_check_finds_what_only_the_chain_knows(
    environment: Environment, copied: str, payments: dict[str, str]
) -> None:
    here = environment | {"SETTLE_DATABASE_URL": copied}
    clean = run_settle("check", "--chain", environment=here)
    assert (clean.returncode, clean.stdout[:13]) == (0, "0 violations "), clean.stdout + clean.stderr
    # Our books say less than what landed.
    await violate(copied, "UPDATE issued_transactions SET usdc = usdc - 1")
    assert run_settle("check", environment=here).returncode == 0
    ended = run_settle("check", "--chain", environment=here)
    assert ended.returncode == 1
    violation = json.loads(shown(ended, environment).splitlines()[0])
    assert (violation["invariant"], violation["record"]) == ("I3", payments["paid"])


async def test_what_was_given_up_is_listed_and_begun_anew_and_what_came_in_is_replayed(
    environment: Environment, copied: str
) -> None:
    connection = await asyncpg.connect(copied)
    await connection.execute(
        """INSERT INTO inbox_events (source, event_id, topic, shop, payload, received_at)
        VALUES ('shopify', 'event-1', 'other', 'shop.myshopify.com', '{}', '2026-11-20');
        INSERT INTO jobs (kind, record, record_id, status, attempts, due_at, last_error, created_at, updated_at)
        SELECT 'inbox_event', 'inbox', id::text, 'dead', 17, received_at, 'busy', received_at, received_at
        FROM inbox_events WHERE event_id = 'event-1'"""
    )
    here = environment | {"SETTLE_DATABASE_URL": copied}
    try:
        [dead] = [json.loads(line) for line in run_settle("jobs", "--dead", environment=here).stdout.splitlines()]
        assert (dead["kind"], dead["tries"], dead["last_error"]) == ("inbox_event", 17, "busy")
        counted = run_settle("replay", "inbox", "--until", "2026-11-21", "--dry-run", environment=here)
        assert counted.stdout == "1 events would be processed once more, 0 have nothing left in them\n"
        ended = run_settle("retry", str(dead["id"]), environment=here)
        assert ended.stdout == f"{dead['id']}: inbox_event of inbox {dead['record_id']} begins anew\n"
        again = run_settle("retry", str(dead["id"]), environment=here)
        assert (again.returncode, again.stderr) == (
            1, f"settle: The job {dead['id']} is waiting: only a dead one is begun anew.\n"
        )  # fmt: skip
        assert run_settle("retry", environment=here).returncode == 2
        told = run_settle("replay", "events", environment=here)
        assert (told.returncode, told.stdout) == (0, "0 differences\n")
    finally:
        await connection.close()


def test_migrating_again_changes_nothing(environment: Environment) -> None:
    ended = run_settle("migrate", environment=environment)
    assert ended.returncode == 0
    assert shown(ended, environment).splitlines() == ["nothing to apply", "the sandbox's merchant is there"]


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_without_settings_one_sentence_says_which_is_missing(command: str) -> None:
    ended = run_settle(command, environment={})
    assert ended.returncode == 1
    [sentence] = shown(ended, {}).splitlines()
    named = re.fullmatch(r"settle: The settings can not be used: SETTLE_(\w+) is missing\.", sentence)
    assert named is not None, sentence
    # One of those that must be given, whichever is looked at first.
    assert read_fields()[named[1].lower()].required


@pytest.mark.parametrize("command", ["serve", "worker", "migrate"])
def test_without_a_database_one_sentence_says_so(environment: Environment, tmp_path: Path, command: str) -> None:
    broken = environment | _away(environment, tmp_path)
    ended = run_settle(command, environment=broken)
    assert ended.returncode == 1
    assert shown(ended, broken).strip() == "settle: The database can not be reached at the moment."


@pytest.mark.parametrize("breaking", [_no_fee_payer, _no_mint, _no_certificate, _no_trust])
def test_serve_says_in_one_sentence_what_keeps_it_from_starting(
    environment: Environment, tmp_path: Path, breaking: Break
) -> None:
    broken = environment | breaking(environment, tmp_path)
    ended = run_settle("serve", environment=broken)
    assert ended.returncode == 1
    said = [line for line in shown(ended, broken).splitlines() if not line.startswith("{")]
    assert len(said) == 1
    assert said[0].startswith("settle: ")


def test_the_settings_are_what_the_example_file_shows() -> None:
    ended = run_settle("settings", environment={})
    assert ended.returncode == 0
    assert ended.stdout == (ROOT / ".env.example").read_text()


def test_production_refuses_the_sandboxs_settings_by_name(environment: Environment) -> None:
    ended = run_settle("serve", environment=environment | {"SETTLE_ENVIRONMENT": "production"})
    assert ended.returncode == 1
    [sentence] = shown(ended, environment).splitlines()
    for name in ("SETTLE_SANDBOX_URL", "SETTLE_CLOCK_FILE", "SETTLE_SEED_MERCHANT"):
        assert name in sentence
