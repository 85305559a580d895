"""The merchant's settings: saved whole or not at all, logged with what they were, shown to customers as they are."""

import asyncio
from typing import Any

import pytest

from app.portal.preferences import Preferences, change_preferences
from tests.house import SHOP, House
from tests.integration.portal.test_pages import HTML, check_page
from tests.unit.app.test_portal_preferences import WEBPS, png


async def merchant_row(house: House) -> dict[str, Any]:
    return dict((await house.rows("SELECT * FROM merchants WHERE shop = $1", SHOP))[0])


async def log(house: House) -> list[dict[str, Any]]:
    rows = await house.rows("SELECT detail FROM events WHERE record = 'merchant' AND kind = 'changed' ORDER BY id")
    return [row["detail"] for row in rows]


async def test_what_is_saved_is_shown_and_logged_with_what_it_was(house: House) -> None:
    async with house.portal() as client:
        check_page(await client.get("/portal/settings", headers=HTML))
        answer = await client.post(
            "/portal/settings", data={"name": "Nöw & Co", "support": "help@now.example", "language": "de"}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/portal/settings?done=saved")
        page = await client.get(answer.headers["location"], headers=HTML)
        check_page(page)
        for text in ("Saved.", 'value="help@now.example"', "from Test Shop to Nöw &amp; Co"):
            assert text in page.text
    row = await merchant_row(house)
    assert (row["display_name"], row["support_url"], row["language"]) == ("Nöw & Co", "mailto:help@now.example", "de")
    assert await log(house) == [
        {"by": "portal", "field": "display_name", "before": "Test Shop", "after": "Nöw & Co"},
        {"by": "portal", "field": "support_url", "before": None, "after": "mailto:help@now.example"},
        {"by": "portal", "field": "language", "before": None, "after": "de"},
    ]


async def test_saving_the_same_again_changes_and_logs_nothing(house: House) -> None:
    async with house.portal() as client:
        for language in ("", "en"):
            form = {"name": "Test Shop", "support": "", "language": language}
            assert (await client.post("/portal/settings", data=form)).status_code == 303
    assert await log(house) == []


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "support": ""},
        {"name": "Shop", "support": "javascript:alert(1)"},
        {"name": "Shop", "language": "tlh"},
        {},
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_of_it_is_saved(house: House, form: dict[str, str]) -> None:
    before = await merchant_row(house)
    async with house.portal() as client:
        answer = await client.post("/portal/settings", data=form, headers=HTML)
        assert (answer.status_code, "can not be saved" in answer.text) == (422, True)
    assert await merchant_row(house) == before


async def test_changes_at_the_same_time_are_logged_one_after_the_other(house: House) -> None:
    merchant = await merchant_row(house)
    names = [f"Shop {number}" for number in range(8)]
    changes = [
        change_preferences(house.system, merchant["id"], Preferences(name, None, None), by="portal") for name in names
    ]
    await asyncio.gather(*changes)
    told = await log(house)
    assert [entry["before"] for entry in told] == ["Test Shop", *(entry["after"] for entry in told[:-1])]
    assert {entry["after"] for entry in told} == set(names)


async def test_a_logo_is_kept_served_to_everybody_and_taken_away(house: House) -> None:
    picture = png(128, 128)
    async with house.portal() as client:
        answer = await client.put("/portal/api/logo", content=picture, headers={"Content-Type": "image/png"})
        assert answer.status_code == 200
        address = answer.json()["logo"]
        assert address in (await client.get("/portal/settings", headers=HTML)).text
        served = await house.public.get(address)
        assert (served.content, served.headers["content-type"]) == (picture, "image/png")
        assert "immutable" in served.headers["cache-control"]
        assert served.headers["access-control-allow-origin"] == "*"
        assert served.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in served.headers["content-security-policy"]
        # The same again is nothing new; another has another address, and the old one ends.
        await client.put("/portal/api/logo", content=picture)
        another = (await client.put("/portal/api/logo", content=WEBPS["VP8L"])).json()["logo"]
        assert another != address
        assert (await house.public.get(address)).status_code == 404
        assert (await client.post("/portal/settings/remove-logo")).status_code == 303
        assert (await house.public.get(another)).status_code == 404
        await client.post("/portal/settings/remove-logo")
    assert [entry.get("after") for entry in await log(house)] == ["128 × 128 pixels", "200 × 100 pixels", None]


async def test_no_logo_is_set_without_a_session_or_its_csrf_token_or_a_picture(house: House) -> None:
    assert (await house.public.put("/portal/api/logo", content=png(64, 64))).status_code == 401
    async with house.portal() as client:
        assert (await client.put("/portal/api/logo", content=b"<svg/>")).status_code == 422
        assert (await client.put("/portal/api/logo", content=png(64, 64) + b"\0" * 70_000)).status_code == 413
        client.headers.pop("X-CSRF-Token")
        assert (await client.put("/portal/api/logo", content=png(64, 64))).status_code == 403
    assert await house.rows("SELECT FROM merchant_logos") == []
