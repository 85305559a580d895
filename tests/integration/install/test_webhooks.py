"""Webhooks: signed or 401, stored once by one statement, answered at once, harmless in any number and order."""

import asyncio
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
from tests.box import Box
from tests.house import CLIENT_SECRET, SHOP, House, make_settings, open_house
from tests.waiting import wait_until

PATH = "/webhooks/shopify/app/uninstalled"
BODY = json.dumps({"id": 1, "myshopify_domain": SHOP}).encode()


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    settings = make_settings(database_url, tmp_path, shopify_client_secrets=f"new,{CLIENT_SECRET}")
    async with open_house(settings) as opened:
        yield opened


def signature(body: bytes, secret: str = CLIENT_SECRET) -> str:
    return b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def headers(body: bytes, **changes: str) -> dict[str, str]:
    sent = {
        "X-Shopify-Topic": "app/uninstalled",
        "X-Shopify-Hmac-Sha256": signature(body),
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "X-Shopify-Triggered-At": "2026-11-20T10:00:00.123Z",
        "X-Shopify-Event-Id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
        "Content-Type": "application/json",
    } | {f"X-Shopify-{name.replace('_', '-')}": value for name, value in changes.items()}
    return {name: value for name, value in sent.items() if value}


async def test_a_signed_webhook_is_stored_by_one_statement_with_its_job_and_answered_empty(house: House) -> None:
    # The first one prepares the statement.
    for event_id in ("first", "second"):
        before = len(house.queries)
        answer = await house.public.post(PATH, content=BODY, headers=headers(BODY, Webhook_Id=event_id))
        assert (answer.status_code, answer.content) == (200, b"")
    assert len(house.queries) - before == 1
    [event] = await house.rows("SELECT * FROM inbox_events WHERE event_id = 'second'")
    assert (event["source"], event["topic"], event["shop"]) == ("shopify", "app/uninstalled", SHOP)
    assert bytes(event["payload"]) == BODY
    assert event["sent_at"].isoformat() == "2026-11-20T10:00:00.123000+00:00"
    jobs = await house.rows("SELECT FROM jobs WHERE kind = 'inbox_event' AND record_id = $1", str(event["id"]))
    assert len(jobs) == 1


async def test_what_is_not_signed_over_its_raw_body_is_401_and_nowhere(house: House) -> None:
    bad: list[tuple[bytes, dict[str, str]]] = [
        (BODY, headers(BODY, Hmac_Sha256="")),
        (BODY, headers(BODY, Hmac_Sha256=signature(BODY, "other"))),
        (BODY, headers(BODY, Hmac_Sha256=signature(BODY).lower())),
        (BODY, headers(BODY, Hmac_Sha256="x")),
        (BODY + b" ", headers(BODY)),
        (json.dumps(json.loads(BODY), indent=1).encode(), headers(BODY)),
        (b"", headers(BODY)),
    ]
    for body, sent in bad:
        answer = await house.public.post(PATH, content=body, headers=sent)
        assert (answer.status_code, answer.json()["reason"]) == (401, "signature_invalid")
    assert await house.rows("SELECT FROM inbox_events") == []
    # With the old and with the new secret it is one.
    for number, secret in enumerate(("new", CLIENT_SECRET)):
        sent = headers(BODY, Hmac_Sha256=signature(BODY, secret), Webhook_Id=str(number))
        assert (await house.public.post(PATH, content=BODY, headers=sent)).status_code == 200


async def test_signed_webhooks_that_make_no_sense_are_refused(house: House) -> None:
    for path, changes, reason in (
        ("/webhooks/shopify/customers/redact", {}, "request_invalid"),
        (PATH, {"Topic": "shop/redact"}, "request_invalid"),
        ("/webhooks/shopify/", {"Topic": ""}, "request_invalid"),
        ("/webhooks/shopify/..%2f..%2fetc", {"Topic": ""}, "request_invalid"),
        (PATH, {"Shop_Domain": ""}, "shop_invalid"),
        (PATH, {"Shop_Domain": "evil.example"}, "shop_invalid"),
        (PATH, {"Webhook_Id": "x" * 151}, "request_invalid"),
    ):
        answer = await house.public.post(path, content=BODY, headers=headers(BODY, **changes))
        assert (answer.status_code, answer.json()["reason"]) == (400, reason), (path, changes)
    large = b" " * (house.settings.webhook_limit_bytes + 1)
    answer = await house.public.post(PATH, content=large, headers=headers(large))
    assert answer.status_code == 413
    assert (await house.public.get(PATH)).status_code in (404, 405)


async def test_a_time_that_can_not_be_read_is_no_reason_to_lose_a_webhook(house: House) -> None:
    for number, text in enumerate(("", "yesterday", "0001-01-01T00:00:00+14:00")):
        sent = headers(BODY, Triggered_At=text, Webhook_Id=str(number))
        assert (await house.public.post(PATH, content=BODY, headers=sent)).status_code == 200


async def test_the_same_id_a_hundred_times_at_once_is_stored_once_and_processed_once(house: House) -> None:
    answers = await asyncio.gather(*(house.public.post(PATH, content=BODY, headers=headers(BODY)) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await house.rows("SELECT FROM inbox_events")) == 1
    await Worker(house.system).drain()
    assert (await house.public.post(PATH, content=BODY, headers=headers(BODY))).status_code == 200
    await Worker(house.system).drain()
    assert len(await house.rows("SELECT FROM events WHERE kind = 'uninstalled'")) == 1


async def test_without_an_id_the_content_is_the_id(house: House) -> None:
    for _ in range(2):
        answer = await house.public.post(PATH, content=BODY, headers=headers(BODY, Webhook_Id=""))
        assert answer.status_code == 200
    assert len(await house.rows("SELECT FROM inbox_events")) == 1


async def test_the_family_of_names_without_the_x_is_understood(house: House) -> None:
    sent = {name.replace("X-Shopify", "Shopify"): value for name, value in headers(BODY).items()}
    assert (await house.public.post(PATH, content=BODY, headers=sent)).status_code == 200
    [event] = await house.rows("SELECT event_id FROM inbox_events")
    assert event["event_id"] == headers(BODY)["X-Shopify-Webhook-Id"]


async def test_a_body_about_another_shop_than_the_header_does_nothing_and_raises_an_alarm(house: House) -> None:
    """The header is not signed."""
    for number, body in enumerate(
        (b'{"myshopify_domain":"other.myshopify.com"}', b"{}", b"[]", b"not json", b'{"myshopify_domain":7}', b"\xff")
    ):
        answer = await house.public.post(PATH, content=body, headers=headers(body, Webhook_Id=str(number)))
        assert answer.status_code == 200
    await Worker(house.system).drain()
    [merchant] = await house.rows("SELECT * FROM merchants")
    assert (merchant["status"], merchant["uninstalled_at"]) == ("active", None)
    assert {row["status"] for row in await house.rows("SELECT status FROM jobs")} == {"done"}
    metrics = (await house.public.get("/metrics")).text
    assert 'settle_alarms_total{reason="webhook_not_understood"}' in metrics


async def test_an_unknown_topic_and_an_unknown_shop_are_taken_and_left(house: House) -> None:
    stranger = json.dumps({"myshopify_domain": "stranger.myshopify.com"}).encode()
    sent = headers(stranger, Shop_Domain="stranger.myshopify.com")
    assert (await house.public.post(PATH, content=stranger, headers=sent)).status_code == 200
    sent = headers(BODY, Topic="app/scopes_update", Webhook_Id="2")
    assert (
        await house.public.post("/webhooks/shopify/app/scopes_update", content=BODY, headers=sent)
    ).status_code == 200
    await Worker(house.system).drain()
    events = await house.rows("SELECT processed_at, payload FROM inbox_events")
    assert all(event["processed_at"] and event["payload"] is None for event in events)
    [merchant] = await house.rows("SELECT * FROM merchants")
    assert merchant["uninstalled_at"] is None


async def delivered(box: Box, number: int, state: str = "delivered") -> dict[str, Any]:
    async def reached() -> dict[str, Any] | None:
        webhook: dict[str, Any] = (await box.outside.get(f"/sandbox/webhooks/{number}")).json()
        return webhook if webhook["state"] == state else None

    found = await wait_until(reached, 10, f"webhook {number} is {state}")
    assert found is not None
    return found


async def send(box: Box, **what: Any) -> dict[str, Any]:
    answer = await box.outside.post("/sandbox/webhooks", json={"topic": "app/uninstalled", **what})
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()
    return webhook


async def test_shopifys_deliveries_arrive_through_every_fault(box: Box) -> None:
    """What the sandbox's Shopify does wrong, one after the other: each webhook is stored once in the end."""
    for fault, more, tries in (
        ("duplicate_webhook", {"value": 3}, [200, 200, 200]),
        ("drop_webhook_answer", {}, [200, 200]),
        ("webhook_wrong_hmac", {}, [401, 200]),
        ("webhook_no_hmac", {}, [401, 200]),
    ):
        await box.fault("shopify", fault, times=1, **more)
        webhook = await send(box, topic="app/scopes_update")
        if len(set(tries)) > 1 or fault == "drop_webhook_answer":

            async def tried_once(number: int = webhook["number"]) -> bool:
                return bool((await box.outside.get(f"/sandbox/webhooks/{number}")).json()["tries"])

            await wait_until(tried_once)
            await box.advance(11)
        found = await delivered(box, webhook["number"])
        assert [tried["status"] for tried in found["tries"]] == tries
        events = await box.house.rows("SELECT FROM inbox_events WHERE event_id = $1", webhook["webhook_id"])
        assert len(events) == 1


async def test_shopify_gives_up_after_eight_more_tries_within_four_hours(box: Box) -> None:
    """That the sandbox is as patient as Shopify, and not more."""
    await box.fault("shopify", "webhook_no_hmac")
    webhook = await send(box, topic="app/scopes_update")
    for _ in range(8):
        count = len((await box.outside.get(f"/sandbox/webhooks/{webhook['number']}")).json()["tries"])

        async def one_more(count: int = count) -> bool:
            found = (await box.outside.get(f"/sandbox/webhooks/{webhook['number']}")).json()
            return len(found["tries"]) > count

        if count == 0:
            await wait_until(one_more)
        await box.advance(7_201)
    found = await delivered(box, webhook["number"], "failed")
    assert [tried["status"] for tried in found["tries"]] == [401] * 9


async def test_no_webhook_waits_for_what_it_means(box: Box) -> None:
    """The answer comes though everything but the database is away, and no worker runs."""
    for target in ("shopify", "oauth", "rpc", "trm", "prices"):
        await box.fault(target, "drop")
    webhook = await send(box)
    assert (await delivered(box, webhook["number"]))["tries"][0]["status"] == 200


@pytest.mark.parametrize("order", ["uninstall first", "uninstall last"])
async def test_news_of_an_uninstall_that_is_older_than_the_installation_changes_nothing(
    box: Box, browser: httpx.AsyncClient, order: str
) -> None:
    """Uninstalled and installed again within seconds: the webhooks arrive in either order."""
    uninstalled_at = box.house.system.clock.now()
    if order == "uninstall first":
        await box.outside.post("/sandbox/admin/uninstall", json={})
        await wait_until(lambda: box.house.rows("SELECT FROM inbox_events"))
        await Worker(box.house.system).drain()
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    if order == "uninstall last":
        webhook = await send(box, triggered_at=uninstalled_at.isoformat())
        await delivered(box, webhook["number"])
        await Worker(box.house.system).drain()
    [merchant] = await box.house.rows("SELECT * FROM merchants")
    assert (merchant["status"], merchant["uninstalled_at"]) == ("active", None)
    assert merchant["token_sealed"] is not None


async def test_an_uninstall_that_is_told_after_what_came_later_changes_nothing(
    box: Box, browser: httpx.AsyncClient
) -> None:
    """Shopify itself delivers in another order than it happened."""
    await box.fault("shopify", "webhook_reorder")
    await box.outside.post("/sandbox/admin/uninstall", json={})
    await browser.get(f"{box.world.url}/sandbox/admin/app")
    webhook = await send(box, topic="app/scopes_update")
    await delivered(box, webhook["number"])
    await wait_until(lambda: box.house.rows("SELECT FROM inbox_events WHERE topic = 'app/uninstalled'"))
    arrived = await box.house.rows("SELECT topic FROM inbox_events ORDER BY id")
    assert [event["topic"] for event in arrived] == ["app/scopes_update", "app/uninstalled"]
    await Worker(box.house.system).drain()
    [merchant] = await box.house.rows("SELECT * FROM merchants")
    assert (merchant["status"], merchant["uninstalled_at"]) == ("active", None)
    assert merchant["token_sealed"] is not None
