"""Open pages outlive their server: killed and started again, it goes on where it was, and so do they."""

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


async def test_open_pages_go_on_after_their_server_was_killed(folder: Path, chromium: str) -> None:
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
        refunded = sandbox.call("POST", "/sandbox/checkouts", {"amount": "20.00"})
        _pay(sandbox, refunded)
        wait(lambda: _state(sandbox, f"/sandbox/checkouts/{refunded['id']}") == "resolved", "the sale is resolved")
        refund = sandbox.call("POST", f"/sandbox/checkouts/{refunded['id']}/refunds", {"amount": "5.00"})
        checkout = sandbox.call("POST", "/sandbox/checkouts", {"amount": "12.34"})
        async with async_playwright() as playwright:
            browser = await launch(playwright, chromium)
            page, portal = await browser.new_page(), await browser.new_page()
            await page.goto(checkout["redirect_url"])
            await expect(page.locator("main")).to_have_attribute("data-stage", "waiting", timeout=PATIENCE_MS)
            await portal.goto(f"http://127.0.0.1:{sandbox.ports[0]}/sandbox/admin/app")
            await portal.get_by_role("link", name="Approve or deny").click(timeout=PATIENCE_MS)
            await portal.get_by_role("table").get_by_role("link", name="5.00 USD").click()
            link = await portal.get_by_role("button", name="Copy the link").get_attribute("data-copy")
            # A page whose script never came can not say anything.
            await portal.wait_for_load_state("load")
            door.end(signal.SIGKILL)
            await expect(page.locator("#trouble")).to_contain_text("lost its connection", timeout=PATIENCE_MS)
            await expect(portal.locator("#trouble")).to_contain_text("cannot be reached", timeout=PATIENCE_MS)
            door.start()
            for opened in (page, portal):
                await expect(opened.locator("#trouble")).to_be_empty(timeout=START_SECONDS * 1000)
            _pay(sandbox, checkout)
            await page.wait_for_url(thanks(), timeout=PATIENCE_MS)
            await expect(page.locator("body")).to_contain_text(re.compile("thank", re.IGNORECASE))
            # Nobody has to sign in anew.
            merchant = sandbox.call("GET", "/sandbox/merchant")["wallet"]
            sandbox.call("POST", f"/sandbox/wallets/{merchant}/pay", {"link": link})
            await expect(portal.locator(".page-head .badge").first).to_have_text("Refunded", timeout=PATIENCE_MS)
            assert _state(sandbox, f"/sandbox/refunds/{refund['id']}") == "resolved"
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


def _state(sandbox: Sandbox, path: str) -> str:
    state: str = sandbox.call("GET", path)["state"]
    return state


def _pay(sandbox: Sandbox, checkout: dict[str, Any]) -> None:
    wallet = sandbox.call("POST", "/sandbox/wallets", {"usdc": "100"})["address"]
    payment = checkout["redirect_url"].rpartition("/")[2]
    link = f"solana:http://127.0.0.1:{sandbox.ports[1]}/transactions/payment/{payment}"
    sandbox.call("POST", f"/sandbox/wallets/{wallet}/pay", {"link": link})
