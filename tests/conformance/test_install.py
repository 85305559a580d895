"""Section 6 of the facts about Shopify: OAuth, tokens, scopes; a test for each of its sentences that binds the app."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import pytest_asyncio

from app.records import Merchant
from app.shopify.tokens import TokenUnavailable
from app.upkeep import Upkeep
from tests.box import Box, open_box, open_browser
from tests.house import CLIENT_ID, CLIENT_SECRET, SHOP, House, make_settings, open_house
from tests.unit.app.test_signature import sign
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(make_settings(database_url, tmp_path)) as opened:
        yield opened


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path, upkeep_seconds=86_400) as opened:
        yield opened


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with open_browser() as opened:
        yield opened


def signed(house: House, seconds: int = 0, secret: str = CLIENT_SECRET, **more: str) -> str:
    """The query with which Shopify sends a merchant."""
    stamp = int(house.system.clock.now().timestamp()) + seconds
    given = {"shop": SHOP, "timestamp": str(stamp), "host": "c2FuZGJveA", **more}
    text = "&".join(f"{name}={value}" for name, value in sorted(given.items()))
    return urlencode(given | {"hmac": sign(text, secret)})


async def install(house: House, query: str) -> httpx.Response:
    return await house.public.get(f"/install?{query}")


async def merchant(box: Box, shop: str = SHOP) -> Any:
    [row] = await box.house.rows("SELECT * FROM merchants WHERE shop = $1", shop)
    return row


async def test_the_app_url_leads_to_the_shops_authorize_page_with_all_that_it_wants(house: House) -> None:
    """Section 6, flow 1 and 2: shop, timestamp, hmac and host; client_id, scope, redirect_uri, state, offline grant."""
    answer = await install(house, signed(house))
    assert answer.status_code in (302, 303)
    url = urlsplit(answer.headers["location"])
    assert url.path.endswith(f"{SHOP}/admin/oauth/authorize")
    asked = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    assert (asked["client_id"], asked["grant_options[]"]) == (CLIENT_ID, "")
    assert asked["redirect_uri"] == f"{house.settings.public_url}/redirect"
    assert set(asked["scope"].split(",")) == {"write_payment_gateways", "write_payment_sessions"}
    assert len(asked["state"]) >= 32


async def test_the_scope_is_left_out_where_the_apps_configuration_names_it(database_url: str, tmp_path: Path) -> None:
    """Section 6, flow 2: scope is omitted if managed in TOML."""
    async with open_house(make_settings(database_url, tmp_path, shopify_ask_scopes="false")) as house:
        answer = await install(house, signed(house))
        assert "scope" not in parse_qs(urlsplit(answer.headers["location"]).query)


async def test_the_hmac_is_over_all_parameters_but_itself_and_the_legacy_signature_sorted(house: House) -> None:
    """Section 6, HMAC rule: unknown parameters are signed like the others."""
    assert (await install(house, signed(house, zzz="last", aaa="first"))).status_code == 303
    assert (await install(house, signed(house) + "&signature=legacy")).status_code == 303
    assert (await install(house, signed(house) + "&zzz=added")).status_code == 401
    assert (await install(house, signed(house, secret="another"))).status_code == 401


async def test_a_request_older_or_newer_than_ninety_seconds_is_refused(house: House) -> None:
    """Section 6, HMAC rule: timestamp freshness of +-90 s."""
    for seconds, status in ((-85, 303), (85, 303), (-95, 401), (95, 401)):
        assert (await install(house, signed(house, seconds))).status_code == status


async def test_the_name_of_the_shop_is_checked_from_its_first_to_its_last_character(house: House) -> None:
    """Section 6, shop check: fully anchored, unlike that of an app of old."""
    for shop in ("evil.com/x.myshopify.com", "x.myshopify.com.evil.com", "x.myshopify.com\n", "myshopify.com"):
        assert (await install(house, signed(house, shop=shop))).json()["reason"] == "shop_invalid"


async def test_the_state_is_bound_to_the_browser_by_a_cookie_and_cleared_after_use(
    box: Box, browser: httpx.AsyncClient
) -> None:
    """Section 6, state and flow 4: against the cookie, single use, SameSite=Lax."""
    begun = await browser.get(f"{box.world.url}/sandbox/admin/app", follow_redirects=False)
    consent = await browser.get(begun.headers["location"], follow_redirects=False)
    cookie = consent.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    back = (await browser.get(consent.headers["location"], follow_redirects=False)).headers["location"]
    state = browser.cookies["settle_state"]
    assert (await box.house.public.get(back)).json()["reason"] == "state_invalid"
    done = await browser.get(back, follow_redirects=False)
    assert done.headers["location"] == "/portal"
    assert any(line.startswith("settle_state=") and "Max-Age=0" in line for line in done.headers.get_list("set-cookie"))
    again = await box.house.public.get(back, headers={"Cookie": f"settle_state={state}"})
    assert again.json()["reason"] == "state_invalid"


async def test_tokens_end_after_an_hour_and_refresh_tokens_after_ninety_days(
    box: Box, browser: httpx.AsyncClient
) -> None:
    """Section 6, expiring offline tokens: `expiring=1` is sent, so both ends are known, and scopes are kept."""
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    row = await merchant(box)
    now = box.house.system.clock.now()
    assert timedelta(minutes=59) < row["token_expires_at"] - now <= timedelta(hours=1)
    assert timedelta(days=89) < row["refresh_expires_at"] - now <= timedelta(days=90)
    assert set(row["scopes"].split(",")) == {"write_payment_gateways", "write_payment_sessions"}


async def test_a_refresh_gives_a_new_access_and_a_new_refresh_token_and_both_are_kept(
    box: Box, browser: httpx.AsyncClient
) -> None:
    """Section 6, refresh: a new access and refresh token; the one before keeps working until the new one is used."""
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    tokens, open_sealed = box.house.system.tokens, box.house.system.keyring.open
    first = await merchant(box)
    await box.advance(3_600)
    # The answer is lost twice, and asked for again with the same refresh token.
    await box.fault("oauth", "lost_answer", times=2)
    for _ in range(2):
        with pytest.raises(TokenUnavailable):
            await tokens.current(Merchant.from_row(await merchant(box)))
    token = await tokens.current(Merchant.from_row(await merchant(box)))
    second = await merchant(box)
    assert open_sealed(second["token_sealed"]) == token
    for name in ("token_sealed", "refresh_sealed"):
        assert open_sealed(first[name]) != open_sealed(second[name])


async def test_a_token_that_never_ends_is_migrated_without_the_merchant(box: Box) -> None:
    """Section 6, migration: the token-exchange grant."""
    assert (await merchant(box))["token_expires_at"] is None
    await Upkeep(box.house.system).look()
    assert (await merchant(box))["token_expires_at"] is not None


async def test_a_shop_idle_for_ninety_days_still_has_its_access(box: Box, browser: httpx.AsyncClient) -> None:
    """Section 6: shops idle for more than 90 days need a keep-alive refresh."""
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    for _ in range(4):
        await box.advance(31 * 86_400)
        await Upkeep(box.house.system).look()
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "completed")


async def test_each_try_of_a_mutation_has_a_fresh_token(box: Box, browser: httpx.AsyncClient) -> None:
    """Section 6: a retry queue of 24 hours must fetch a fresh token per attempt, as a token lives for one."""
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    await box.fault("shopify", "status", value=503, times=2)
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    for tries in (1, 2):

        async def tried(tries: int = tries) -> bool:
            return bool(await box.house.rows("SELECT FROM jobs WHERE status = 'waiting' AND attempts = $1", tries))

        await wait_until(tried, 10, f"{tries} tries failed")
        await box.advance(3_700)
    await box.until_status(checkout, "completed")
    calls = await box.house.rows("SELECT http_status FROM shopify_calls ORDER BY id")
    assert [call["http_status"] for call in calls] == [503, 503, 200]


def test_no_other_api_of_shopifys_is_called() -> None:
    """Section 0, 2 (App Store requirement 5.2.4): only the Payments Apps API, OAuth, and the mandatory webhooks."""
    called = set()
    for path in (ROOT / "app").rglob("*.py"):
        if "sandbox" not in path.parts:
            called |= set(re.findall(r"/(?:admin|payments_apps|services)/[a-z_]+", path.read_text()))
    assert called <= {"/payments_apps/api", "/admin/oauth", "/services/payments_partners"}


async def test_the_portal_is_a_page_of_its_own_and_never_framed(house: House) -> None:
    """Section 0, 2 (5.2.5): a payments app is standalone, not embedded."""
    async with house.portal() as client:
        page = await client.get("/portal")
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
