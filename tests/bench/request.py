"""The transaction request, warm: the processor time Settle takes itself, and the RPC calls it makes."""

import asyncio
import json
from pathlib import Path

from solders.keypair import Keypair

from app.seeding import seed_merchant
from chain.fee_payer import KeyFileFeePayer
from tests.bench import ground
from tests.bench.figures import Figure, Target, figure_of_count, figure_of_ratio
from tests.house import free_port, make_settings

WALLETS = 40
# One shop and one address ask for more than a day of any shop.
UNLIMITED = {
    "issued_wallet_max": 10**6,
    "issued_network_max": 10**6,
    "issued_shop_max": 10**6,
    "spend_shop_lamports_max": 10**15,
    "spend_lamports_max": 10**15,
}


async def measure_request() -> list[Figure]:
    with ground.folder() as data:
        async with ground.database(data) as dsn:
            result = await run_request_process(dsn, data)
    ours, server, bare, hot = (result[name] for name in ("ours", "server", "bare", "hot"))
    whole = [mine + its for mine, its in zip(ours, server, strict=True)]
    return [
        figure_of_ratio(
            "transaction request, warm: time in Settle / bare build in between",
            ours,
            bare,
            Target(2),
            note=f"{min(ours):.0f} us / {min(bare):.0f} us",
        ),
        figure_of_ratio("  the same / bare build in a loop", ours, hot, note=f"{min(hot):.0f} us"),
        figure_of_ratio(
            "  with the HTTP server's part / bare build in between", whole, bare, note=f"{min(whole):.0f} us"
        ),
        figure_of_count(
            "RPC calls per warm transaction request",
            result["rpc"],
            Target(1),
            note=f"beside them 1 to TRM and {max(result['queries']):.0f} queries",
        ),
    ]


async def run_request_process(dsn: str, data: Path, *, rounds: int = 15) -> dict[str, list[float]]:
    """What request_process.py measured."""
    port, known, result = free_port(), data / "outside.json", data / "result.json"
    addresses = {"rpc_urls": f"http://127.0.0.1:{port}/rpc", "trm_url": f"http://127.0.0.1:{port}"}
    settings = make_settings(dsn, data, **addresses, **UNLIMITED)
    await seed_merchant(settings)
    merchant = json.loads(settings.seed_merchant)["wallet"]
    wallets = [str(Keypair().pubkey()) for _ in range(WALLETS)]
    fee_payer = str(KeyFileFeePayer.load(settings.fee_payer).address)
    world = {"mint": settings.usdc_mint, "merchant": merchant, "wallets": wallets, "fee_payer": fee_payer}
    known.write_text(json.dumps(world))
    log, request_log = data / "outside.log", data / "request.log"
    environment = ground.environment_of(settings)
    with ground.process(ground.module("tests.bench.outside", str(port), str(known)), environment, log) as running:
        await ground.wait_for_port(port, running, log)
        # Of its own, for its logs are written as in production, and to its own standard output.
        command = ground.module("tests.bench.request_process", str(known), str(result), str(rounds))
        with request_log.open("wb") as output:
            ended = await asyncio.create_subprocess_exec(*command, env=environment, stdout=output, stderr=output)
            await ended.wait()
    if ended.returncode:
        raise RuntimeError(f"the measuring process failed:\n{request_log.read_text()[-3000:]}")
    measured: dict[str, list[float]] = json.loads(result.read_text())
    return measured
