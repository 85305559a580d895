"""The first view of the checkout page in Chromium: what goes over the wire, and how soon it stands on a slow phone."""

import shutil
from typing import Any

import httpx
from playwright.async_api import Browser, async_playwright

from tests.bench import ground
from tests.bench.figures import Figure, Target, figure_of_count
from tests.conftest import CHROMIUM_NAMES
from tests.house import House, make_settings, open_house, session_body

ROUNDS = 5
BYTES_MAX = 60_000
# What Lighthouse calls a slow phone: 150 ms there and back, 1.6 Mbit/s down, a processor four times slower.
NETWORK = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}
SLOWER = 4

_OBSERVE = """
window.seen = { lcp: 0, shift: 0, blocked: 0 };
const watch = (type, take) =>
  new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
watch("largest-contentful-paint", (entry) => (window.seen.lcp = entry.startTime));
watch("layout-shift", (entry) => (window.seen.shift += entry.value));
watch("longtask", (entry) => (window.seen.blocked += Math.max(0, entry.duration - 50)));
"""
_READ = """() => ({ ...window.seen,
  painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
  interactive: performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd })"""


async def measure_first_view() -> list[Figure]:
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if chromium is None:
        raise RuntimeError("Chromium is needed to measure the first view")
    with ground.folder() as data:
        async with (
            ground.database(data) as dsn,
            open_house(make_settings(dsn, data, snapshot_refresh_ms=60_000)) as house,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=chromium)
            views = [await _look(house, browser) for _ in range(ROUNDS)]
            await browser.close()
    middle = sorted(views, key=lambda view: view["painted"])[ROUNDS // 2]
    times = ", ".join(
        f"{name} {middle[key]:.0f} ms"
        for name, key in (("largest paint", "lcp"), ("script ready", "interactive"), ("blocked", "blocked"))
    )
    return [
        figure_of_count("first view of the page: bytes on the wire", [v["bytes"] for v in views], Target(BYTES_MAX)),
        Figure("  requests", middle["requests"], middle["requests"]),
        Figure("  first paint on a slow phone, ms", middle["painted"], min(v["painted"] for v in views), note=times),
        figure_of_count("  layout shift", [v["shift"] for v in views], Target(0)),
    ]


async def _look(house: House, browser: Browser) -> dict[str, float]:
    """One customer's first visit, with nothing kept from before."""
    session = await house.post_session(session_body())
    context = await browser.new_context(viewport={"width": 375, "height": 812}, device_scale_factor=2, has_touch=True)
    page = await context.new_page()
    await page.add_init_script(_OBSERVE)
    log = await context.new_cdp_session(page)
    sizes: list[float] = []
    log.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    await log.send("Network.enable")
    await log.send("Network.emulateNetworkConditions", NETWORK)
    await log.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    path = httpx.URL(session.json()["redirect_url"]).path
    await page.goto(f"{house.settings.public_url}{path}")
    # The stream has told its first status: everything is there.
    await page.wait_for_function("performance.getEntriesByType('resource').length >= 6")
    await page.wait_for_timeout(1_000)
    seen: dict[str, Any] = await page.evaluate(_READ)
    await context.close()
    return {**seen, "bytes": sum(sizes), "requests": len(sizes)}
