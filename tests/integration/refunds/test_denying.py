"""Denying a refund: nothing more is issued, and of denying and paying exactly one comes true, here and at Shopify."""

import asyncio
import random
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.jobs.worker import Worker
from tests.box import Box
from tests.conftest import Scale
from tests.house import SHOP
from tests.integration.refunds.test_paying import RESOLVE, merchant
from tests.integration.refunds.test_rejecting import REJECT, applied
from tests.scene import Scene, open_scene

WHY = "The goods were not sent back."


async def deny(portal: httpx.AsyncClient, refund: dict[str, Any], message: str = WHY) -> httpx.Response:
    return await portal.post(f"/portal/api/refunds/{refund['row']['id']}/deny", json={"message": message})


async def test_a_refund_that_nobody_began_to_pay_is_rejected_at_once_with_the_merchants_words(box: Box) -> None:
    refund = await box.refund(await box.paid())
    async with box.house.portal(SHOP) as portal:
        answer = await deny(portal, refund, f"  {WHY}\n")
        assert answer.status_code == 200, answer.text
        assert (answer.json()["refund"]["status"], answer.json()["refund"]["message"]) == ("denying", WHY)
        await box.until_refund(refund, "rejected")
        known = await box.refund_at_shopify(refund)
        assert (known["state"], known["reason"], known["merchant_message"]) == ("rejected", "PROCESSING_ERROR", WHY)
        assert applied(known) == [REJECT]
        again = await deny(portal, refund, "Another reason.")
        assert (again.status_code, again.json()["refund"]["message"]) == (200, WHY)
    answer = await box.house.public.post(
        f"/transactions/refund/{refund['row']['id']}", json={"account": await merchant(box)}
    )
    assert (answer.status_code, answer.json()["reason"]) == (409, "refund_closed")


async def test_what_was_denied_can_be_given_back_in_another_refund(box: Box) -> None:
    checkout = await box.paid("10.00")
    first = await box.refund(checkout, "10.00")
    async with box.house.portal(SHOP) as portal:
        await deny(portal, first)
    await box.until_refund(first, "rejected")
    second = await box.refund(checkout, "10.00")
    assert (second["row"]["status"], second["row"]["usdc"]) == ("pending", 10_000_000)


async def test_the_list_has_what_waits_first_and_only_the_merchants_own(box: Box) -> None:
    checkout = await box.paid("12.34")
    denied, opened = await box.refund(checkout, "1.5"), await box.refund(checkout, "2")
    above = await box.refund(checkout, "99.00")
    await _add_shop(box, "other.myshopify.com")
    async with box.house.portal(SHOP) as portal, box.house.portal("other.myshopify.com") as stranger:
        assert (await deny(portal, denied)).status_code == 200
        listed = (await portal.get("/portal/api/refunds")).json()["refunds"]
        assert [one["shopify_id"] for one in listed] == [opened["id"], above["id"], denied["id"]]
        first = listed[0]
        assert first["link"] == opened["link"]
        assert {name: first[name] for name in ("id", "payment_id", "amount", "currency", "usdc", "status")} == {
            "id": opened["row"]["id"],
            "payment_id": checkout["payment"],
            "amount": "2.00",
            "currency": "USD",
            "usdc": "2.00",
            "status": "pending",
        }
        assert listed[1]["usdc"] is None
        assert (await stranger.get("/portal/api/refunds")).json() == {"refunds": []}
        refused = await deny(stranger, opened)
        assert (refused.status_code, refused.json()["reason"]) == (404, "refund_not_found")
    assert (await box.refund_row(opened))["status"] == "pending"


async def test_denying_is_for_who_is_signed_in_means_it_and_says_why(box: Box) -> None:
    refund = await box.refund(await box.paid())
    path = f"/portal/api/refunds/{refund['row']['id']}/deny"
    stranger = await box.house.public.post(path, json={"message": WHY})
    assert (stranger.status_code, stranger.json()["reason"]) == (401, "signed_out")
    async with box.house.portal(SHOP) as portal:
        forged = await portal.post(path, json={"message": WHY}, headers={"X-CSRF-Token": "made up"})
        assert (forged.status_code, forged.json()["reason"]) == (403, "csrf_invalid")
        for message in ("", "   ", "x" * 501, "nul \x00 in it"):
            refused = await portal.post(path, json={"message": message})
            assert (refused.status_code, refused.json()["reason"]) == (400, "denial_invalid"), message
        for body in (b"", b"{}", b"[]", b'{"message": 1}'):
            refused = await portal.post(path, content=body)
            assert (refused.status_code, refused.json()["reason"]) == (400, "request_invalid"), body
        assert (await box.refund_row(refund))["status"] == "pending"
        assert (await box.pay(await merchant(box), refund["link"])).status_code == 200
        await box.until_refund(refund, "completed")
        late = await deny(portal, refund)
        assert (late.status_code, late.json()["reason"]) == (409, "refund_already_paid")


async def _add_shop(box: Box, shop: str) -> None:
    await box.house.rows(
        """INSERT INTO merchants (shop, display_name, status, wallet, token_sealed, created_at, updated_at)
        SELECT $1, 'Other', 'active', wallet, token_sealed, created_at, updated_at FROM merchants LIMIT 1""",
        shop,
    )


@pytest.mark.timeout(1_800)
async def test_of_denying_and_paying_exactly_one_comes_true(database_url: str, tmp_path: Path, scale: Scale) -> None:
    """1,000 races (soak): what was handed out lands before, while or after the merchant denies, or never."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    outcomes: dict[str, int] = {}
    async with open_scene(database_url, tmp_path) as scene, scene.box.house.portal(SHOP) as portal:
        checkout = await _paid(scene, "190.00")
        for number in range(scale.pick(24, 1_000)):
            if number % 150 == 149:
                checkout = await _paid(scene, "190.00")
            refund = await scene.box.refund(checkout, "1.00")
            landed = await _race(scene, portal, refund, chance.choice(sorted(_RACES)), chance)
            await Worker(scene.system).drain()
            row, known = await scene.box.refund_row(refund), await scene.box.refund_at_shopify(refund)
            expected = ("completed", "resolved", [RESOLVE]) if landed else ("rejected", "rejected", [REJECT])
            assert (row["status"], known["state"], applied(known)) == expected
            assert (known["alarms"], row["exception"]) == ([], "none")
            outcomes[row["status"]] = outcomes.get(row["status"], 0) + 1
        assert set(outcomes) == {"completed", "rejected"}, outcomes
        given = await scene.value(
            "SELECT sum(usdc) FROM issued_transactions WHERE refund_id IS NOT NULL AND fate = 'landed'"
        )
        assert given == outcomes["completed"] * 1_000_000
        assert await scene.box.violations() == []


async def _paid(scene: Scene, amount: str) -> dict[str, Any]:
    checkout = await scene.box.checkout(amount)
    wallet = await scene.box.wallet("200")
    await scene.refresh()
    answer = await scene.send(wallet, await scene.box.fetch(wallet, checkout["link"]))
    assert answer.status_code == 200, answer.text
    await scene.settle()
    await Worker(scene.system).drain()
    return checkout


async def _race(
    scene: Scene, portal: httpx.AsyncClient, refund: dict[str, Any], kind: str, chance: random.Random
) -> bool:
    """Whether the refund's transaction landed."""
    wallet = await merchant(scene.box)
    await scene.refresh()
    transaction = await scene.box.fetch(wallet, refund["link"])
    await _RACES[kind](scene, portal, refund, (wallet, transaction))
    if chance.random() < 0.5:
        await scene.settle()
    # Whatever was not sent by now is dead after this, and what landed is final.
    await scene.die()
    [row] = await scene.box.house.rows("SELECT fate FROM issued_transactions WHERE refund_id = $1", refund["row"]["id"])
    assert row["fate"] in ("landed", "dead"), row
    return bool(row["fate"] == "landed")


async def _both_at_once(scene: Scene, portal: Any, refund: dict[str, Any], sent: tuple[str, str]) -> None:
    await asyncio.gather(deny(portal, refund), scene.send_raw(*sent))
    scene.devnet.advance_slots(1)
    await scene.look()


async def _denied_then_sent(scene: Scene, portal: Any, refund: dict[str, Any], sent: tuple[str, str]) -> None:
    assert (await deny(portal, refund)).json()["refund"]["status"] == "denying"
    # Shopify is not told: it may still land.
    await Worker(scene.system).drain()
    await scene.send_raw(*sent)
    scene.devnet.advance_slots(1)


async def _sent_then_denied_while_settle_looks(
    scene: Scene, portal: Any, refund: dict[str, Any], sent: tuple[str, str]
) -> None:
    await scene.send_raw(*sent)
    scene.devnet.advance_slots(1)
    await asyncio.gather(scene.look(), deny(portal, refund))


async def _denied_and_never_sent(scene: Scene, portal: Any, refund: dict[str, Any], _sent: tuple[str, str]) -> None:
    assert (await deny(portal, refund)).status_code == 200


async def _denied_and_sent_too_late(scene: Scene, portal: Any, refund: dict[str, Any], sent: tuple[str, str]) -> None:
    assert (await deny(portal, refund)).status_code == 200
    scene.devnet.advance_slots(300)
    await asyncio.gather(scene.look(), scene.send_raw(*sent))
    scene.devnet.advance_slots(1)


async def _sent_and_denied_while_shopify_is_told(
    scene: Scene, portal: Any, refund: dict[str, Any], sent: tuple[str, str]
) -> None:
    await scene.send_raw(*sent)
    scene.devnet.advance_slots(1)
    await scene.look()
    await asyncio.gather(Worker(scene.system).drain(), deny(portal, refund))


_RACES = {
    race.__name__: race
    for race in (
        _both_at_once,
        _denied_then_sent,
        _sent_then_denied_while_settle_looks,
        _denied_and_never_sent,
        _denied_and_sent_too_late,
        _sent_and_denied_while_shopify_is_told,
    )
}
