"""What Settle needs of the outside is away, for half an hour of virtual time."""

from pathlib import Path

from tests.integration.playbooks.rehearsal import rehearse
from tests.integration.playbooks.terminal import CommandLine

HALF_AN_HOUR = 1800


async def test_shopify_away(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("shopify-away", database_url, tmp_path, command_line) as play:
        await play.outside.post("/sandbox/faults", json={"target": "shopify", "fault": "drop"})
        checkout = await play.box.checkout()
        assert (await play.box.pay(await play.box.wallet(), checkout["link"])).status_code == 200
        await play.box.until_status(checkout, "paid")
        await play.box.advance(HALF_AN_HOUR)
        await play.shows()
        await play.box.mend()
        play.variables["SHOP"] = "sandbox.myshopify.com"
        await play.type()
        # The longest step of the ladder so far.
        await play.box.advance(3600)
        await play.is_over()
        await play.box.until_status(checkout, "completed")


async def test_rpc_away(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse(
        "rpc-away", database_url, tmp_path, command_line, node_check_ms=100, rpc_timeout_seconds=1
    ) as play:
        paid = await play.box.checkout()
        wallet = await play.box.wallet()
        handed_out = await play.box.fetch(wallet, paid["link"])
        await play.outside.post("/sandbox/faults", json={"target": "rpc", "fault": "drop"})
        assert (await play.box.send(wallet, handed_out)).status_code == 200
        await play.box.advance(HALF_AN_HOUR)
        await play.shows()
        play.variables["NODES"] = f"{play.world.url}/sandbox/rpc-b"
        await play.type()
        await play.is_over()
        # What was sent while nobody looked counts.
        await play.box.until_status(paid, "completed")


async def test_screening_away(database_url: str, tmp_path: Path, command_line: CommandLine) -> None:
    async with rehearse("screening-away", database_url, tmp_path, command_line) as play:
        checkout, wallet = await play.box.checkout(), await play.box.wallet()
        await play.outside.post("/sandbox/faults", json={"target": "trm", "fault": "status", "value": 503})
        assert (await play.box.pay(wallet, checkout["link"])).status_code == 422
        await play.box.advance(HALF_AN_HOUR)
        await play.shows()
        await play.box.mend()
        play.variables["NEW_KEY"] = play.settings.trm_api_key
        await play.type()
        await play.is_over()
        assert (await play.box.pay(wallet, checkout["link"])).status_code == 200
        await play.box.until_status(checkout, "completed")
