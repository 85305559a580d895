"""The checkout's part of `make screenshots`: the store, and the customer's page in every language and stage."""

from playwright.sync_api import Page

from app.languages.reader import Language
from scripts.screenshots.camera import Camera
from scripts.screenshots.world import World

# What a checkout of each language's country is paid in.
PRICES = {
    Language.en: ("24.00", "USD"),
    Language.de: ("1249.90", "EUR"),
    Language.fr: ("59.00", "EUR"),
    Language.es: ("899.00", "MXN"),
    Language.pt: ("349.90", "BRL"),
    Language.it: ("18.50", "EUR"),
    Language.ja: ("3600", "JPY"),
    Language.zh: ("268.00", "CNY"),
}


def walk_checkout(camera: Camera, world: World) -> None:
    """`store`, `checkout-LANGUAGE` while it waits, `checkout-STAGE`, and `thank-you`."""
    camera.take("store", f"{world.url}/")
    camera.take("checkout", world.checkout()["page"], _stage("waiting"))
    for language, (amount, currency) in PRICES.items():
        if language is not Language.en:
            page = world.checkout(amount, currency, locale=str(language))["page"]
            camera.take(f"checkout-{language}", page, _stage("waiting"))
    camera.take("checkout-test", world.checkout(test=True)["page"], _stage("waiting"))

    world.break_down("prices")
    camera.take("checkout-unpriced", world.checkout("45000", "KRW")["page"], _stage("unpriced"))
    world.mend()

    opened = world.checkout()
    world.fetch(opened)
    camera.take("checkout-approve", opened["page"], _stage("approve"))
    for language in (Language.en, Language.de, Language.ja):
        poor = world.checkout(locale=str(language))
        world.fetch(poor, usdc="3")
        camera.take(f"checkout-too-little-{language}", poor["page"], "#notice:not([hidden])")
    screened = world.checkout()
    world.pay_flagged(screened)
    camera.take("checkout-refused", screened["page"], _stage("refused"))

    first, second = world.checkout(group="two-sessions"), world.checkout(group="two-sessions")
    world.pay(second)
    camera.take("checkout-already-paid", first["page"], _stage("already_paid"))
    world.break_down("shopify")
    received = world.checkout()
    world.pay(received)
    camera.take("checkout-received", received["page"], _stage("paid"))
    world.mend()
    camera.take("checkout-lost", world.checkout()["page"], _stage("waiting"), _lose)

    paid = world.checkout()
    world.pay(paid)
    world.until_over(f"/sandbox/checkouts/{paid['id']}")
    camera.take("thank-you", paid["page"], "body:has-text('Thank')")
    camera.take("checkout-unknown", f"{world.app}/pay/nothing")


def walk_late_checkout(camera: Camera, world: World) -> None:
    """The page when time is over, and that of a shop that took the app out: the last, since it is gone then."""
    late = world.checkout()
    world.pass_time(86_500)
    camera.take("checkout-expired", late["page"], "main[data-status=expired]")
    left = world.checkout()
    world.call("/sandbox/admin/uninstall", {})
    camera.take("checkout-closed", left["page"], _stage("closed"))


def _stage(name: str) -> str:
    return f"main[data-stage={name}]"


def _lose(page: Page) -> None:
    """The connection is gone for as long as the page says so."""
    page.route("**/status", lambda route: route.abort())
    page.route("**/events", lambda route: route.abort())
    page.reload()
    page.locator("#trouble:not(:empty)").wait_for()
    page.unroute_all()
