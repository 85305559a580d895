"""The doors of install, webhooks and portal take whatever comes, signed or not: nothing breaks, nobody is let in."""

import time
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.inputs import any_text, bodies, fuzzed, judge
from tests.house import CLIENT_SECRET, SHOP, House
from tests.integration.install.test_webhooks import signature
from tests.unit.app.test_signature import sign

# Large inputs are the point.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

NAMES = ("shop", "timestamp", "hmac", "code", "state", "host", "ids[]", "error", "signature", "locale")
queries = st.dictionaries(
    st.sampled_from(NAMES) | any_text, any_text | st.sampled_from((SHOP, "0", "9" * 11)), max_size=7
)
cookies = any_text.map(lambda text: quote(text[:500].encode(errors="surrogatepass"), safe=""))
topics = st.sampled_from(
    ("app/uninstalled", "customers/redact", "customers/data_request", "shop/redact", "orders/paid", "x")
) | any_text.map(lambda text: quote(text[:200].encode(errors="surrogatepass"), safe="/"))


def encode(given: dict[str, str]) -> str:
    return urlencode({name.encode(errors="replace"): value.encode(errors="replace") for name, value in given.items()})


@fuzzed
@given(path=st.sampled_from(("/install", "/redirect")), query=queries, cookie=cookies)
async def test_any_query_is_refused_or_led_to_shopify(
    house: House, path: str, query: dict[str, str], cookie: str
) -> None:
    answer = await house.public.get(f"{path}?{encode(query)}", headers={"Cookie": f"settle_state={cookie}"})
    judge(answer)
    assert answer.status_code >= 400, "nothing of this is signed"


@fuzzed
@given(path=st.sampled_from(("/install", "/redirect")), query=queries, cookie=cookies)
async def test_any_signed_query_leads_to_that_shops_consent_and_nowhere_else(
    house: House, path: str, query: dict[str, str], cookie: str
) -> None:
    """As if Shopify had signed it, at this moment."""
    given_ones = {name: value for name, value in query.items() if name not in ("hmac", "signature", "ids[]")}
    given_ones = {
        name.encode(errors="replace").decode(): value.encode(errors="replace").decode()
        for name, value in given_ones.items()
    }
    given_ones = {name: value for name, value in given_ones.items() if not name.endswith("[]")}
    given_ones["timestamp"] = str(int(time.time()))
    text = "&".join(
        f"{quote(k, safe='*')}={quote(v, safe='*')}".replace("~", "%7E") for k, v in sorted(given_ones.items())
    )
    query_text = f"{urlencode(given_ones)}&hmac={sign(text, CLIENT_SECRET)}"
    answer = await house.public.get(f"{path}?{query_text}", headers={"Cookie": f"settle_state={cookie}"})
    judge(answer)
    if answer.status_code == 303:
        # The house's Shopify is nowhere, but has an address.
        assert path == "/install"
        assert answer.headers["location"].startswith(f"http://127.0.0.1:1/shops/{SHOP}/admin/oauth/authorize?")
    assert await house.rows("SELECT FROM portal_sessions") == []


@fuzzed
@given(topic=topics, body=bodies, is_signed=st.booleans(), names=st.lists(any_text, min_size=3, max_size=3))
async def test_any_webhook_is_stored_or_refused(
    house: House, topic: str, body: bytes, is_signed: bool, names: list[str]
) -> None:
    event_id, shop, at = (quote(name[:300].encode(errors="surrogatepass"), safe=" ") for name in names)
    headers = {
        "X-Shopify-Hmac-Sha256": signature(body, CLIENT_SECRET)
        if is_signed
        else quote(names[0][:99].encode(errors="replace")),
        "X-Shopify-Webhook-Id": event_id.strip(),
        "X-Shopify-Shop-Domain": SHOP if len(event_id) % 2 else shop.strip(),
        "X-Shopify-Triggered-At": at.strip(),
    }
    answer = await house.public.post(f"/webhooks/shopify/{topic}", content=body, headers=headers)
    judge(answer)
    assert is_signed or answer.status_code in (401, 404, 405, 413)


@fuzzed
@given(
    path=st.sampled_from(
        ("", "/api/session", "/sign-out", "/sign-out-everywhere", "/privacy", "/privacy/1", "/api/privacy")
    ),
    method=st.sampled_from(("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH")),
    cookie=cookies,
    csrf=cookies,
    body=bodies,
)
async def test_any_cookie_is_nobodys(house: House, path: str, method: str, cookie: str, csrf: str, body: bytes) -> None:
    answer = await house.public.request(
        method,
        f"/portal{path}",
        content=body,
        headers={"Cookie": f"settle_session={cookie}", "X-CSRF-Token": csrf, "Accept": "text/html"},
    )
    judge(answer)
    assert answer.status_code in (401, 404, 405)


@fuzzed
@given(
    body=bodies,
    csrf=cookies,
    content_type=st.sampled_from(("application/x-www-form-urlencoded", "application/json", "text/plain")),
)
async def test_a_signed_in_browser_may_post_anything_and_does_nothing_without_the_token(
    house: House, body: bytes, csrf: str, content_type: str
) -> None:
    async with house.portal() as client:
        right = client.headers.pop("X-CSRF-Token")
        for path in ("/portal/sign-out", "/portal/sign-out-everywhere"):
            headers = {"Content-Type": content_type}
            if len(body) % 2 and csrf:
                headers["X-CSRF-Token"] = csrf
            answer = await client.post(path, content=body, headers=headers)
            judge(answer)
            assert answer.status_code in (400, 403, 413)
        assert (await client.get("/portal/api/session")).json() == {"csrf": right}
