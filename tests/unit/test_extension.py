"""What Shopify is told of the app: complete for an offsite payments extension, and true to the code."""

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.settings import Settings
from app.shopify.versions import SUPPORTED
from handlers.install import INSTALL
from handlers.shopify_door import SESSIONS

ROOT = Path(__file__).parents[2]
APP = tomllib.loads((ROOT / "shopify.app.toml").read_text())
EXTENSION = tomllib.loads((ROOT / "extensions" / "settle" / "shopify.extension.toml").read_text())
[SETTLE] = EXTENSION["extensions"]
PUBLIC, SHOPIFY = "pay.example.com", "shopify.pay.example.com"
WEBHOOKS = {"app/uninstalled", "customers/data_request", "customers/redact", "shop/redact"}


def paths(routes: Any) -> set[str]:
    return {route.path for route in routes}


def test_the_extension_has_everything_that_an_offsite_one_must_have() -> None:
    assert SETTLE["type"] == "payments_extension"
    assert SETTLE["targeting"] == [{"target": "payments.offsite.render"}]
    for name in ("merchant_label", "buyer_label"):
        assert 0 < len(SETTLE[name]) <= 50
    assert SETTLE["test_mode_available"] is True
    assert SETTLE["supported_payment_methods"]
    countries = SETTLE["supported_countries"]
    assert countries == sorted(set(countries))
    assert all(re.fullmatch("[A-Z]{2}", country) for country in countries)
    # Shopify refuses one without the other.
    assert SETTLE["supports_installments"] == SETTLE["supports_deferred_payments"]


def test_what_settle_does_not_do_is_not_declared() -> None:
    for name in ("multiple_capture", "supports_3ds", "supports_oversell_protection"):
        assert SETTLE[name] is False
    for name in ("capture_session_url", "void_session_url", "confirmation_callback_url"):
        assert name not in SETTLE


@pytest.mark.parametrize("name", ["payment_session_url", "refund_session_url"])
def test_sessions_go_to_shopifys_door(name: str) -> None:
    url = urlsplit(SETTLE[name])
    assert (url.scheme, url.netloc) == ("https", SHOPIFY)
    assert url.path in paths(SESSIONS)


def test_the_version_is_one_we_speak_and_the_one_we_configure_with() -> None:
    versions = {EXTENSION["api_version"], APP["webhooks"]["api_version"]}
    assert versions == {Settings.shopify_api_version}
    assert versions <= set(SUPPORTED)


def test_the_app_stands_alone_and_asks_for_nothing_but_what_the_extension_grants() -> None:
    assert APP["embedded"] is False
    assert "access_scopes" not in APP


def test_a_merchant_comes_in_by_our_routes() -> None:
    routes = paths(INSTALL)
    for address in (APP["application_url"], *APP["auth"]["redirect_urls"]):
        url = urlsplit(address)
        assert (url.scheme, url.netloc) == ("https", PUBLIC)
        assert url.path in routes


def test_every_mandatory_webhook_and_uninstalling_come_to_the_address_of_their_topic() -> None:
    seen = {}
    for subscription in APP["webhooks"]["subscriptions"]:
        [topic] = subscription.get("topics") or subscription["compliance_topics"]
        seen[topic] = subscription["uri"]
        assert ("compliance_topics" in subscription) == (topic != "app/uninstalled")
    assert seen == {topic: f"https://{PUBLIC}/webhooks/shopify/{topic}" for topic in WEBHOOKS}


def test_every_file_that_the_checklist_names_exists() -> None:
    table = (ROOT / "docs" / "go-live.md").read_text().partition("| requirement |")[2].partition("\n\n")[0]
    named = re.findall(r"`((?:app|handlers|tests|extensions)/[\w./]+|shopify\.app\.toml)`", table)
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []
