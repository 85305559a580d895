"""What is known of a customer: whole, sealed, for the merchant alone, and not for ever."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

from app.upkeep import Upkeep
from tests.bench.ground import environment_of
from tests.box import Box
from tests.house import SHOP
from tests.integration.install.test_webhooks import delivered, send
from tests.integration.privacy.test_erasure import ALICE, BOB, DAY, SAME_ALICE, ask, canaries_of, final, give_back, pay


async def run(box: Box, *arguments: str) -> str:
    """The output of `settle privacy ...`."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "handlers.cli", "privacy", *arguments],
        env=os.environ | environment_of(box.house.settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_export_has_all_that_is_known_of_the_customer_and_nothing_of_another(box: Box) -> None:
    alice, bob = await pay(box, ALICE), await pay(box, BOB)
    await give_back(box, alice)
    await final(box)
    request = await ask(
        box, "customers/data_request", "exported", customer=SAME_ALICE, orders_requested=[1], data_request={"id": 9999}
    )
    assert request["payments"] == 1
    async with box.house.portal() as client:
        [listed] = (await client.get("/portal/api/privacy")).json()["requests"]
        page = await client.get("/portal/privacy")
        assert (page.status_code, listed["download"] in page.text) == (200, True)
        file = await client.get(listed["download"])
    assert file.headers["content-disposition"] == f'attachment; filename="settle-customer-{request["id"]}.json"'
    told = file.json()
    assert (told["shop"], told["data_request"]) == (SHOP, "9999")
    [payment] = told["payments"]
    assert payment["payment"]["id"] == alice["payment"]
    assert payment["transactions"][0]["wallet"] == alice["wallet"]
    [refund] = payment["refunds"]
    assert (refund["payee_wallet"], payment["transactions"][1]["refund_id"]) == (alice["wallet"], refund["id"])
    assert payment["history"][0]["kind"] == "created"
    assert payment["told_to_shopify"][0]["calls"][0]["outcome"] == "acknowledged"
    for text in await canaries_of(box, alice):
        # A key of 32 bytes is in the transaction, in PostgreSQL's spelling.
        assert text in file.text
    only_his = [text for text in await canaries_of(box, bob) if text not in await canaries_of(box, alice)]
    assert [text for text in only_his if text in file.text] == []
    # The operator gets the same.
    assert json.loads(await run(box, "export", str(request["id"]))) == told
    [line] = (await run(box, "list")).splitlines()
    assert json.loads(line)["outcome"] == "exported"


async def test_at_rest_it_is_sealed_and_after_its_time_it_is_gone(box: Box) -> None:
    await pay(box, ALICE)
    request = await ask(box, "customers/data_request", "exported", customer=SAME_ALICE)
    assert b"fr-CA" not in bytes(request["export_sealed"])
    await box.advance(29 * DAY)
    await Upkeep(box.house.system).look()
    async with box.house.portal() as client:
        assert (await client.get(f"/portal/privacy/{request['id']}")).status_code == 200
    await box.advance(2 * DAY)
    await Upkeep(box.house.system).look()
    [row] = await box.house.rows("SELECT * FROM privacy_requests")
    assert (row["export_sealed"], row["outcome"]) == (None, "exported")
    async with box.house.portal() as client:
        answer = await client.get(f"/portal/privacy/{request['id']}")
        assert (answer.status_code, answer.json()["reason"]) == (404, "privacy_request_not_found")


async def test_no_other_shop_and_no_stranger_gets_it(box: Box) -> None:
    await pay(box, ALICE)
    request = await ask(box, "customers/data_request", "exported", customer=SAME_ALICE)
    await box.house.rows(
        """INSERT INTO merchants (shop, display_name, status, created_at, updated_at)
        VALUES ('other.myshopify.com', 'Other', 'inactive', now(), now())"""
    )
    path = f"/portal/privacy/{request['id']}"
    assert (await box.house.public.get(path)).status_code == 401
    async with box.house.portal("other.myshopify.com") as other:
        for address in (path, "/portal/privacy/0", "/portal/privacy/x", "/portal/privacy/" + "9" * 30, f"{path}%20"):
            assert (await other.get(address)).status_code == 404
        assert (await other.get("/portal/api/privacy")).json() == {"requests": []}


async def test_requests_are_done_once_and_in_time_and_the_metrics_say_what_is_left(box: Box) -> None:
    """The same webhook again, a job that was lost, and the deadline for all to see."""
    await pay(box, ALICE)
    first = await send(box, topic="customers/data_request", payload={"customer": SAME_ALICE})
    await delivered(box, first["number"])
    again = await send(
        box, topic="customers/data_request", payload={"customer": SAME_ALICE}, webhook_id=first["webhook_id"]
    )
    await delivered(box, again["number"])
    await ask(box, "customers/data_request", "exported", customer=SAME_ALICE)
    assert len(await box.house.rows("SELECT FROM privacy_requests")) == 2
    await box.house.rows(
        """INSERT INTO privacy_requests (merchant_id, kind, inbox_id, asked_at, due_at)
        SELECT id, 'customer_redact', 10000, now(), now() + interval '30 days' FROM merchants"""
    )

    async def metrics() -> dict[str, Any]:
        text = (await box.house.public.get("/metrics")).text
        lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith("settle_privacy"))
        return {name: float(value) for name, _, value in lines}

    violations = await box.violations()
    assert [violation.problem for violation in violations] == ["a request for privacy that no job will do"]
    found = await metrics()
    assert found['settle_privacy_requests_open{kind="customer_redact"}'] == 1
    assert 29 * DAY < found["settle_privacy_due_seconds"] <= 30 * DAY
    await Upkeep(box.house.system).look()
    assert await box.violations() == []
