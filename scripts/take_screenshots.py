"""Takes a picture of every page: `make screenshots` starts a sandbox of its own, walks through it, and stops it.

All are in `.screenshots/`; README.md has those of docs/images, which are replaced.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from scripts.checkout_screenshots import walk_checkout
from scripts.portal_screenshots import Shop, walk_portal

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / ".screenshots"
SHOWN = ROOT / "docs" / "images"
PORTS = {"--port": "21800", "--app-port": "21801", "--shopify-port": "21843"}
WORLD = f"http://127.0.0.1:{PORTS['--port']}"
SIZES = ((1280, 860), (375, 812))


def main(chromium: str) -> None:
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir()
    with tempfile.TemporaryDirectory() as data, _start_sandbox(data) as sandbox, sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=chromium)
            for width, height in SIZES:
                _walk(browser.new_page(viewport={"width": width, "height": height}), width)
            walk_checkout(browser, WORLD, PICTURES, SIZES)
            shop = Shop(WORLD)
            shop.live_a_fortnight()
            for width, height in SIZES:
                walk_portal(browser.new_page(viewport={"width": width, "height": height}), WORLD, PICTURES, width)
            browser.close()
        finally:
            sandbox.terminate()
            sandbox.wait()

    for picture in SHOWN.glob("*.png"):
        if (taken := PICTURES / picture.name).exists():
            shutil.copy(taken, picture)


def _start_sandbox(data: str) -> "subprocess.Popen[str]":
    ports = [word for pair in PORTS.items() for word in pair]
    command = [sys.executable, "-m", "handlers.cli", "sandbox", *ports, "--data", data]
    sandbox = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert sandbox.stdout is not None
    if not any(line == "ready\n" for line in sandbox.stdout):
        raise SystemExit("the sandbox did not start")
    return sandbox


def _walk(page: Page, width: int) -> None:
    page.goto(f"{WORLD}/")
    page.screenshot(path=PICTURES / f"store-{width}.png")
    page.get_by_role("button", name=re.compile("Pay with Solana")).click()
    page.locator("#qr svg").wait_for()
    page.screenshot(path=PICTURES / f"checkout-{width}.png")
    page.get_by_role("button", name="Pay with the sandbox wallet").click()
    page.wait_for_url("**/thank-you")
    page.screenshot(path=PICTURES / f"thank-you-{width}.png")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium")
