"""What goes wrong at home: keys, certificates, the database, a release."""

import tempfile
from pathlib import Path

import asyncpg
import httpx
import pytest

from app import health
from app.embedded_postgres import EmbeddedPostgres
from app.migrations import migrate
from app.sandbox.tls import mint_rotated_client, mint_server
from tests.conftest import Server
from tests.house import client_context
from tests.integration.playbooks.keys import read_key, take_sol
from tests.integration.playbooks.rehearsal import rehearse
from tests.integration.playbooks.terminal import CommandLine
from tests.integration.playbooks.test_outside_away import spend_ladder
from tests.waiting import wait_until

# So that the account stays, and pays for nothing.
RENT = 890_880
DAY = 86_400


async def test_fee_payer_empty(
    database_url: str, tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Balances are asked for in real time.
    monkeypatch.setattr(health, "BALANCE_SECONDS", 1)
    async with rehearse("fee-payer-empty", database_url, tmp_path, command_line) as play:
        checkout, wallet = await play.box.checkout(), await play.box.wallet()
        key = read_key(Path(play.settings.fee_payer))
        await take_sol(play.outside, key, leave=RENT)
        await play.shows()
        play.variables["FEE_PAYER"] = str(key.pubkey())
        assert str(key.pubkey()) in await play.type()
        await play.is_over()
        assert (await play.box.pay(wallet, checkout["link"])).status_code == 200
        await play.box.until_status(checkout, "completed")


async def test_key_leaked(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse(
        "key-leaked", database_url, tmp_path, command_line, watch_sweep=True, sweep_interval_seconds=1
    ) as play:
        checkout = await play.box.checkout()
        file = Path(play.settings.fee_payer)
        leaked = read_key(file)
        await take_sol(play.outside, leaked, leave=10**9)
        await play.box.advance(60)
        await play.shows()
        play.variables |= {
            "LEAKED": str(leaked.pubkey()),
            "LEAKED_KEY": str(file),
            "NEW_KEY": str(tmp_path / "new.json"),
        }
        await play.type()
        await play.is_over()
        assert (await play.box.pay(await play.box.wallet(), checkout["link"])).status_code == 200
        await play.box.until_status(checkout, "completed")
        [issued] = await play.box.house.rows("SELECT DISTINCT fee_payer FROM issued_transactions")
        assert issued["fee_payer"] == str(read_key(tmp_path / "new.json").pubkey())


async def test_key_lost(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("key-lost", database_url, tmp_path, command_line) as play:
        checkout, wallet = await play.box.checkout(), await play.box.wallet()
        handed_out = await play.box.fetch(wallet, checkout["link"])
        Path(play.settings.fee_payer).unlink()
        await play.shows()
        play.variables["NEW_KEY"] = str(tmp_path / "new.json")
        await play.type()
        await play.is_over()
        # What was handed out before lands and counts: nobody needs the key for it any more.
        assert (await play.box.send(wallet, handed_out)).status_code == 200
        await play.box.until_status(checkout, "completed")


async def test_certificate_expiring(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("certificate-expiring", database_url, tmp_path, command_line, trust_reload_seconds=1) as play:
        tls = Path(play.settings.shopify_trust).parent
        certificate, key = mint_server(tls, tmp_path / "ending", days=5)
        key.replace(play.settings.shopify_key)
        certificate.replace(play.settings.shopify_certificate)
        await play.shows()
        certificate, key = mint_server(tls, tmp_path / "new", days=300)
        play.variables |= {"NEW_CERTIFICATE": str(certificate), "NEW_KEY": str(key)}
        await play.type("The door's own")
        await play.is_over()
        assert (await play.box.checkout())["payment"]

        client = mint_rotated_client(tls, tmp_path / "rotated")
        play.variables["NEW_AUTHORITY"] = str(client[2])
        await play.type("Shopify's authorities")
        await play.is_over()
        context = client_context(tls, *client[:2])
        async with httpx.AsyncClient(verify=context) as shopify:
            answer = await shopify.post(f"https://127.0.0.1:{play.settings.shopify_port}/shopify/payment", json={})
        assert answer.status_code == 400, "the new client is let in, and told that its session is none"


async def test_database_away(tmp_path: Path, command_line: CommandLine) -> None:
    folder = Path(tempfile.mkdtemp(prefix="settle-playbook-"))
    server = EmbeddedPostgres(folder, "settle", settings={"fsync": "off"})
    url = server.start()
    try:
        await migrate(url)
        async with rehearse("database-away", url, tmp_path, command_line) as play:
            checkout, wallet = await play.box.checkout(), await play.box.wallet()
            handed_out = await play.box.fetch(wallet, checkout["link"])
            server.stop()
            assert (await play.box.send(wallet, handed_out)).status_code == 200
            await play.shows()

            async def control(verb: str) -> str:
                if verb == "start":
                    server.start()
                return ""

            play.services["postgresql"] = control
            await play.type()
            await play.is_over()
            await play.box.until_status(checkout, "completed")
    finally:
        server.stop()


async def test_database_restored(
    postgres: Server, database_url: str, tmp_path: Path, command_line: CommandLine
) -> None:
    name = database_url.partition("@/")[2].partition("?")[0]
    backup = f"backup_of_{name}"
    admin = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        async with rehearse(
            "database-restored", database_url, tmp_path, command_line, watch_sweep=True, sweep_interval_seconds=1
        ) as play:
            lost = await play.box.checkout()
            await play.stop()
            await admin.execute(f"CREATE DATABASE {backup} TEMPLATE {name} STRATEGY file_copy")
            await play.start()
            assert (await play.box.pay(await play.box.wallet(), lost["link"])).status_code == 200
            await play.box.until_status(lost, "completed")
            await play.stop()
            play.database_url = postgres.dsn(backup)
            await play.start()
            await play.shows()
            await play.type()

            async def is_lifted() -> bool:
                await play.box.advance(5)
                return not await play.box.house.rows("SELECT FROM issuing_pauses WHERE lifted_at IS NULL")

            await wait_until(is_lifted, 30, "issuing goes on")
            [unknown] = await play.box.house.rows("SELECT signature FROM unknown_signatures WHERE status = 'open'")
            play.variables["SIGNATURE"] = unknown["signature"]
            printed = await play.type("Issuing goes on")
            assert unknown["signature"] in printed
            assert "landed_unknown" in printed
            await play.is_over()
            await play.box.until_status(lost, "completed")
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {backup} WITH (FORCE)")
        await admin.close()


async def test_bad_deploy(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("bad-deploy", database_url, tmp_path, command_line) as play:
        handed_out, wallet = await play.box.checkout(), await play.box.wallet()
        transaction = await play.box.fetch(wallet, handed_out["link"])
        before = tmp_path / "releases" / "1"
        before.mkdir(parents=True)
        good = f"SETTLE_TOKEN_KEYS={play.settings.token_keys[0]}\n"
        (before / "settle.env").write_text(good)
        play.file.write_text(good.replace(play.settings.token_keys[0], "0" * 64))
        await play.restart()
        await play.begin()
        # One pays what he was given before, another comes anew.
        assert (await play.box.send(wallet, transaction)).status_code == 200
        refused = await play.outside.post("/sandbox/checkouts", json={"amount": "1.00", "currency": "USD"})
        assert refused.status_code == 502
        await play.shows()
        play.variables["BEFORE"] = str(before)
        await play.type()
        await play.box.advance(60)
        await play.is_over()
        await play.box.until_status(handed_out, "completed")
        again = await play.outside.post(f"/sandbox/checkouts/{refused.json()['id']}/resend", json={})
        assert again.status_code == 201, "Shopify asks again, and the session is taken"


async def test_dead_jobs(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("dead-jobs", database_url, tmp_path, command_line) as play:
        checkout = await play.box.paid()
        await play.box.fault("shopify", "status", value=503)
        answer = await play.outside.post(f"/sandbox/checkouts/{checkout['id']}/captures", json={"amount": "5.00"})
        assert answer.status_code == 201, answer.text
        await spend_ladder(play)
        await play.shows()
        await play.box.mend()
        await play.type()
        await play.is_over()
        known = (await play.outside.get(f"/sandbox/captures/{answer.json()['id']}")).json()
        assert known["state"] == "rejected"


async def test_tokens_lost(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("tokens-lost", database_url, tmp_path, command_line, upkeep_seconds=1) as play:
        assert (await play.outside.get("/sandbox/admin/app", follow_redirects=True)).status_code == 200
        await play.outside.post("/sandbox/admin/revoke", json={"shop": "sandbox.myshopify.com"})
        await play.box.fault("oauth", "refuse")
        await play.box.advance(3_700)
        checkout = await play.box.checkout()
        assert (await play.box.pay(await play.box.wallet(), checkout["link"])).status_code == 200
        await play.box.until_status(checkout, "paid")
        await play.shows()
        assert "sandbox.myshopify.com" in await play.type()
        # Shopify took the old secret no more; of what it sends, some is still signed with it.
        [old] = play.settings.shopify_client_secrets
        play.variables["NEW_SECRET"] = old
        play.file.write_text("SETTLE_SHOPIFY_CLIENT_SECRETS=forgotten\n")
        await play.box.mend()
        await play.type("All shops")
        assert play.settings.shopify_client_secrets == (old, "forgotten")
        await play.box.advance(3_600)
        await play.is_over()
        await play.box.until_status(checkout, "completed")


async def test_privacy_due(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("privacy-due", database_url, tmp_path, command_line, upkeep_seconds=1) as play:
        customer = {"email": "alice@customers.example", "phone_number": "+16135550127", "locale": "en"}
        paid = await play.box.paid("20.00", options={"body": {"customer": customer}})
        refund = await play.box.refund(paid, "5.00")
        payload = {"customer": {"id": 7, "email": customer["email"], "phone": None}}
        asked = await play.outside.post("/sandbox/webhooks", json={"topic": "customers/redact", "payload": payload})
        assert asked.status_code == 201, asked.text
        await wait_until(lambda: play.box.house.rows("SELECT FROM privacy_requests"), 20, "Shopify has asked")
        await play.box.advance(26 * DAY)
        await play.shows()
        assert refund["row"]["id"] in await play.type()
        async with play.box.house.portal() as merchant:
            denial = {"message": "The goods were not sent back."}
            answer = await merchant.post(f"/portal/api/refunds/{refund['row']['id']}/deny", json=denial)
            assert answer.status_code < 300, answer.text
        await play.box.until_refund(refund, "rejected")
        # It is looked at once a day.
        await play.box.advance(2 * DAY)
        await play.is_over()


async def test_alarm(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("alarm", database_url, tmp_path, command_line) as play:
        await play.box.fault("shopify", "status", value=503)
        async with play.box.house.portal() as merchant:
            assert (await merchant.post("/portal/api/onboarding/pause", json={})).status_code == 200
        await spend_ladder(play)
        await play.shows()
        await play.box.mend()
        assert "app_unready" in await play.type()
        await play.is_over()
