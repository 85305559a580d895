"""Payments go their whole way through the functions: every call is an event, and nothing runs in between.

What a payment costs in invocations is counted here; docs/performance.md makes a price of it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from app.seeding import seed_merchant
from app.tracing import tracing
from handlers.aws.public import PublicLambda
from handlers.aws.schedules import do_due_jobs, watch_chain
from handlers.aws.shopify import ShopifyLambda
from scripts.draw_cost import COUNTED, FIRST_VIEW
from tests.box import open_world, settings_in
from tests.collector import Collector, trace_of
from tests.integration.aws.conftest import Lambda, make_lambda
from tests.integration.aws.gateway import CERTIFICATE, Account, serving_doors
from tests.waiting import wait_until

NAMES = ("public", "shopify", "jobs", "schedules")


@dataclass
class Town:
    """The world, and Settle in it as an account of AWS."""

    outside: httpx.AsyncClient
    public: httpx.AsyncClient
    account: Account
    functions: dict[str, Lambda]

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        async def read(system: Any, _bell: Any) -> list[Any]:
            async with system.database.acquire() as connection:
                return list(await connection.fetch(query, *arguments))

        return await self.functions["schedules"].run(read)


@asynccontextmanager
async def open_town(database_url: str, folder: Path, queue_url: str, **changes: Any) -> AsyncIterator[Town]:
    async with open_world(folder) as (world, outside), AsyncExitStack() as stack:
        settings = settings_in(
            world,
            database_url,
            aws_queue_url=queue_url,
            database_pool_size=2,
            shopify_answer_grace_seconds=0,
            **changes,
        )
        await seed_merchant(settings)
        functions = {name: make_lambda(settings) for name in NAMES}
        for function in functions.values():
            stack.push_async_callback(function.close)
        account = Account(queue_url, functions)
        public = account.door("public", PublicLambda(functions["public"].container))
        shopify = account.door("shopify", ShopifyLambda(functions["shopify"].container), CERTIFICATE)
        await stack.enter_async_context(serving_doors(settings, public, shopify))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=settings.public_url, timeout=30))
        yield Town(outside, client, account, functions)


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path, aws: str) -> AsyncIterator[Town]:
    async with open_town(database_url, tmp_path, aws) as opened:
        yield opened


async def pay(town: Town) -> dict[str, Any]:
    """A customer comes, and a wallet pays; what the store calls the checkout, with our id as `payment`."""
    opened = await town.outside.post("/sandbox/checkouts", json={"amount": "12.34", "currency": "USD"})
    assert opened.status_code == 201, opened.text
    checkout: dict[str, Any] = opened.json()
    checkout["payment"] = checkout["redirect_url"].rpartition("/")[2]
    wallet = (await town.outside.post("/sandbox/wallets", json={"usdc": "100"})).json()["address"]
    link = f"solana:{town.public.base_url}/transactions/payment/{checkout['payment']}".replace("//trans", "/trans")
    paid = await town.outside.post(f"/sandbox/wallets/{wallet}/pay", json={"link": link})
    assert paid.status_code == 200, paid.text
    return checkout


async def test_a_payment_goes_its_whole_way_through_the_functions(town: Town) -> None:
    stop = asyncio.Event()
    polling = asyncio.create_task(town.account.poll(stop))
    try:
        checkout = await pay(town)
        # One round of the schedule's minute: it sees what landed, and rings; the ring tells Shopify.
        await town.account.run("schedules", watch_chain, 3)

        async def is_completed() -> bool:
            status = await town.public.get(f"/pay/{checkout['payment']}/status")
            return bool(status.json()["status"] == "completed")

        await wait_until(is_completed, 20, "it is completed")
    finally:
        stop.set()
        await polling
    known = (await town.outside.get(f"/sandbox/checkouts/{checkout['id']}")).json()
    assert (known["state"], known["alarms"]) == ("resolved", [])
    # What docs/performance.md reckons with: the session; the wallet's label, icon and transaction; a batch of rings.
    counted = {name: town.account.invocations[name] for name in COUNTED}
    assert counted == COUNTED


async def test_a_payments_trace_is_sent_before_each_answer(database_url: str, tmp_path: Path, aws: str) -> None:
    collector = Collector()
    try:
        async with open_town(database_url, tmp_path, aws, otlp_url=collector.traces_url) as town:
            checkout = await pay(town)
            trace = trace_of(checkout["payment"])
            # Nothing runs between two events, so nothing can come later.
            sent = [span.name for span in collector.spans(trace)]
            assert {"payment session", "transaction request"} <= set(sent)
            await town.account.run("schedules", watch_chain, 3)
            await town.account.run("schedules", do_due_jobs, 3)
            spans = collector.spans(trace)
            assert {"settlement", "Shopify paymentSessionResolve"} <= {span.name for span in spans}
            assert {span.service for span in spans} == {"settle-aws"}
    finally:
        tracing.close()
        collector.close()


async def test_a_first_view_of_the_page_calls_the_public_function_as_often_as_is_reckoned(town: Town) -> None:
    opened = await town.outside.post("/sandbox/checkouts", json={"amount": "12.34", "currency": "USD"})
    before = town.account.invocations.total() - town.account.invocations["/webhooks/helius"]
    page = await town.public.get(opened.json()["redirect_url"])
    found = {part for part in page.text.split('"') if part.startswith("/static/")}
    seen: set[str] = set()
    while found - seen:
        for path in found - seen:
            seen.add(path)
            text = (await town.public.get(path)).text
            folder = path.rpartition("/")[0]
            names = [part for part in text.split('"') if part.startswith("./") and part.endswith(".js")]
            found |= {f"{folder}/{name[2:]}" for name in names}
    # Helius' webhook knocks at the same door.
    helius = town.account.invocations["/webhooks/helius"]
    assert town.account.invocations.total() - helius - before <= FIRST_VIEW


async def test_after_a_restore_the_functions_issue_nothing_until_the_watch_has_swept(
    database_url: str, tmp_path: Path, aws: str
) -> None:
    async with open_town(database_url, tmp_path, aws) as town:
        await town.rows("UPDATE database_origins SET timeline = '00000009'")
    # A new container, on a database that is another one.
    async with open_town(database_url, tmp_path, aws) as town:
        opened = await town.outside.post("/sandbox/checkouts", json={"amount": "12.34", "currency": "USD"})
        path = f"/transactions/payment/{opened.json()['redirect_url'].rpartition('/')[2]}"
        wallet = (await town.outside.post("/sandbox/wallets", json={"usdc": "100"})).json()["address"]
        refused = await town.public.post(path, json={"account": wallet})
        assert (refused.status_code, refused.json()["reason"]) == (503, "issuing_paused")
        await town.account.run("schedules", watch_chain, 1)
        # 150 blocks, finality, and what a node may be behind.
        await town.outside.post("/sandbox/clock", json={"advance_seconds": 20})
        await town.account.run("schedules", watch_chain, 1)
        assert (await town.public.post(path, json={"account": wallet})).status_code == 200


async def test_what_was_paid_while_no_function_ran_is_told_when_the_schedule_does(town: Town) -> None:
    checkout = await pay(town)
    await town.outside.post("/sandbox/clock", json={"advance_seconds": 3600})
    await town.account.run("schedules", watch_chain, 3)
    # The rings lie in the queue and nobody polls it: the schedule does their jobs.
    await town.account.run("schedules", do_due_jobs, 10)
    known = (await town.outside.get(f"/sandbox/checkouts/{checkout['id']}")).json()
    assert known["state"] == "resolved"
