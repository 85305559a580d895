"""Takes a page's picture as a wide screen and a phone show it, in light and in dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize

# Width -> how the browser plays that device.
DEVICES: dict[int, dict[str, Any]] = {
    1280: {"viewport": {"width": 1280, "height": 860}},
    375: {"viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True},
}
# The sandbox looks for overdue payments every 30 seconds.
PATIENCE_MS = 60_000


class Camera:
    """`folder/NAME-WIDTH.png` and `folder/NAME-WIDTH-dark.png`: the whole page.

    Of names that are in `shown` the first screen is put there anew. A device keeps its one page: who signs in stays so.
    """

    def __init__(self, browser: Browser, folder: Path, shown: Path) -> None:
        self._folder = folder
        self._shown = shown
        self._pages = {width: browser.new_context(**device).new_page() for width, device in DEVICES.items()}
        for page in self._pages.values():
            page.set_default_timeout(PATIENCE_MS)

    def take(
        self, name: str, address: str, until: str | None = None, then: Callable[[Page], object] | None = None
    ) -> None:
        """Open the address, wait until something (a selector) is seen, do something, and take the pictures."""
        for width, page in self._pages.items():
            page.goto(address)
            if until:
                page.locator(until).first.wait_for()
            if then:
                then(page)
            self._picture(page, f"{name}-{width}", DEVICES[width]["viewport"])

    def visit(self, address: str, until: str) -> None:
        """Open the address without a picture, until the page's own address is like this."""
        for page in self._pages.values():
            page.goto(address)
            page.wait_for_url(until)

    def _picture(self, page: Page, name: str, viewport: ViewportSize) -> None:
        page.emulate_media(color_scheme="light")
        if (self._shown / f"{name}.png").exists():
            page.screenshot(path=self._shown / f"{name}.png")
        # Not by the camera's own way to the whole page, which forgets that the screen can be touched.
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": viewport["width"], "height": height})
        for scheme, suffix in (("light", ""), ("dark", "-dark")):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=self._folder / f"{name}{suffix}.png")
        page.set_viewport_size(viewport)
