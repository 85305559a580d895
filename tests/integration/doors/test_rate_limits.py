"""Who asks too often is told when to come back, on pages and in wallets; Shopify and operators are never counted."""

from pathlib import Path

from prometheus_client import REGISTRY

from tests.house import House, make_settings, open_house, session_body

PROXY = {"trusted_proxies": "127.0.0.1"}


async def _page_of(house: House) -> str:
    return (await house.post_session(session_body())).json()["redirect_url"]  # type: ignore[no-any-return]


def _refused(limit: str) -> float:
    return REGISTRY.get_sample_value("settle_rate_limited_total", {"limit": limit}) or 0


async def test_an_address_that_asks_too_often_waits_and_others_do_not(database_url: str, tmp_path: Path) -> None:
    settings = make_settings(database_url, tmp_path, rate_address_burst=3, rate_address_per_minute=2, **PROXY)
    async with open_house(settings) as house:
        page, before = await _page_of(house), _refused("address")
        first, second = {"x-forwarded-for": "192.0.2.1"}, {"x-forwarded-for": "192.0.2.2"}
        answers = [(await house.public.get(page, headers=first)).status_code for _ in range(4)]
        assert answers == [200, 200, 200, 429]
        assert (await house.public.get(page, headers=second)).status_code == 200
        refused = await house.public.get(f"{page}/status", headers=first)
        assert (refused.status_code, refused.json()["reason"]) == (429, "asked_too_often")
        assert 25 <= int(refused.headers["retry-after"]) <= 30
        assert _refused("address") == before + 2


async def test_an_ipv6_customer_is_counted_by_the_network(database_url: str, tmp_path: Path) -> None:
    settings = make_settings(database_url, tmp_path, rate_address_burst=1, rate_address_per_minute=1, **PROXY)
    async with open_house(settings) as house:
        page = await _page_of(house)
        for address, status in (("2001:db8::1", 200), ("2001:db8::2", 429), ("2001:db8:0:1::1", 200)):
            answer = await house.public.get(page, headers={"x-forwarded-for": address})
            assert answer.status_code == status


async def test_a_payment_is_asked_for_so_often_by_everybody_together(database_url: str, tmp_path: Path) -> None:
    settings = make_settings(database_url, tmp_path, rate_payment_burst=2, rate_payment_per_minute=1, **PROXY)
    async with open_house(settings) as house:
        page, other = await _page_of(house), await _page_of(house)
        link = page.replace("/pay/", "/transactions/payment/")
        for number in range(2):
            assert (await house.public.get(page, headers={"x-forwarded-for": f"192.0.2.{number}"})).status_code == 200
        assert (await house.public.get(other)).status_code == 200
        assert (await house.public.get(other.replace("/pay/", "/transactions/payment/"))).status_code == 200
        # A wallet in a browser of another origin may read the sentence, in its language.
        refused = await house.public.get(link, headers={"accept-language": "de", "origin": "https://wallet.example"})
        assert refused.status_code == 429
        assert refused.headers["access-control-allow-origin"] == "*"
        assert "warten" in refused.json()["message"]
        shown = await house.public.get(page, headers={"accept": "text/html", "accept-language": "fr"})
        assert (shown.status_code, "Patientez" in shown.text) == (429, True)


async def test_shopify_and_operators_are_never_counted(database_url: str, tmp_path: Path) -> None:
    narrow = {"rate_address_burst": 1, "rate_address_per_minute": 1}
    async with open_house(make_settings(database_url, tmp_path, **narrow)) as house:
        for _ in range(3):
            assert (await house.post_session(session_body())).status_code == 200
            assert (await house.public.post("/webhooks/shopify/app-uninstalled", content=b"{}")).status_code == 401
            assert (await house.public.get("/ready")).status_code == 200
            assert (await house.public.get("/static/icon.svg")).status_code == 200


async def test_what_is_remembered_is_bounded(database_url: str, tmp_path: Path) -> None:
    settings = make_settings(
        database_url, tmp_path, rate_address_burst=1, rate_address_per_minute=1, rate_kept_max=2, **PROXY
    )
    async with open_house(settings) as house:
        page = await _page_of(house)
        for number in (1, 2, 3, 1):
            answer = await house.public.get(page, headers={"x-forwarded-for": f"192.0.2.{number}"})
            assert answer.status_code == 200
