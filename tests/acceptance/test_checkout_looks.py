"""How the checkout page looks and weighs: barriers, sizes, movement, languages, and a code that cameras can read."""

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from app.languages.reader import Language
from app.languages.sentences import translate
from tests.accessibility import find_barriers
from tests.customers import PATIENCE_MS, BrowserWallet, Counter, thanks

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSQR = Path(__file__).resolve().parents[2] / ".node" / "node_modules" / "jsqr" / "dist" / "jsQR.js"
WEIGHT_MAX = 60_000
QR_SIDE_MIN = 240

# Every movement that the browser itself notices, from the beginning of the page.
_WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  const name = ({ node }) => String(node?.id || node?.className || node?.nodeName);
  for (const entry of list.getEntries()) window.shifts.push([entry.value, ...entry.sources.map(name)]);
}).observe({ type: "layout-shift", buffered: true });
"""
# What lies outside the window to the right, or is cut off where it may not be scrolled to.
_OVERFLOWS = """() => [...document.querySelectorAll("main *")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.width > 0 && box.right > innerWidth + 0.5 && !one.closest(".link, [hidden], .copy span, dialog");
}).map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_keeps_anybody_from_using_any_stage(counter: Counter, scheme: str) -> None:
    checkout = await counter.checkout("20.00")
    other = await counter.checkout("20.00", group=checkout["group"])
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": 375, "height": 800}}
    page, second = await counter.open(checkout, **options), await counter.open(other, **options)
    assert await find_barriers(page) == []
    _, refused = await counter.fetch(checkout, usdc="1")
    assert refused.status_code == 422
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await find_barriers(page) == []
    wallet, fetched = await counter.fetch(checkout)
    await expect(page.locator("main")).to_have_attribute("data-stage", "approve")
    assert await find_barriers(page) == []
    await counter.box.fault("shopify", "status", value=503, times=1)
    await counter.send(wallet, fetched)
    await expect(page.locator("main")).to_have_attribute("data-stage", "paid")
    assert await find_barriers(page) == []
    await counter.box.mend()
    await expect(second.locator("main")).to_have_attribute("data-stage", "already_paid")
    assert await find_barriers(second) == []
    await counter.box.advance(30)
    await page.wait_for_url(thanks())
    unknown = await counter.page(**options)
    await unknown.goto(f"{counter.box.house.settings.public_url}/pay/nothing")
    assert await find_barriers(unknown) == []
    counter.strays.clear()  # the browser tells of the 404


@pytest.mark.parametrize(
    ("width", "height", "scale"), [(320, 640, 1), (640, 430, 2), (375, 812, 2), (1280, 860, 1)], ids=str
)
@pytest.mark.parametrize("language", ["de", "fr", "ja"])
async def test_everything_fits_on_small_screens_and_at_double_size(
    counter: Counter, width: int, height: int, scale: int, language: str
) -> None:
    """A window of 1280 pixels at 200 % is one of 640 with two device pixels for each."""
    checkout = await counter.checkout("123456.78", "EUR", locale=language)
    page = await counter.open(
        checkout, viewport={"width": width, "height": height}, device_scale_factor=scale, has_touch=width < 700
    )
    await expect(page.locator("#usdc")).not_to_be_empty()
    assert await page.evaluate(_OVERFLOWS) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await counter.fetch(checkout, usdc="1")
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate("(({ scrollHeight, clientHeight }) => scrollHeight - clientHeight)(notice)") <= 0


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_camera_reads_the_code_off_the_screen(counter: Counter, scheme: str, width: int) -> None:
    checkout = await counter.checkout()
    page = await counter.open(checkout, color_scheme=scheme, viewport={"width": width, "height": 700})
    code = await page.locator("#qr svg").bounding_box()
    assert code is not None
    assert min(code["width"], code["height"]) >= QR_SIDE_MIN
    picture = await page.locator("#qr").screenshot()
    assert await _read_qr(page, picture) == checkout["link"]


async def test_a_phone_is_offered_its_wallet_before_the_code_that_only_another_device_can_scan(
    counter: Counter,
) -> None:
    page = await counter.open(
        await counter.checkout(), viewport={"width": 375, "height": 660}, has_touch=True, is_mobile=True
    )
    button, code = page.get_by_role("link", name="Open in wallet"), page.locator("#qr")
    await expect(button).to_be_in_viewport(ratio=1)
    above, below = await button.bounding_box(), await code.bounding_box()
    assert above is not None
    assert below is not None
    assert above["y"] + above["height"] <= below["y"]


async def _read_qr(page: Page, picture: bytes) -> str | None:
    """What a reader of QR codes finds in a picture, in a page of its own."""
    reader = await page.context.new_page()
    # Its own value would be taken for a function to call.
    await reader.evaluate(f"{JSQR.read_text()}; 0")
    found: str | None = await reader.evaluate(
        """async (encoded) => {
          const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${encoded}`)).blob());
          const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), context = canvas.getContext("2d");
          context.drawImage(bitmap, 0, 0);
          const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
          return jsQR(data, width, height)?.data ?? null;
        }""",
        base64.b64encode(picture).decode(),
    )
    await reader.close()
    return found


@pytest.mark.parametrize("width", [375, 1280])
async def test_nothing_moves_when_a_stage_a_wallet_or_a_refusal_arrives(counter: Counter, width: int) -> None:
    page = await counter.page(viewport={"width": width, "height": 1000})
    await page.add_init_script(_WATCH_SHIFTS)
    await BrowserWallet(counter.box, "A Wallet With Quite a Long Name").put_into(page, late=True)
    checkout = await counter.checkout("20.00", locale="de")
    await page.goto(checkout["redirect_url"])
    await expect(page.locator("#wallet-pay")).to_be_visible()
    await counter.fetch(checkout, usdc="1")
    await expect(page.get_by_role("alert")).to_be_visible()
    wallet, fetched = await counter.fetch(checkout)
    await expect(page.locator("main")).to_have_attribute("data-stage", "approve")
    await counter.box.fault("shopify", "status", value=503, times=1)
    await counter.send(wallet, fetched)
    await expect(page.locator("main")).to_have_attribute("data-stage", "paid")
    assert await page.evaluate("window.shifts") == []
    await counter.box.mend()
    await counter.box.advance(30)
    await expect(page.locator("main")).to_have_attribute("data-stage", "done", timeout=PATIENCE_MS)
    assert await page.evaluate("window.shifts") == []


async def test_the_first_view_is_light_and_asks_nobody_else(counter: Counter) -> None:
    """Everything on the wire, headers included, as the browser's own network log counts it."""
    page = await counter.page()
    log = await page.context.new_cdp_session(page)
    await log.send("Network.enable")
    sizes: dict[str, float] = {}
    urls: dict[str, str] = {}
    log.on("Network.requestWillBeSent", lambda event: urls.update({event["requestId"]: event["request"]["url"]}))
    log.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    checkout = await counter.checkout("1234.56", "EUR", locale="ja")
    await page.goto(checkout["redirect_url"])
    await expect(page.locator("#qr svg")).to_be_visible()
    await page.wait_for_function("performance.getEntriesByType('resource').length >= 6")
    files = {url.rpartition("/")[2] for url in urls.values()}
    assert {"settle.css", "pay.js", "live.js", "wallets.js", "dom.js"} <= files
    assert sum(sizes.values()) < WEIGHT_MAX
    assert all(url.startswith((counter.box.house.settings.public_url, "data:")) for url in urls.values())
    assert counter.strays == []


async def test_the_whole_flow_goes_by_keyboard_and_says_what_happens(counter: Counter) -> None:
    checkout = await counter.checkout()
    page = await counter.open(checkout)
    names = []
    for _ in range(8):
        await page.keyboard.press("Tab")
        names.append(await page.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')"))
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        if names[-1] == "Pay with the sandbox wallet":
            break
    assert names[0] == "Copy link"
    await page.evaluate(
        """() => {
          const status = document.getElementById("status");
          window.said = [];
          new MutationObserver(() => window.said.push(status.innerText))
            .observe(status, { childList: true, characterData: true, subtree: true });
        }"""
    )
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_have_attribute("data-stage", "done", timeout=PATIENCE_MS)
    said = " ".join(await page.evaluate("window.said"))
    assert "Approve in your wallet" in said
    assert "Paid" in said
    await page.wait_for_url(thanks())


async def test_whoever_wants_no_motion_gets_none(counter: Counter) -> None:
    checkout = await counter.checkout()
    page = await counter.open(checkout, reduced_motion="reduce")
    await counter.fetch(checkout)
    await expect(page.locator("main")).to_have_attribute("data-stage", "approve")
    assert await page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize("language", list(Language))
async def test_the_browser_shows_the_page_in_the_customers_language(counter: Counter, language: Language) -> None:
    page = await counter.open(await counter.checkout(locale=str(language)))
    await expect(page.locator("html")).to_have_attribute("lang", str(language))
    await expect(page.locator("#status-heading")).to_have_text(translate(language, "Scan to pay"))
    button = page.get_by_role("button", name=translate(language, "Copy link"))
    await expect(button).to_be_visible()


async def test_what_is_smuggled_into_the_page_neither_runs_nor_asks_elsewhere(counter: Counter) -> None:
    """The policy as the browser keeps it: no script in the page's text, no handler in an attribute, no other origin."""
    page = await counter.open(await counter.checkout())
    asked: list[str] = []
    await page.route("https://elsewhere.example/**", lambda route: asked.append(route.request.url) or route.abort())
    refused = await page.evaluate(
        """async () => {
          const refused = [];
          document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.smuggled = 'script'";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", `<img src="data:," onerror="window.smuggled = 'handler'">`);
          document.body.insertAdjacentHTML("beforeend", `<img src="https://elsewhere.example/pixel">`);
          await fetch("https://elsewhere.example/", { mode: "no-cors" }).catch(() => null);
          await new Promise((done) => setTimeout(done, 50));
          return refused;
        }"""
    )
    assert {"script-src-elem", "script-src-attr", "img-src", "connect-src"} <= set(refused)
    assert await page.evaluate("window.smuggled ?? null") is None
    assert asked == []
    counter.strays.clear()  # the browser tells of each
