"""The portal's part of `make screenshots`: a fortnight of a shop in the sandbox, then every page of it."""

import random
from typing import Any

from playwright.sync_api import Page

from scripts.screenshots.camera import Camera
from scripts.screenshots.world import World

DAY = 86_400
AMOUNTS = ("12.90", "34.00", "8.50", "129.00", "59.90", "18.20", "240.00", "75.50", "22.00", "310.40")
LONG_NAME = "Donaudampfschifffahrtsgesellschaft & Söhne Handels-GmbH"


def walk_portal(camera: Camera, world: World) -> None:
    """Every page, as the merchant comes by them."""
    camera.take("portal-signed-out", f"{world.app}/portal")
    camera.visit(f"{world.url}/sandbox/admin/app?shop=new-shop.myshopify.com", "**/portal")
    camera.take("portal-new", f"{world.app}/portal")
    camera.take("portal-onboarding", f"{world.app}/portal/onboarding")
    camera.take("portal-onboarding-scan", f"{world.app}/portal/onboarding", then=_begin_scan)
    for page in ("payments", "refunds", "attention"):
        camera.take(f"portal-no-{page}", f"{world.app}/portal/{page}")
    camera.visit(f"{world.url}/sandbox/admin/app", "**/portal")
    payment, refund = _live_a_fortnight(world)
    # The session has ended meanwhile.
    camera.visit(f"{world.url}/sandbox/admin/app", "**/portal")
    for page in ("payments", "refunds", "settings", "privacy"):
        camera.take(f"portal-{page}", f"{world.app}/portal/{page}")
    camera.take("portal-overview", f"{world.app}/portal")
    camera.take("portal-finder", f"{world.app}/portal/find?query=89.00+USD")
    camera.take("portal-finder-empty", f"{world.app}/portal/find?query=nothing")
    camera.take("portal-payment", f"{world.app}/portal/payments/{payment}")
    camera.take("portal-refund", f"{world.app}/portal/refunds/{refund}")
    stuck = _get_into_trouble(world, twice=payment)
    camera.visit(f"{world.url}/sandbox/admin/app", "**/portal")
    # Every sign-in brings a new one.
    world.write("UPDATE merchants SET token_lost_at = now()")
    camera.take("portal-attention", f"{world.app}/portal/attention")
    camera.take("portal-payment-stuck", f"{world.app}/portal/payments/{stuck}")
    camera.take("portal-payment-twice", f"{world.app}/portal/payments/{payment}")


def _begin_scan(page: Page) -> None:
    """The code, or what is there once a wallet has signed."""
    begin = page.get_by_role("button", name="Scan a code with your wallet")
    if begin.count():
        begin.click()
        page.locator(".qr").wait_for()


def walk_extremes(camera: Camera, world: World) -> None:
    """A long name, huge amounts, currencies of no and of three decimals: nothing may burst."""
    world.merchant().post(
        "/portal/settings", data={"name": LONG_NAME, "support": "", "language": "en"}
    ).raise_for_status()
    huge = world.checkout("1234567.895", "KWD", locale="de")
    camera.take("checkout-huge", huge["page"], "main[data-stage=waiting]")
    camera.take(
        "checkout-huge-yen", world.checkout("987654321", "JPY", locale="ja")["page"], "main[data-stage=waiting]"
    )
    camera.visit(f"{world.url}/sandbox/admin/app", "**/portal")
    camera.take("portal-huge", f"{world.app}/portal")
    camera.take("portal-payment-huge", f"{world.app}/portal/payments/{_id(huge)}")


def _live_a_fortnight(world: World) -> tuple[str, str]:
    """Customers pay, leave, come late; some orders are refunded; one refund waits.

    Returns a payment's id and that of the refund.
    """
    chance = random.Random(4)
    for _ in range(13):
        for _ in range(chance.randrange(1, 4)):
            _sell(world, chance.choice(AMOUNTS), chance.choice(("USD", "EUR")))
        world.checkout(chance.choice(AMOUNTS))
        world.pass_time(DAY + chance.randrange(20_000))
    _sell(world, "49.00", "USD", test=True)
    refunded, denied, waiting = (_sell(world, amount, "USD") for amount in ("64.00", "40.00", "89.00"))
    refund = _answer_refunds(world, refunded, denied, world.refund(waiting, "89.00"))
    world.break_down("shopify")
    world.pay(world.checkout("120.00", "EUR"))
    world.checkout("27.50")
    return _id(waiting), refund


def _get_into_trouble(world: World, twice: str) -> str:
    """Something of all that needs a person; `twice` is a payment's id. Returns the id of one that is stuck."""
    stuck = world.checkout("210.00")
    # Shopify is away.
    world.pay(stuck)

    def is_given_up() -> bool:
        world.pass_time(15_000)
        return world.status(stuck) == "stuck"

    world.until(is_given_up, "Shopify is told no more of a payment")
    world.mend()
    world.fault("rpc", "vanish", times=1)
    vanished = world.checkout("64.00", "EUR")
    world.pay(vanished)
    world.until(lambda: world.status(vanished) in ("paid", "completed"), "a payment is paid")
    world.pass_time(120)
    world.break_down("shopify")
    world.pay(world.checkout("39.00"))
    world.break_down("prices")
    world.checkout("45000", "KRW")
    world.pass_time(700)
    world.write("UPDATE payments SET exception = 'duplicate' WHERE id = $1", twice)
    # Settle looks at the account again only after a while.
    world.write("UPDATE merchants SET payout_problem = 'frozen', payout_seen_at = now() + interval '1 y'")
    return _id(stuck)


def _id(checkout: dict[str, Any]) -> str:
    payment_id: str = checkout["page"].rpartition("/")[2]
    return payment_id


def _sell(world: World, amount: str, currency: str, **more: Any) -> dict[str, Any]:
    """A checkout that a customer pays."""
    checkout = world.checkout(amount, currency, **more)
    world.pay(checkout, test=more.get("test", False))
    world.until_over(f"/sandbox/checkouts/{checkout['id']}")
    return checkout


def _answer_refunds(world: World, paid: dict[str, Any], denied: dict[str, Any], waiting: str) -> str:
    """The merchant pays one refund with the payout wallet, and denies another. Returns the waiting one's id."""
    first, second = world.refund(paid, "25.00"), world.refund(denied, "25.00")
    portal = world.merchant()
    refunds = {refund["shopify_id"]: refund for refund in portal.get("/portal/api/refunds").json()["refunds"]}
    world.pay_link(world.merchant_wallet(), refunds[first]["link"])
    denial = {"message": "The goods were not sent back."}
    portal.post(f"/portal/api/refunds/{refunds[second]['id']}/deny", json=denial).raise_for_status()
    for refund in (first, second):
        world.until_over(f"/sandbox/refunds/{refund}")
    refund_id: str = refunds[waiting]["id"]
    return refund_id
