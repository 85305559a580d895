"""Takes a picture of every page: `make screenshots` starts a sandbox of its own, walks through it, and stops it.

All are in `.screenshots/`; README.md has those of docs/images, which are replaced.
"""

import shutil
import sys
import tempfile
import time

from playwright.sync_api import sync_playwright

from scripts.screenshots.camera import Camera
from scripts.screenshots.checkout import walk_checkout, walk_late_checkout
from scripts.screenshots.portal import walk_extremes, walk_portal
from scripts.screenshots.world import ROOT, open_world

PICTURES = ROOT / ".screenshots"
SHOWN = ROOT / "docs" / "images"


def main(chromium: str) -> None:
    began = time.monotonic()
    shutil.rmtree(PICTURES, ignore_errors=True)
    with tempfile.TemporaryDirectory() as data, open_world(data) as world, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        camera = Camera(browser, PICTURES, SHOWN)
        walk_checkout(camera, world)
        walk_portal(camera, world)
        world.mend()
        walk_extremes(camera, world)
        walk_late_checkout(camera, world)
        browser.close()
    print(f"{len(list(PICTURES.iterdir()))} pictures in {PICTURES}, after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium")
