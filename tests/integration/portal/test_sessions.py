"""Sessions at the portal: only who has the cookie is let in, writes need the CSRF token, and every session ends."""

import asyncio
import json
from pathlib import Path

import pytest
from starlette.responses import Response

from app.portal.sessions import sign_in, sign_out_everywhere
from app.sandbox.clock import VirtualClock
from handlers.portal.access import session_cookie, set_cookie
from tests.house import SHOP, House, make_settings, open_house

HTML = {"Accept": "text/html"}


async def test_who_is_signed_in_sees_the_shop_and_gets_a_csrf_token(house: House) -> None:
    async with house.portal() as client:
        page = await client.get("/portal", headers=HTML)
        assert page.status_code == 200
        assert SHOP in page.text
        assert page.headers["cache-control"] == "no-store"
        answer = await client.get("/portal/api/session")
        assert set(answer.json()) == {"csrf"}
        assert len(answer.json()["csrf"]) == 43


@pytest.mark.parametrize("cookie", [None, "", "guess", "x" * 43, "é"])
async def test_who_has_no_session_is_told_how_to_get_one(house: House, cookie: str | None) -> None:
    sent = {} if cookie is None else {b"Cookie": f"settle_session={cookie}".encode("latin-1")}
    page = await house.public.get("/portal", headers={b"Accept": b"text/html", **sent})
    assert page.status_code == 401
    assert "Shopify admin" in page.text
    for path in ("/portal", "/portal/api/session"):
        answer = await house.public.get(path, headers=sent)
        assert (answer.status_code, answer.json()["reason"]) == (401, "signed_out")
    # A program gets JSON even if it says that it likes pages.
    answer = await house.public.get("/portal/api/session", headers=HTML)
    assert (answer.status_code, answer.json()["reason"]) == (401, "signed_out")


@pytest.mark.parametrize("way", ["none", "wrong header", "wrong field", "of another session", "in the address"])
async def test_a_write_without_the_sessions_csrf_token_does_nothing(house: House, way: str) -> None:
    async with house.portal() as client, house.portal() as other:
        csrf = client.headers.pop("X-CSRF-Token")
        request: dict[str, dict[str, str]] = {
            "none": {},
            "wrong header": {"headers": {"X-CSRF-Token": csrf[:-1] + ("A" if csrf[-1] != "A" else "B")}},
            "wrong field": {"data": {"csrf": csrf + "x"}},
            "of another session": {"headers": {"X-CSRF-Token": other.headers["X-CSRF-Token"]}},
            "in the address": {"params": {"csrf": csrf}},
        }[way]
        answer = await client.post("/portal/sign-out", **request)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["reason"]) == (403, "csrf_invalid")
        assert (await client.get("/portal/api/session")).status_code == 200


async def test_a_form_that_is_sent_to_a_call_is_refused_as_no_json(house: House) -> None:
    async with house.portal() as client:
        for method, path in (
            ("POST", f"/portal/api/refunds/{'A' * 22}/deny"),
            ("POST", "/portal/api/onboarding/proof"),
        ):
            answer = await client.request(method, path, data={"message": "No."})
            assert (answer.status_code, answer.json()["reason"]) == (400, "request_invalid"), path


@pytest.mark.parametrize("by_form", [True, False])
async def test_signing_out_ends_this_session_and_no_other(house: House, by_form: bool) -> None:
    async with house.portal() as client, house.portal() as other:
        token = client.cookies["settle_session"]
        if by_form:
            csrf = client.headers.pop("X-CSRF-Token")
            answer = await client.post("/portal/sign-out", data={"csrf": csrf})
        else:
            answer = await client.post("/portal/sign-out")
        assert answer.status_code == 200
        assert "signed out" in answer.text
        assert "Max-Age=0" in answer.headers["set-cookie"]
        # The token is worth nothing any more, wherever else it was kept.
        kept = await house.public.get("/portal/api/session", headers={"Cookie": f"settle_session={token}"})
        assert kept.status_code == 401
        assert (await other.get("/portal/api/session")).status_code == 200


async def test_signing_out_everywhere_ends_every_session_of_the_shop_and_no_other_shops(house: House) -> None:
    await house.rows(
        """INSERT INTO merchants (shop, display_name, status, wallet, token_sealed, created_at, updated_at)
        SELECT 'other.myshopify.com', 'Other', status, wallet, token_sealed, created_at, updated_at FROM merchants"""
    )
    async with house.portal() as one, house.portal() as two, house.portal("other.myshopify.com") as stranger:
        assert (await one.post("/portal/sign-out-everywhere")).status_code == 200
        assert (await two.get("/portal/api/session")).status_code == 401
        assert (await stranger.get("/portal/api/session")).status_code == 200


async def test_the_database_holds_no_token_that_signs_anybody_in(house: House) -> None:
    async with house.portal() as client:
        [row] = await house.rows("SELECT * FROM portal_sessions")
        stored = json.dumps({name: str(value) for name, value in dict(row).items()})
        assert client.cookies["settle_session"] not in stored
        assert client.headers["X-CSRF-Token"] not in stored
        # Nor does what is stored work as a cookie.
        answer = await house.public.get("/portal/api/session", headers={"Cookie": f"settle_session={row['digest']}"})
        assert answer.status_code == 401


async def test_a_session_ends_unused_after_the_idle_time_and_used_after_the_absolute_one(
    database_url: str, tmp_path: Path
) -> None:
    clock = VirtualClock(tmp_path / "clock")
    settings = make_settings(
        database_url, tmp_path, clock_file=clock.path, portal_idle_seconds=600, portal_session_seconds=3_600
    )
    async with open_house(settings) as house:
        async with house.portal() as idle:
            clock.advance(599)
            assert (await idle.get("/portal/api/session")).status_code == 200
            clock.advance(601)
            assert (await idle.get("/portal/api/session")).status_code == 401
        async with house.portal() as busy:
            for _ in range(6):
                clock.advance(590)
                assert (await busy.get("/portal/api/session")).status_code == 200
            clock.advance(3_600 - 6 * 590)
            assert (await busy.get("/portal/api/session")).status_code == 401


async def test_signing_in_gives_a_new_token_and_ends_the_browsers_old_session(house: House) -> None:
    [merchant] = await house.rows("SELECT id FROM merchants")
    async with house.portal() as client:
        old = client.cookies["settle_session"]
        async with house.system.database.transaction() as connection:
            new = await sign_in(house.system, connection, merchant["id"], replacing=old)
        assert new != old
        assert (await client.get("/portal/api/session")).status_code == 401
        assert len(await house.rows("SELECT FROM portal_sessions")) == 1


async def test_a_merchant_that_uninstalled_is_not_let_in(house: House) -> None:
    async with house.portal() as client:
        await house.rows("UPDATE merchants SET status = 'inactive', token_sealed = NULL, uninstalled_at = now()")
        assert (await client.get("/portal/api/session")).status_code == 401


async def test_sessions_begun_and_ended_at_once_leave_what_they_should(house: House) -> None:
    """Signing out everywhere while others sign in: whoever was there before is out, and nothing breaks."""
    [merchant] = await house.rows("SELECT id FROM merchants")

    async def begin() -> str:
        async with house.system.database.transaction() as connection:
            return await sign_in(house.system, connection, merchant["id"])

    async def end() -> None:
        async with house.system.database.acquire() as connection:
            await sign_out_everywhere(connection, merchant["id"])

    before = await asyncio.gather(*(begin() for _ in range(10)))
    await asyncio.gather(*(begin() for _ in range(10)), *(end() for _ in range(5)))
    answers = await asyncio.gather(
        *(house.public.get("/portal/api/session", headers={"Cookie": f"settle_session={token}"}) for token in before)
    )
    assert {answer.status_code for answer in answers} == {401}


async def test_behind_https_the_cookie_is_secure_and_belongs_to_this_host_alone(
    database_url: str, tmp_path: Path
) -> None:
    settings = make_settings(database_url, tmp_path, public_url="https://pay.example.com")
    response = Response()
    set_cookie(response, settings, "settle_session", "token", 60)
    assert session_cookie(settings) == "__Host-settle_session"
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-settle_session=token;")
    for mark in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert mark in cookie
    assert "Domain" not in cookie
