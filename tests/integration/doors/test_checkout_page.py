"""The customer's page from outside: whose language it speaks, what it sends along, what each odd opening is told."""

import gzip
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.languages.reader import Language
from app.languages.sentences import translate
from handlers.public_door import COMPRESSED
from tests.house import House, session_body

PAGE = {"Accept": "text/html"}


async def _open(house: House, locale: str | None = "en", **changes: Any) -> str:
    answer = await house.post_session(session_body(customer={"locale": locale} if locale else None, **changes))
    path: str = httpx.URL(answer.json()["redirect_url"]).path
    return path


@pytest.mark.parametrize("language", list(Language))
async def test_the_page_speaks_the_customers_language(house: House, language: Language) -> None:
    path = await _open(house, str(language), amount="1234.5")
    page = await house.public.get(path)
    assert f'<html lang="{language}">' in page.text
    assert page.headers["content-language"] == language
    for sentence in ("Scan the code with a Solana wallet, or open your wallet here.", "Cancel and return to shop"):
        assert translate(language, sentence) in page.text
    status = (await house.public.get(f"{path}/status")).json()
    assert status["message"] == translate(language, "Scan the code with a Solana wallet, or open your wallet here.")
    assert (status["language"], status["amount"]) == (language, "1,234.50 USD")
    assert status["amount_text"].endswith("USD")
    assert status["amount_text"] in re.sub(r"<[^>]*>", "", page.text)


async def test_without_a_word_from_shopify_the_browsers_language_counts(house: House) -> None:
    path = await _open(house, None)
    page = await house.public.get(path, headers={"Accept-Language": "nl, it;q=0.5"})
    assert '<html lang="it">' in page.text
    assert '<html lang="en">' in (await house.public.get(path)).text


async def test_whose_language_is_none_of_ours_reads_the_one_the_merchant_chose(house: House) -> None:
    path = await _open(house, "nl")
    await house.rows("UPDATE merchants SET language = 'ja'")
    assert '<html lang="ja">' in (await house.public.get(path, headers={"Accept-Language": "nl, sv;q=0.5"})).text
    assert '<html lang="fr">' in (await house.public.get(path, headers={"Accept-Language": "nl, fr;q=0.5"})).text


async def test_the_shops_logo_and_help_are_on_the_page_and_the_logo_in_the_wallet(house: House) -> None:
    path = await _open(house)
    before = await house.public.get(path)
    assert "Contact the shop" not in before.text
    digest = "ab" * 32
    await house.rows(
        "INSERT INTO merchant_logos (merchant_id, digest, media_type, content, updated_at) "
        "SELECT id, $1, 'image/png', 'picture', created_at FROM merchants",
        digest,
    )
    await house.rows("UPDATE merchants SET support_url = 'mailto:help@shop.example'")
    page = (await house.public.get(path)).text
    assert f'<img src="/logos/{digest}" alt="">' in page
    assert 'href="mailto:help@shop.example"' in page
    asked = await house.public.get(path.replace("/pay/", "/transactions/payment/"))
    assert asked.json()["icon"] == f"{house.settings.public_url}/logos/{digest}"


async def test_a_refusal_reaches_wallet_and_page_in_the_customers_language(house: House) -> None:
    path = await _open(house, "de")
    [row] = await house.rows("SELECT merchant_wallet FROM payments")
    answer = await house.public.post(
        path.replace("/pay/", "/transactions/payment/"),
        json={"account": row["merchant_wallet"]},
        headers={"Accept-Language": "fr"},
    )
    german = translate(Language.de, "This is the wallet of the shop itself. Pay from another wallet.")
    assert (answer.status_code, answer.json()) == (400, {"reason": "merchant_wallet", "message": german})
    refusal = (await house.public.get(f"{path}/status")).json()["refusal"]
    assert (refusal["reason"], refusal["message"]) == ("merchant_wallet", german)


async def test_what_a_customer_can_do_nothing_about_is_one_plain_sentence(house: House) -> None:
    """The wallet of a customer is not told of connections and databases, whatever went wrong."""
    path = await _open(house, "es")
    await house.rows("ALTER TABLE payment_groups RENAME TO gone")
    answer = await house.public.post(
        path.replace("/pay/", "/transactions/payment/"), json={"account": "1" * 32}, headers={"Accept-Language": "es"}
    )
    assert answer.status_code == 500
    trouble = "Something is not working at the moment. Please try again in a minute."
    assert answer.json()["message"] == translate(Language.es, trouble)


async def test_a_wallet_that_looks_is_seen_on_the_page_until_it_is_refused(house: House) -> None:
    path = await _open(house)
    request = path.replace("/pay/", "/transactions/payment/")
    await house.public.head(request)
    assert await _stage(house, path) == "waiting"
    await house.public.get(request)
    assert await _stage(house, path) == "connected"
    assert "A wallet has already opened this payment." in (await house.public.get(path)).text
    await house.public.post(request, json={"account": "nonsense"})
    assert await _stage(house, path) == "waiting"
    await house.public.get(request)
    assert await _stage(house, path) == "connected"
    assert (await house.public.get(f"{path}/status")).json()["refusal"] is None


async def _stage(house: House, path: str) -> str:
    stage: str = (await house.public.get(f"{path}/status")).json()["stage"]
    return stage


async def test_after_the_shop_has_uninstalled_the_app_the_page_leads_back(house: House) -> None:
    path = await _open(house)
    await house.rows("UPDATE merchants SET token_sealed = NULL")
    page = await house.public.get(path)
    assert "The shop does not take USDC any more." in page.text
    assert 'href="https://shop.example/cancel"' in page.text
    assert "<svg" in page.text
    assert 'id="qr"' not in page.text


async def test_an_expired_payment_of_a_closed_shop_offers_no_new_beginning(house: House) -> None:
    path = await _open(house)
    await house.rows("UPDATE payments SET expires_at = $1, status = 'expired'", datetime(2020, 1, 1, tzinfo=UTC))
    assert "/renew" in (await house.public.get(path)).text
    await house.rows("UPDATE merchants SET status = 'inactive'")
    page = await house.public.get(path)
    assert "/renew" not in page.text
    assert "The shop does not take USDC any more." in page.text
    refused = await house.public.post(f"{path}/renew", headers=PAGE)
    assert refused.status_code == 403
    assert refused.headers["content-type"].startswith("text/html")


async def test_every_error_below_pay_is_a_page_for_people(house: House) -> None:
    path = await _open(house)
    for asked in ("/pay/nothing", f"/pay/{'a' * 22}"):
        unknown = await house.public.get(asked, headers=PAGE | {"Accept-Language": "pt-BR"})
        assert unknown.status_code == 404
        assert (
            translate(Language.pt, "This payment does not exist. Please go back to the shop and start again.")
            in unknown.text
        )
        assert 'id="go-back"' in unknown.text
    await house.rows("ALTER TABLE payment_groups RENAME TO gone")
    broken = await house.public.get(path, headers=PAGE)
    assert broken.status_code == 500
    assert "Something is not working at the moment." in broken.text
    assert "content-security-policy" in broken.headers


async def test_a_page_is_kept_by_nobody_and_says_what_it_may_do(house: House) -> None:
    headers = (await house.public.get(await _open(house))).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert "camera=()" in headers["permissions-policy"]


async def test_files_with_their_version_in_the_path_are_kept_for_ever_and_others_for_an_hour(house: House) -> None:
    page = (await house.public.get(await _open(house))).text
    named = sorted(set(re.findall(r'"(/static/[^"]+)"', page)))
    assert {name.rpartition("/")[2] for name in named} >= {
        "settle.css",
        "pay.js",
        "live.js",
        "wallets.js",
        "dom.js",
        "icon.svg",
    }
    for name in named:
        answer = await house.public.get(name)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=31536000"), name
    old = await house.public.get("/static/0123456789ab/pay.js")
    assert (old.status_code, old.headers["cache-control"]) == (200, "public, max-age=3600")
    for outside in ("/static/nothing.js", "/static/..%2Fpages.py", "/static/x/..%2F..%2Fpages.py"):
        assert (await house.public.get(outside)).status_code == 404


async def test_only_what_holds_no_secret_is_compressed_and_never_a_stream(house: House) -> None:
    path = await _open(house)
    asks = {"Accept-Encoding": "gzip"}
    async with house.public.stream("GET", path, headers=asks) as page:
        assert page.headers["content-encoding"] == "gzip"
        body = b"".join([part async for part in page.aiter_raw()])
    assert b"</html>" in gzip.decompress(body)
    async with house.public.stream("GET", f"{path}/events", headers=asks) as stream:
        assert "content-encoding" not in stream.headers
    assert not any("/portal".startswith(prefix) or "/transactions".startswith(prefix) for prefix in COMPRESSED)
