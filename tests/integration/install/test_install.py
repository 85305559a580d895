"""The way in from Shopify: through its consent, for the browser that began it, once, and to nowhere but the portal."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.box import Box
from tests.house import SHOP
from tests.unit.app.test_signature import sign

NEW_SHOP = "new-shop.myshopify.com"


def admin(box: Box, shop: str = SHOP) -> str:
    return f"{box.world.url}/sandbox/admin/app?shop={shop}"


async def merchant(box: Box, shop: str = SHOP) -> Any:
    [row] = await box.house.rows("SELECT * FROM merchants WHERE shop = $1", shop)
    return row


def opened(box: Box, row: Any) -> str:
    return box.house.system.keyring.open(row["token_sealed"])


async def step(browser: httpx.AsyncClient, url: str) -> httpx.Response:
    return await browser.get(url, follow_redirects=False)


async def walk_to_redirect(box: Box, browser: httpx.AsyncClient, shop: str = SHOP) -> str:
    """Go as far as the consent, and return the address that it sends the browser back to."""
    to_install = await step(browser, admin(box, shop))
    to_consent = await step(browser, to_install.headers["location"])
    assert to_consent.status_code == 303, to_consent.text
    back = await step(browser, to_consent.headers["location"])
    return back.headers["location"]


async def test_the_demo_merchant_ends_signed_in_at_the_portal(box: Box, browser: httpx.AsyncClient) -> None:
    page = await browser.get(admin(box))
    assert (page.status_code, page.url.path) == (200, "/portal")
    assert SHOP in page.text
    assert set((await browser.get(f"{box.house.settings.public_url}/portal/api/session")).json()) == {"csrf"}
    row = await merchant(box)
    assert (row["status"], row["uninstalled_at"]) == ("active", None)
    assert row["refresh_sealed"] is not None
    assert row["token_expires_at"] is not None


async def test_a_new_shop_is_installed_with_no_wallet_and_takes_no_payments_yet(
    box: Box, browser: httpx.AsyncClient
) -> None:
    page = await browser.get(admin(box, NEW_SHOP))
    assert page.url.path == "/portal"
    row = await merchant(box, NEW_SHOP)
    assert (row["status"], row["wallet"], row["display_name"]) == ("inactive", None, "new-shop")
    assert set(row["scopes"].split(",")) == {"write_payment_gateways", "write_payment_sessions"}
    events = await box.house.rows("SELECT kind FROM events WHERE record = 'merchant' ORDER BY id")
    assert [event["kind"] for event in events] == ["created", "signed_in"]
    answer = await box.outside.post(
        "/sandbox/checkouts",
        json={"amount": "1.00", "currency": "USD", "options": {"headers": {"Shopify-Shop-Domain": NEW_SHOP}}},
    )
    assert answer.json()["body"]["reason"] == "merchant_inactive"


async def test_the_token_works_and_is_sealed(box: Box, browser: httpx.AsyncClient) -> None:
    await browser.get(admin(box, NEW_SHOP))
    row = await merchant(box, NEW_SHOP)
    token = opened(box, row)
    assert token.encode() not in bytes(row["token_sealed"])
    answer = await box.house.system.shopify.send(
        NEW_SHOP, token, "2026-10", "paymentsAppConfigure", {"externalHandle": "x", "ready": False}
    )
    assert answer.status == 200


async def test_the_consent_is_asked_for_what_shopify_wants_to_be_asked(box: Box, browser: httpx.AsyncClient) -> None:
    to_install = await step(browser, admin(box))
    consent = await step(browser, to_install.headers["location"])
    asked = {name: values[-1] for name, values in parse_qs(urlsplit(consent.headers["location"]).query, True).items()}
    assert asked.pop("state") == browser.cookies["settle_state"]
    assert asked == {
        "client_id": box.house.settings.shopify_client_id,
        "scope": "write_payment_gateways,write_payment_sessions",
        "redirect_uri": f"{box.house.settings.public_url}/redirect",
        "grant_options[]": "",
    }
    cookie = consent.headers["set-cookie"]
    for mark in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert mark in cookie


async def test_a_link_that_shopify_did_not_sign_now_leads_nowhere(box: Box, browser: httpx.AsyncClient) -> None:
    for fault, value, reason in (
        ("wrong_hmac", None, "signature_invalid"),
        ("stale", 3_600, "request_stale"),
        ("stale", -3_600, "request_stale"),
    ):
        # At the door, and at the way back.
        await box.fault("oauth", fault, value=value, times=1)
        page = await browser.get(admin(box))
        assert page.status_code == 401
        assert "could not be signed in" in page.text
        to_install = (await step(browser, admin(box))).headers["location"]
        to_consent = (await step(browser, to_install)).headers["location"]
        await box.fault("oauth", fault, value=value, times=1)
        back = (await step(browser, to_consent)).headers["location"]
        answer = await browser.get(back, headers={"Accept": "*/*"})
        assert (answer.status_code, answer.json()["reason"]) == (401, reason)
    assert await box.house.rows("SELECT FROM portal_sessions") == []


async def test_a_padded_host_may_be_signed_either_way(box: Box, browser: httpx.AsyncClient) -> None:
    for value in (None, "plain"):
        await box.mend()
        await box.fault("oauth", "padded_host", value=value)
        assert (await browser.get(admin(box))).url.path == "/portal"


SHOPS_OF_OTHERS = (
    "evil.com/x.myshopify.com",
    "evil.com#.myshopify.com",
    "x.myshopify.com.evil.com",
    "x.myshopify.com/../..",
    "x.myshopify.com\n",
    "\nx.myshopify.com",
    "x.myshopify.com@evil.com",
    "-x.myshopify.com",
    ".myshopify.com",
    "myshopify.com",
    "x.y.myshopify.com",
    "x_myshopify.com",
    "xn--é.myshopify.com",
    "",
)


async def test_only_shops_at_shopify_are_gone_to_however_well_signed(box: Box) -> None:
    """Signed with our own secret, so that only the name decides."""
    for shop in SHOPS_OF_OTHERS:
        now = box.house.system.clock.now()
        given = {"shop": shop, "timestamp": str(int(now.timestamp())), "host": "aG9zdA"}
        text = "&".join(f"{name}={value}" for name, value in sorted(given.items()))
        query = urlencode(given | {"hmac": sign(text, box.house.settings.shopify_client_secrets[0])})
        answer = await box.house.public.get(f"/install?{query}")
        assert (answer.status_code, answer.json()["reason"]) == (400, "shop_invalid"), shop


async def test_nothing_in_a_request_decides_where_the_browser_goes_in_the_end(
    box: Box, browser: httpx.AsyncClient
) -> None:
    back = await walk_to_redirect(box, browser)
    evil = urlencode({"return_to": "https://evil.example", "redirect": "//evil.example", "host": "evil.example"})
    # Unsigned additions are refused, and headers are not believed.
    assert (await step(browser, f"{back}&{evil}")).status_code in (400, 401)
    answer = await browser.get(
        back, headers={"X-Forwarded-Host": "evil.example", "Referer": "https://evil.example"}, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal")


async def test_the_way_back_works_once(box: Box, browser: httpx.AsyncClient) -> None:
    back = await walk_to_redirect(box, browser)
    state = browser.cookies["settle_state"]
    assert (await step(browser, back)).status_code == 303
    # Even with the cookie put back by hand.
    again = await box.house.public.get(back, headers={"Cookie": f"settle_state={state}"})
    assert (again.status_code, again.json()["reason"]) == (403, "state_invalid")


async def test_the_way_back_works_in_the_browser_that_began_it_and_for_its_shop_only(
    box: Box, browser: httpx.AsyncClient
) -> None:
    back = await walk_to_redirect(box, browser)
    # The victim of a planted link: no cookie, or that of a sign-in of its own.
    async with httpx.AsyncClient() as victim:
        assert (await victim.get(back)).json()["reason"] == "state_invalid"
        await walk_to_redirect(box, victim)
        assert (await victim.get(back)).json()["reason"] == "state_invalid"
        other = await walk_to_redirect(box, victim, NEW_SHOP)
        state = parse_qs(urlsplit(other).query)["state"][0]
        swapped = {name: values[-1] for name, values in parse_qs(urlsplit(back).query).items()} | {"state": state}
        del swapped["hmac"]
        text = "&".join(f"{name}={value}" for name, value in sorted(swapped.items()))
        query = urlencode(swapped | {"hmac": sign(text, box.house.settings.shopify_client_secrets[0])})
        answer = await victim.get(f"{box.house.settings.public_url}/redirect?{query}")
        assert answer.json()["reason"] == "state_invalid"
    # Nobody was signed in, and the browser that began it still can be.
    assert await box.house.rows("SELECT FROM portal_sessions") == []
    assert (await step(browser, back)).status_code == 303


async def test_a_merchant_who_takes_too_long_begins_anew(box: Box, browser: httpx.AsyncClient) -> None:
    to_install = (await step(browser, admin(box))).headers["location"]
    to_consent = (await step(browser, to_install)).headers["location"]
    await box.advance(601)
    back = (await step(browser, to_consent)).headers["location"]
    answer = await browser.get(back, headers={"Accept": "*/*"})
    assert answer.json()["reason"] == "state_invalid"
    assert (await browser.get(admin(box))).url.path == "/portal"


async def test_without_consent_scopes_or_token_nothing_is_installed(box: Box, browser: httpx.AsyncClient) -> None:
    for fault, reason in (
        ("denied", "consent_missing"),
        ("missing_scope", "scopes_missing"),
        ("refuse", "grant_refused"),
    ):
        await box.fault("oauth", fault)
        back = await walk_to_redirect(box, browser, NEW_SHOP)
        answer = await browser.get(back, headers={"Accept": "*/*"})
        assert answer.json()["reason"] == reason
        assert await box.house.rows("SELECT FROM merchants WHERE shop = $1", NEW_SHOP) == []
        assert await box.house.rows("SELECT FROM portal_sessions") == []
        await box.mend()
    assert (await browser.get(admin(box, NEW_SHOP))).url.path == "/portal"


async def test_shopify_in_trouble_is_said_so_and_the_next_try_works(box: Box, browser: httpx.AsyncClient) -> None:
    for fault in ("status", "drop", "broken_json", "lost_answer"):
        await box.fault("oauth", fault, times=1)
        page = await browser.get(admin(box, NEW_SHOP))
        assert page.status_code == 503, fault
        assert "Please try again" in page.text
        assert (await browser.get(admin(box, NEW_SHOP))).url.path == "/portal"


async def test_a_token_that_never_ends_is_taken_too(box: Box, browser: httpx.AsyncClient) -> None:
    await box.fault("oauth", "no_expiry")
    assert (await browser.get(admin(box, NEW_SHOP))).url.path == "/portal"
    row = await merchant(box, NEW_SHOP)
    assert (row["token_expires_at"], row["refresh_sealed"]) == (None, None)


async def test_signing_in_at_once_from_many_browsers_leaves_the_token_that_shopify_takes(box: Box) -> None:
    """Each sign-in revokes the token of the one before; what is stored last must be what Shopify gave last."""

    async def sign_in() -> int:
        async with httpx.AsyncClient(follow_redirects=True, timeout=30) as client:
            return (await client.get(admin(box))).status_code

    assert set(await asyncio.gather(*(sign_in() for _ in range(12)))) == {200}
    row = await merchant(box)
    answer = await box.house.system.shopify.send(
        SHOP, opened(box, row), "2026-10", "paymentsAppConfigure", {"externalHandle": "x", "ready": True}
    )
    assert answer.status == 200
    assert await box.house.rows("SELECT FROM oauth_states") == []


async def test_no_token_secret_state_or_code_is_in_the_log(
    box: Box, browser: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    back = await walk_to_redirect(box, browser)
    given = parse_qs(urlsplit(back).query)
    await step(browser, back)
    row = await merchant(box)
    refresh = box.house.system.keyring.open(row["refresh_sealed"])
    written = "".join(capsys.readouterr())
    assert "shop_signed_in" in written
    for secret in (
        given["code"][0],
        given["state"][0],
        given["hmac"][0],
        opened(box, row),
        refresh,
        browser.cookies["settle_session"],
        box.house.settings.shopify_client_secrets[0],
    ):
        assert secret not in written
