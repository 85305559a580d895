"""What the checkout page shows of a view, rendered without any server."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.languages.reader import ENGLISH
from app.payments.view import ENDS, PAYABLE, SENTENCES, PaymentView, Stage
from app.payments.wording import amount_of, word_view
from app.records import PaymentStatus
from handlers.pages import render_page

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LINK = "solana:https://pay.example/transactions/payment/0123456789abcdefghijkl"


def render(stage: Stage, **changes: Any) -> str:
    values: dict[str, Any] = {
        "stage": stage, "ended": stage in ENDS, "shop": "Tea <b>& Co", "amount": Decimal("12.5"), "currency": "EUR",
        "usdc": 13_500_000, "rate": Decimal("1.08"), "price_expires_at": NOW, "redirect_url": None,
        "back_url": "https://tea.example/cart", "test": False, "status": PaymentStatus.pending, "refusal": None,
        "customer_locale": None, "shop_language": None, "support_url": None, "logo": None,
    } | changes  # fmt: skip
    view, link = PaymentView(**values), LINK if stage in PAYABLE else None
    page = render_page(
        "pay.html", ENGLISH, view=word_view(view, ENGLISH), money=amount_of(view, ENGLISH), now=NOW,
        payment_id="0123456789abcdefghijkl", link=link, qr_svg="<svg/>" if link else None, chain="solana:mainnet",
        page_url="https://pay.example/pay/0123456789abcdefghijkl", sandbox_url="", opened_meanwhile=None,
    )  # fmt: skip
    return bytes(page.body).decode()


@pytest.mark.parametrize("stage", list(Stage))
def test_every_stage_has_a_page_with_its_sentence_and_a_way_on(stage: Stage) -> None:
    page = render(stage)
    heading, message = SENTENCES[stage]
    assert heading in page
    assert message in page
    assert 'href="https://tea.example/cart"' in page
    assert "Pay with the sandbox wallet" not in page
    assert ('id="qr"' in page) == (stage in PAYABLE)


def test_a_shops_name_can_not_become_markup() -> None:
    assert "Tea <b>" not in render(Stage.waiting)
    assert "Tea &lt;b&gt;&amp; Co" in render(Stage.waiting)


def test_a_phone_can_open_the_page_inside_a_wallets_own_browser() -> None:
    address = "https%3A%2F%2Fpay.example%2Fpay%2F0123456789abcdefghijkl"
    page = render(Stage.waiting)
    for wallet in ("https://phantom.app/ul/browse/", "https://solflare.com/ul/v1/browse/"):
        assert f'href="{wallet}{address}?ref={address}"' in page


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//elsewhere.example", ""])
def test_a_way_back_that_is_no_web_address_is_no_link(url: str) -> None:
    for stage in (Stage.waiting, Stage.expired):
        page = render(stage, back_url=url)
        assert "Return to shop" not in page.replace("Cancel and return to shop", "")
        assert 'id="cancel"' not in page


def test_the_figures_are_those_of_the_reader_and_the_rate_is_said() -> None:
    page = render(Stage.waiting)
    assert "€12.50" in page
    assert "1 EUR ≈ 1.0800 USDC" in page
    assert "1 USD" not in render(Stage.waiting, currency="USD", rate=None)
