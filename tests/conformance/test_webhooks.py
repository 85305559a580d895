"""Section 7 of the facts about Shopify: privacy and uninstall webhooks; a test for each sentence that binds the app."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.jobs.worker import Worker
from tests.house import CLIENT_SECRET, SHOP, House, make_settings, open_house

TOPICS = ("customers/data_request", "customers/redact", "shop/redact", "app/uninstalled")
BODIES: dict[str, dict[str, Any]] = {
    "customers/data_request": {
        "shop_id": 954889,
        "shop_domain": SHOP,
        "orders_requested": [299938, 280263],
        "customer": {"id": 191167, "email": "john@example.com", "phone": "555-625-1199"},
        "data_request": {"id": 9999},
    },
    "customers/redact": {
        "shop_id": 954889,
        "shop_domain": SHOP,
        "customer": {"id": 191167, "email": "john@example.com", "phone": "555-625-1199"},
        "orders_to_redact": [299938],
    },
    "shop/redact": {"shop_id": 954889, "shop_domain": SHOP},
    "app/uninstalled": {"id": 954889, "myshopify_domain": SHOP},
}


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(make_settings(database_url, tmp_path)) as opened:
        yield opened


async def post(
    house: House, topic: str, body: bytes, *, shop: str = SHOP, number: str = "1", **changes: Any
) -> httpx.Response:
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": b64encode(hmac.digest(CLIENT_SECRET.encode(), body, hashlib.sha256)).decode(),
        "X-Shopify-Shop-Domain": shop,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": number,
        "X-Shopify-Triggered-At": "2026-11-20T10:00:00.123456789Z",
        "X-Shopify-Event-Id": "event",
        "X-Shopify-Name": "settle",
    } | changes
    headers = {name: value for name, value in headers.items() if value is not None}
    return await house.public.post(f"/webhooks/shopify/{topic}", content=body, headers=headers)


@pytest.mark.parametrize("topic", TOPICS)
async def test_each_mandatory_topic_is_answered_2xx_at_once_and_done_afterwards(house: House, topic: str) -> None:
    """Section 7, timing: reply 2xx at once; act within 30 days."""
    answer = await post(house, topic, json.dumps(BODIES[topic]).encode())
    assert 200 <= answer.status_code < 300
    [event] = await house.rows("SELECT processed_at FROM inbox_events")
    assert event["processed_at"] is None
    await Worker(house.system).drain()
    [event] = await house.rows("SELECT processed_at FROM inbox_events")
    assert event["processed_at"] is not None


async def test_a_bad_or_missing_hmac_is_401_for_every_topic(house: House) -> None:
    """Section 7: 401 on a bad HMAC is an explicit review requirement."""
    for topic in TOPICS:
        body = json.dumps(BODIES[topic]).encode()
        for given in ("", "x", "aGVsbG8=", hmac.digest(CLIENT_SECRET.encode(), body, hashlib.sha256).hex()):
            changes = {"X-Shopify-Hmac-Sha256": given}
            assert (await post(house, topic, body, **changes)).status_code == 401
        assert (await post(house, topic, body, **{"X-Shopify-Hmac-Sha256": None})).status_code == 401
        assert (await post(house, topic, body + b" ", **{"X-Shopify-Hmac-Sha256": "x"})).status_code == 401


async def test_the_vector_of_the_facts_is_accepted(house: House) -> None:
    """Section 7, vector: base64 of the HMAC over the raw body, with the client secret."""
    body = b'{"shop_id":954889,"shop_domain":"snowdevil.myshopify.com"}'
    digest = "unXxOs41nqtk5v6Btqh9qz9Dh6mprKtn5eLN4XfJwSY="
    changes = {"X-Shopify-Hmac-Sha256": digest}
    answer = await post(house, "shop/redact", body, shop="snowdevil.myshopify.com", **changes)
    assert answer.status_code == 200


async def test_the_webhook_id_is_the_key_by_which_repeats_are_known(house: House) -> None:
    """Section 7, headers: stable over retries; the event id is shared by several deliveries and is none."""
    body = json.dumps(BODIES["customers/redact"]).encode()
    for number in ("1", "1", "2", "1"):
        assert (await post(house, "customers/redact", body, number=number)).status_code == 200
    assert len(await house.rows("SELECT FROM inbox_events")) == 2


@pytest.mark.parametrize("customer", [{"id": 1}, {"id": 1, "email": None}, {"id": 1, "phone": "+1 613 555"}, {}, None])
async def test_address_or_number_may_be_missing(house: House, customer: dict[str, Any] | None) -> None:
    """Section 7, payload: email or phone may be missing."""
    for number, topic in enumerate(("customers/redact", "customers/data_request")):
        body = json.dumps(BODIES[topic] | {"customer": customer}).encode()
        assert (await post(house, topic, body, number=str(number))).status_code == 200
    await Worker(house.system).drain()
    outcomes = await house.rows("SELECT outcome FROM privacy_requests")
    assert [row["outcome"] for row in outcomes] == ["nothing_kept", "nothing_kept"]


async def test_webhooks_need_no_client_certificate(house: House) -> None:
    """Section 5: do not require a client certificate on webhook, OAuth or buyer URLs."""
    assert (await post(house, "shop/redact", json.dumps(BODIES["shop/redact"]).encode())).status_code == 200
    assert (await house.shopify.post("/webhooks/shopify/shop/redact", content=b"{}")).status_code == 404


async def test_after_app_uninstalled_no_call_is_made_for_the_shop(house: House) -> None:
    """Section 7, app/uninstalled: the token is already dead when it arrives, so no API calls."""
    await post(house, "app/uninstalled", json.dumps(BODIES["app/uninstalled"]).encode())
    await Worker(house.system).drain()
    [merchant] = await house.rows("SELECT * FROM merchants")
    assert (merchant["status"], merchant["token_sealed"]) == ("inactive", None)
    assert merchant["uninstalled_at"] is not None
    assert await house.rows("SELECT FROM shopify_calls") == []


async def test_an_unknown_topic_is_taken_and_left(house: House) -> None:
    """Section 7: app/scopes_update exists, too; a subscription must not be deleted for our not knowing it."""
    body = json.dumps(BODIES["app/uninstalled"]).encode()
    assert (await post(house, "app/scopes_update", body)).status_code == 200
    await Worker(house.system).drain()
    [merchant] = await house.rows("SELECT status FROM merchants")
    assert merchant["status"] == "active"
