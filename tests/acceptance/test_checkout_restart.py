"""The page outlives its server: killed and started again, it goes on where it was."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import async_playwright, expect

from tests.customers import PATIENCE_MS, launch, thanks
from tests.sandbox_process import Program, Sandbox, make_folder, run_settle, wait

# A busy machine takes its time to start a process.
START_SECONDS = 60


@pytest.fixture
def folder() -> Iterator[Path]:
    yield from make_folder()


async def test_the_page_goes_on_after_its_server_was_killed(folder: Path, chromium: str) -> None:
    sandbox = Sandbox(folder / "data")
    programs: list[Program] = []
    try:
        sandbox.begin("--slot-ms", "50")
        assert run_settle("migrate", environment=sandbox.environment()).returncode == 0
        door, worker = Program("serve", sandbox), Program("worker", sandbox)
        programs += [door, worker]
        for program in programs:
            program.start()
        health = f"http://127.0.0.1:{sandbox.ports[1]}/health"
        wait(lambda: _answers(health), "the door answers", seconds=START_SECONDS)
        checkout = sandbox.call("POST", "/sandbox/checkouts", {"amount": "12.34"})
        async with async_playwright() as playwright:
            browser = await launch(playwright, chromium)
            page = await browser.new_page()
            await page.goto(checkout["redirect_url"])
            await expect(page.locator("main")).to_have_attribute("data-stage", "waiting", timeout=PATIENCE_MS)
            door.end(signal.SIGKILL)
            await expect(page.locator("#trouble")).to_contain_text("lost its connection", timeout=PATIENCE_MS)
            door.start()
            await expect(page.locator("#trouble")).to_be_empty(timeout=START_SECONDS * 1000)
            _pay(sandbox, checkout)
            await page.wait_for_url(thanks(), timeout=PATIENCE_MS)
            await expect(page.locator("body")).to_contain_text(re.compile("thank", re.IGNORECASE))
            await browser.close()
    finally:
        for program in programs:
            program.close()
        sandbox.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _pay(sandbox: Sandbox, checkout: dict[str, Any]) -> None:
    wallet = sandbox.call("POST", "/sandbox/wallets", {"usdc": "100"})["address"]
    payment = checkout["redirect_url"].rpartition("/")[2]
    link = f"solana:http://127.0.0.1:{sandbox.ports[1]}/transactions/payment/{payment}"
    sandbox.call("POST", f"/sandbox/wallets/{wallet}/pay", {"link": link})
