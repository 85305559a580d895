"""The portal's pages: only for who is signed in, only of their own shop, nothing inline and nothing from outside."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest_asyncio

from app.records import PaymentException
from tests.house import SHOP, House
from tests.multitude import fill_shop

FULL = "full.myshopify.com"
HTML = {"Accept": "text/html"}
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PATHS = (
    "/portal",
    "/portal/payments",
    "/portal/payments?status=completed&mode=live&from=2026-11-01&to=2026-11-20",
    "/portal/payments?query=group-3",
    "/portal/payments?status=rejecting",
    "/portal/find",
    "/portal/find?query=group-3",
    "/portal/find?query=nothing",
    "/portal/attention",
)


@pytest_asyncio.fixture
async def full(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a shop with payments of every status; the house's own shop has none."""
    async with house.system.database.acquire() as connection:
        await fill_shop(connection, FULL, 300, until=NOW)
    async with house.portal(FULL) as client:
        client.headers.update(HTML)
        yield client


async def ids(house: House, where: str = "true") -> list[str]:
    rows = await house.rows(
        f"""SELECT p.id FROM payments p JOIN merchants m ON m.id = p.merchant_id WHERE m.shop = $1 AND {where}
        ORDER BY 1""",
        FULL,
    )
    return [row["id"] for row in rows]


def check_page(answer: httpx.Response) -> None:
    """Nothing inline, no form that leads away, nothing fetched from elsewhere: what the policy forbids is not tried."""
    html = answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=\"/static/)", html)
    assert not re.search(r"<[^>]+\s(style|on\w+)=", html)
    for source in re.findall(r"(?:src|action)=\"([^\"]*)\"", html):
        assert source.startswith("/"), source
    for link in re.findall(r"href=\"([^\"]*)\"", html):
        # The sandbox has an explorer of its own.
        assert re.match(
            r"[/#]|solana:|https://explorer\.solana\.com/|http://127\.0\.0\.1:\d+/sandbox/explorer", link
        ), link
    assert "<title>" in html
    assert 'lang="en"' in html


async def test_every_page_of_a_full_and_of_an_empty_shop_is_shown_and_clean(
    house: House, full: httpx.AsyncClient
) -> None:
    details = [f"/portal/payments/{payment_id}" for payment_id in (await ids(house))[:20]]
    for path in (*PATHS, *details):
        answer = await full.get(path)
        assert answer.status_code == 200, path
        check_page(answer)
    async with house.portal() as empty:
        for path in PATHS:
            answer = await empty.get(path, headers=HTML)
            assert answer.status_code == 200, path
            check_page(answer)
        assert "no payment yet" in (await empty.get("/portal", headers=HTML)).text
        assert "No payment yet" in (await empty.get("/portal/payments", headers=HTML)).text
        assert "All is well" in (await empty.get("/portal/attention", headers=HTML)).text


async def test_nothing_is_shown_to_who_is_not_signed_in(house: House, full: httpx.AsyncClient) -> None:
    [payment_id, *_] = await ids(house)
    for path in (*PATHS, f"/portal/payments/{payment_id}", "/portal/payments.csv", "/portal/api/payments"):
        answer = await house.public.get(path, headers=HTML)
        assert answer.status_code == 401, path
        assert payment_id not in answer.text


async def test_another_shops_payment_is_not_found_in_any_way(house: House, full: httpx.AsyncClient) -> None:
    payment_ids = await ids(house)
    async with house.portal(SHOP) as stranger:
        for payment_id in payment_ids[:50]:
            page = await stranger.get(f"/portal/payments/{payment_id}", headers=HTML)
            assert (page.status_code, "no such payment" in page.text) == (404, True)
            for action in ("resend", "attend"):
                answer = await stranger.post(f"/portal/payments/{payment_id}/{action}", data={"how": "sent_back"})
                assert answer.status_code == 404
            found = await stranger.get("/portal/find", params={"query": payment_id}, headers=HTML)
            assert f"/portal/payments/{payment_id}" not in found.text
        assert (await stranger.get("/portal/api/payments")).json() == {"payments": [], "next": None}
        assert (await stranger.get("/portal/payments.csv")).text.count("\r\n") == 1
        assert (await stranger.get("/portal/payments/short", headers=HTML)).status_code == 404


async def test_an_address_of_nothing_is_answered_with_a_page_that_leads_on(
    house: House, full: httpx.AsyncClient
) -> None:
    for path in ("/portal/nothing", "/portal/payments/a/b", "/portal/"):
        answer = await full.get(path, headers=HTML)
        assert (answer.status_code, "The portal has no such page." in answer.text) == (404, True), path
        check_page(answer)
        assert 'href="/portal"' in answer.text
        assert (await house.public.get(path, headers=HTML)).status_code == 401
    assert (await full.get("/portal/api/nothing")).json()["reason"] == "page_not_found"


async def test_words_that_no_form_sends_are_refused_with_a_page(full: httpx.AsyncClient) -> None:
    for query in (
        "status=nonsense",
        "exception=x",
        "mode=x",
        "from=tomorrow",
        "to=2026-13-01",
        "cursor=x",
        "from=0001-01-01",
    ):
        answer = await full.get(f"/portal/payments?{query}")
        assert answer.status_code == 400, query
        check_page(answer)
    assert (await full.get("/portal/payments?query=" + "x" * 501)).status_code == 400
    answer = await full.get("/portal/find", params={"query": "https://example.com/"})
    assert (answer.status_code, "names no payment" in answer.text) == (400, True)
    as_json = await full.get("/portal/api/payments?status=nonsense")
    assert (as_json.status_code, as_json.json()["reason"]) == (400, "request_invalid")


async def test_no_text_however_strange_breaks_a_page(full: httpx.AsyncClient) -> None:
    texts = [
        "\x00", "a\x00b", "gid://shopify/RefundSession/%00", "%", "\ud7ff\uffff", "' OR 1=1 --", "{kind}", "1e999999",
        "9" * 400, "-1", "٣", "solana:" + "1" * 400, "https://[::1]:99999/tx/x", "NaN", "#", "/pay/" + "A" * 22,
    ]  # fmt: skip
    for text in texts:
        for path in ("/portal/find", "/portal/payments", "/portal/api/payments"):
            answer = await full.get(path, params={"query": text})
            assert answer.status_code in (200, 400), (path, text)
    moments = ("2026-11-20T12:00:00+00:00~\x00", "9999-12-31T23:59:59+00:00~x", "0001-01-01T00:00:00+00:00~", "+~")
    for cursor in (way + moment for way in "fb" for moment in moments):
        assert (await full.get("/portal/payments", params={"cursor": cursor})).status_code in (200, 400), cursor


async def test_what_people_type_and_shops_are_called_is_text(house: House, full: httpx.AsyncClient) -> None:
    evil = '"><script>alert(1)</script>{{7*7}}'
    await house.rows("UPDATE merchants SET display_name = $1 WHERE shop = $2", evil, FULL)
    for path in ("/portal/payments", "/portal/find"):
        answer = await full.get(path, params={"query": evil})
        check_page(answer)
        assert "<script>alert" not in answer.text
        assert "{{7*7}}" in answer.text
    # What the address brings along is never shown as something that was done.
    assert evil not in (await full.get("/portal", params={"done": evil})).text
    assert "Noted" in (await full.get("/portal", params={"done": "sent_back"})).text


async def test_the_list_pages_on_by_its_links_and_the_json_by_its_cursor(full: httpx.AsyncClient) -> None:
    seen, path = [], "/portal/payments?mode=live"
    while path:
        html = (await full.get(path)).text
        seen += re.findall(r'class="row-link" href="/portal/payments/([^"]+)"', html)
        older = re.search(r'href="([^"]+)" rel="next"', html)
        path = older.group(1).replace("&amp;", "&") if older else ""
    listed, cursor = [], ""
    while cursor is not None:
        page = (await full.get("/portal/api/payments", params={"mode": "live", "cursor": cursor})).json()
        listed += [payment["id"] for payment in page["payments"]]
        cursor = page["next"]
    assert seen == listed
    assert len(set(seen)) == len(seen) == 294


async def test_the_json_names_a_payment_by_all_that_finds_it(full: httpx.AsyncClient) -> None:
    [payment] = (await full.get("/portal/api/payments", params={"query": "group-3"})).json()["payments"]
    assert (payment["group"], payment["amount"], payment["currency"], payment["usdc"]) == (
        "group-3",
        "1.03",
        "EUR",
        "1.03",
    )
    assert (payment["status"], payment["exception"], payment["test"]) == ("completed", PaymentException.late, False)
    for query in (payment["id"], payment["shopify_id"], payment["signature"], payment["link"]):
        found = (await full.get("/portal/api/payments", params={"query": query})).json()["payments"]
        assert [line["id"] for line in found] == [payment["id"]], query


async def test_the_export_is_a_file_of_the_list_with_its_filters(house: House, full: httpx.AsyncClient) -> None:
    answer = await full.get("/portal/payments.csv?status=expired")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="settle-payments-[\d-]+\.csv"', answer.headers["content-disposition"])
    assert answer.text.count("\r\n") == 1 + len(await ids(house, "p.status = 'expired'"))


async def test_trouble_is_dealt_with_by_forms_that_lead_back_and_only_once(
    house: House, full: httpx.AsyncClient
) -> None:
    [payment_id] = await ids(house, "p.exception = 'duplicate'")
    page = await full.get(f"/portal/payments/{payment_id}")
    assert "I have sent it back" in page.text
    full.headers.pop("X-CSRF-Token")
    form = {"how": "sent_back", "note": "<b>done</b>"}
    assert (await full.post(f"/portal/payments/{payment_id}/attend", data=form)).status_code == 403
    csrf = (await full.get("/portal/api/session")).json()["csrf"]
    form["csrf"] = csrf
    for wrong in ({"how": "x"}, {"signature": "y"}, {"note": "x" * 501}):
        assert (await full.post(f"/portal/payments/{payment_id}/attend", data=form | wrong)).status_code == 400
    answer = await full.post(f"/portal/payments/{payment_id}/attend", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/portal/payments/{payment_id}?done=sent_back")
    page = await full.get(answer.headers["location"])
    assert "Noted: the money was sent back." in page.text
    assert "&lt;b&gt;done&lt;/b&gt;" in page.text
    assert "I have sent it back" not in page.text
    again = await full.post(f"/portal/payments/{payment_id}/attend", data=form)
    assert (again.status_code, "moved on" in again.text) == (409, True)


async def test_a_stuck_payment_is_sent_again_from_its_page(house: House, full: httpx.AsyncClient) -> None:
    [payment_id] = await ids(house, "p.status = 'stuck'")
    assert "Send the confirmation to Shopify again" in (await full.get(f"/portal/payments/{payment_id}")).text
    before = re.search(r'class="count attention">.*?(\d+)</span>', (await full.get("/portal")).text)
    answer = await full.post(f"/portal/payments/{payment_id}/resend")
    assert answer.headers["location"] == f"/portal/payments/{payment_id}?done=resent"
    page = await full.get(answer.headers["location"])
    assert "Next try" in page.text
    [job] = await house.rows("SELECT kind::text, status::text FROM jobs WHERE record_id = $1", payment_id)
    assert tuple(job) == ("payment_resolve", "waiting")
    after = re.search(r'class="count attention">.*?(\d+)</span>', (await full.get("/portal")).text)
    assert before is not None
    assert int(before.group(1)) - int(after.group(1) if after else 0) == 1
    assert (await full.post(f"/portal/payments/{payment_id}/resend")).status_code == 409
