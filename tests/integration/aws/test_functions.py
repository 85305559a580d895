"""The functions with events as AWS documents them: doors (format 2.0), schedules, secrets, frozen containers."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import boto3
import httpx
import pytest
import pytest_asyncio

from app.records import Cluster
from app.seeding import seed_merchant
from app.settings import Settings
from handlers.aws.container import REST_SECONDS, SecretInvalid, read_settings
from handlers.aws.public import PublicLambda
from handlers.aws.schedules import do_due_jobs, reclaim, reconcile, sweep, upkeep, watch_chain
from handlers.aws.shopify import ShopifyLambda
from tests.bench.ground import environment_of
from tests.conftest import Scale
from tests.house import SHOP, VERSION, session_body
from tests.integration.aws.conftest import Lambda, make_lambda
from tests.integration.aws.gateway import CERTIFICATE, http_event

_CONNECTED = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'settle' AND datname = current_database()
"""


@pytest_asyncio.fixture
async def function(settings: Settings) -> AsyncIterator[Lambda]:
    await seed_merchant(settings)
    made = make_lambda(settings)
    try:
        yield made
    finally:
        await made.close()


def session_event(authentication: Any = CERTIFICATE) -> dict[str, Any]:
    headers = {
        "shopify-shop-domain": SHOP,
        "shopify-api-version": VERSION,
        "shopify-request-id": "request",
    }
    body = json.dumps(session_body()).encode()
    return http_event("POST", "/shopify/payment", body=body, authentication=authentication, headers=headers)


async def test_a_session_is_opened_at_shopifys_door(function: Lambda, settings: Settings) -> None:
    door = ShopifyLambda(function.container)
    answer = await function.invoke(door, session_event(), None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["redirect_url"].startswith(f"{settings.public_url}/pay/")


@pytest.mark.parametrize("authentication", [None, {}, {"clientCert": None}, {"clientCert": {"clientCertPem": ""}}])
async def test_an_event_without_a_client_certificate_is_refused(function: Lambda, authentication: Any) -> None:
    door = ShopifyLambda(function.container)
    answer = await function.invoke(door, session_event(authentication), None)
    assert (answer["statusCode"], json.loads(answer["body"])["reason"]) == (403, "client_certificate_missing")


async def test_the_page_is_served_and_polls_instead_of_streaming(function: Lambda) -> None:
    opened = await function.invoke(ShopifyLambda(function.container), session_event(), None)
    path = httpx.URL(json.loads(opened["body"])["redirect_url"]).path
    door = PublicLambda(function.container)
    page = await function.invoke(door, http_event("GET", path), None)
    assert page["statusCode"] == 200
    assert "<svg" in page["body"]
    stream = await function.invoke(door, http_event("GET", f"{path}/events"), None)
    assert stream["statusCode"] == 503
    status = await function.invoke(door, http_event("GET", f"{path}/status"), None)
    assert json.loads(status["body"])["stage"] == "waiting"


async def test_a_webhook_leaves_a_ring_behind_before_its_answer(function: Lambda, settings: Settings, aws: str) -> None:
    door = PublicLambda(function.container)
    body = b"{}"
    digest = hmac.digest(settings.shopify_client_secrets[0].encode(), body, "sha256")
    headers = {
        "x-shopify-hmac-sha256": base64.b64encode(digest).decode(),
        "x-shopify-shop-domain": SHOP,
        "x-shopify-topic": "orders/create",
        "x-shopify-webhook-id": "webhook",
        "x-shopify-event-id": "event",
    }
    event = http_event("POST", "/webhooks/shopify/orders/create", body=body, headers=headers)
    answer = await function.invoke(door, event, None)
    assert answer["statusCode"] == 200, answer["body"]
    received = boto3.client("sqs").receive_message(QueueUrl=aws)
    assert len(received["Messages"]) == 1


async def test_nothing_runs_on_after_an_invocation(function: Lambda) -> None:
    """A frozen container runs nothing: what is left undone then is lost, or comes at a bad time."""
    await function.invoke(ShopifyLambda(function.container), session_event(), None)

    def left() -> list[str]:
        loop = function.container.loop
        return [repr(task) for task in asyncio.all_tasks(loop) if not task.done()]

    assert await function.invoke(left) == []


async def test_after_a_rest_connections_that_died_meanwhile_are_not_used(function: Lambda, settings: Settings) -> None:
    door = ShopifyLambda(function.container)
    assert (await function.invoke(door, session_event(), None))["statusCode"] == 200
    function.container._used_at -= REST_SECONDS + 1
    # A proxy in between closes what is idle.
    other = await asyncpg.connect(settings.database_url)
    ended = await other.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'settle' AND datname = current_database()"
    )
    await other.close()
    assert ended
    assert (await function.invoke(door, session_event(), None))["statusCode"] == 200


async def test_figures_of_the_chain_are_never_older_than_the_invocation(function: Lambda) -> None:
    system, _ = await function.invoke(function.container.ready)
    cache = system.clusters[Cluster.live].snapshots
    cache._snapshot = object()  # as an invocation of an hour ago left it
    await function.invoke(function.container.ready)
    assert cache.current(0, 0) is None


@pytest.mark.parametrize("work", [do_due_jobs, watch_chain, reconcile, sweep, reclaim, upkeep])
async def test_every_schedule_ends_in_time_with_nothing_to_do_and_the_chain_away(function: Lambda, work: Any) -> None:
    began = time.monotonic()
    await function.run(lambda system, bell: work(system, bell, 3))
    assert time.monotonic() - began < 10


async def test_a_hundred_containers_stay_within_the_databases_connections(settings: Settings, scale: Scale) -> None:
    """Each holds one connection between its invocations, and two at most."""
    await seed_merchant(settings)
    functions = [make_lambda(settings) for _ in range(scale.pick(ci=20, soak=100))]
    doors = [ShopifyLambda(each.container) for each in functions]
    connected = 0
    other = await asyncpg.connect(settings.database_url)
    try:
        # Cold, then warm.
        for _ in range(2):
            invoking = asyncio.gather(
                *(each.invoke(door, session_event(), None) for each, door in zip(functions, doors, strict=True))
            )
            while not invoking.done():
                connected = max(connected, await other.fetchval(_CONNECTED))
                await asyncio.wait({invoking}, timeout=0.02)
            assert {answer["statusCode"] for answer in invoking.result()} == {200}
        assert await other.fetchval("SELECT count(*) FROM payments") == 2 * len(functions)
    finally:
        await other.close()
        await asyncio.gather(*(each.close() for each in functions))
    print(f"{len(functions)} containers, at most {connected} connections")
    assert len(functions) <= connected <= len(functions) * settings.database_pool_size


def test_secret_settings_come_from_secrets_manager_and_the_environment_comes_first(
    settings: Settings, aws: str
) -> None:
    given = environment_of(settings)
    secret = {
        "SETTLE_DERIVATION_SECRET": "a" * 64,
        "SETTLE_TRM_API_KEY": "sealed",
        "SETTLE_LOG_LEVEL": "error",
    }
    boto3.client("secretsmanager").create_secret(Name="settle", SecretString=json.dumps(secret))
    environment = {name: value for name, value in given.items() if name not in secret}
    found = read_settings({**environment, "SETTLE_AWS_SECRET_ID": "settle", "SETTLE_LOG_LEVEL": "warning"})
    assert (found.derivation_secret, found.trm_api_key, found.log_level) == ("a" * 64, "sealed", "warning")


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"SETTLE_PUBLIC_PORT": 1}'])
def test_a_secret_that_is_no_object_of_texts_is_refused(aws: str, text: str) -> None:
    boto3.client("secretsmanager").create_secret(Name="settle", SecretString=text)
    with pytest.raises(SecretInvalid):
        read_settings({"SETTLE_AWS_SECRET_ID": "settle"})
