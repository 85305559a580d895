"""The public door takes whatever comes, from anybody, and never echoes it unescaped."""

import asyncio
import json
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from solders.keypair import Keypair

from tests.fuzz.inputs import MARKUP, any_text, bodies, fuzzed, judge, scalars
from tests.house import House, session_body

# Large inputs are the point.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

PLACES = (
    "/pay/{}",
    "/pay/{}/status",
    "/pay/{}/events",
    "/transactions/payment/{}",
    "/transactions/refund/{}",
    "/transactions/wallet/{}",
    "/{}",
    "/static/{}",
    "/logos/{}",
    "/portal/{}",
    "/webhooks/shopify/{}",
    "/pay/{}/{}",
)
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "PROPFIND")
ACCEPTS = ("*/*", "text/html", "application/json", "text/event-stream", MARKUP)

ids = any_text.map(lambda text: quote(text[:2_000].encode(errors="surrogatepass"), safe=""))
raw_ids = st.sampled_from(
    ("%", "%zz", "%00", "%ff%fe", "..%2f..%2f", "%2e%2e", "a;b", "a//b", "?x=%00", "#", "%0d%0aX:y")
)
accounts = st.one_of(
    scalars,
    st.builds(lambda: str(Keypair().pubkey())),
    st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", min_size=30, max_size=46),
)


@pytest_asyncio.fixture
async def payment(house: House) -> str:
    answer = await house.post_session(session_body())
    return httpx.URL(answer.json()["redirect_url"]).path.removeprefix("/pay/")


@fuzzed
@given(
    place=st.sampled_from(PLACES),
    payment_id=ids | raw_ids,
    method=st.sampled_from(METHODS),
    accept=st.sampled_from(ACCEPTS),
)
async def test_any_id_at_any_place_is_answered(
    house: House, place: str, payment_id: str, method: str, accept: str
) -> None:
    url = house.settings.public_url + place.replace("{}", payment_id)
    judge(await house.public.request(method, url, headers={"Accept": accept}))


@fuzzed
@given(body=bodies)
async def test_a_wallet_may_post_anything(house: House, payment: str, body: bytes) -> None:
    judge(await house.public.post(f"/transactions/payment/{payment}", content=body))


@fuzzed
@given(account=accounts)
async def test_a_wallet_may_name_any_account(house: House, payment: str, account: object) -> None:
    content = json.dumps({"account": account}).encode()
    answer = await house.public.post(f"/transactions/payment/{payment}", content=content)
    judge(answer)
    assert answer.status_code >= 400, "nothing can be issued without a chain"


@fuzzed
@given(
    content=st.binary(max_size=300) | st.builds(lambda tail: b"GET /health HTTP/1.1\r\n" + tail, st.binary(max_size=99))
)
async def test_bytes_that_are_no_http_end_in_an_answer_or_a_closed_connection(house: House, content: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.settings.public_port)
    writer.write(content)
    writer.write_eof()
    try:
        answer = await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        answer = b""
    writer.close()
    assert b" 500 " not in answer.split(b"\r\n")[0]
