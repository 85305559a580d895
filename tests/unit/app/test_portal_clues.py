"""Whatever a merchant pastes is read as what it is."""

from decimal import Decimal

import pytest

from app.portal.clues import TEXT_MAX, ClueUnreadable, Kind, read_clue

SIGNATURE = "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW"
WALLET = "9B5XszUGdMaxCZ7uSQhPzdks5ZQSmWxrmzCSvtJ6Ns6g"
PAYMENT = "aZ09_-aZ09_-aZ09_-aZ09"


@pytest.mark.parametrize(
    ("pasted", "kind", "text"),
    [
        (PAYMENT, Kind.payment, PAYMENT),
        (f"https://pay.example/pay/{PAYMENT}", Kind.payment, PAYMENT),
        (f"https://pay.example/portal/payments/{PAYMENT}?from=1", Kind.payment, PAYMENT),
        (f"/portal/payments/{PAYMENT}", Kind.payment, PAYMENT),
        (f"solana:https://pay.example/transactions/payment/{PAYMENT}", Kind.payment, PAYMENT),
        (f"solana:https%3A%2F%2Fpay.example%2Ftransactions%2Fpayment%2F{PAYMENT}", Kind.payment, PAYMENT),
        ("u0nwmSrNntjIWozmNslK5Tlq", Kind.shopify, "u0nwmSrNntjIWozmNslK5Tlq"),
        ("gid://shopify/PaymentSession/u0nwmSrNntjIWozmNslK5Tlq", Kind.shopify, "u0nwmSrNntjIWozmNslK5Tlq"),
        ("gid://shopify/PaymentSession/a%00b", Kind.shopify, "ab"),
        ("  'gid://shopify/RefundSession/abc'\n", Kind.refund, "abc"),
        ("rZNvy+1jH6Z+BcPqA5U5BSIcnUavBha3C63xBalm+xE=", Kind.shopify, "rZNvy+1jH6Z+BcPqA5U5BSIcnUavBha3C63xBalm+xE="),
        (SIGNATURE, Kind.signature, SIGNATURE),
        (f"https://explorer.solana.com/tx/{SIGNATURE}?cluster=devnet", Kind.signature, SIGNATURE),
        (f"https://solscan.io/tx/{SIGNATURE}#details", Kind.signature, SIGNATURE),
        (f"https://explorer.example/?tx={SIGNATURE}", Kind.signature, SIGNATURE),
        (WALLET, Kind.address, WALLET),
        (f"https://solscan.io/account/{WALLET}", Kind.address, WALLET),
        (f"solana:{WALLET}?amount=1", Kind.address, WALLET),
        ("#1001", Kind.order, "#1001"),
        ("https://admin.shopify.com/store/x/orders/5512", Kind.order, "https://admin.shopify.com/store/x/orders/5512"),
        # Letters that base58 does not have make it no address.
        ("0OIl" * 8, Kind.shopify, "0OIl" * 8),
    ],
)
def test_what_is_pasted_is_recognised(pasted: str, kind: Kind, text: str) -> None:
    clue = read_clue(pasted)
    assert (clue.kind, clue.text) == (kind, text)


@pytest.mark.parametrize(
    ("pasted", "amount", "currency"),
    [
        ("12.34", "12.34", None),
        ("12,34", "12.34", None),
        ("12,5", "12.5", None),
        ("1,250.00", "1250", None),
        ("1 250", "1250", None),
        ("1,250", "1250", None),
        ("$12.34", "12.34", None),
        ("12.34 €", "12.34", None),
        ("12.34 EUR", "12.34", "EUR"),
        ("eur 12.34", "12.34", "EUR"),
        ("5 usdc", "5", "USDC"),
        ("0.000001", "0.000001", None),
    ],
)
def test_amounts_are_read_as_people_write_them(pasted: str, amount: str, currency: str | None) -> None:
    clue = read_clue(pasted)
    assert (clue.kind, clue.amount, clue.currency) == (Kind.amount, Decimal(amount), currency)


@pytest.mark.parametrize("pasted", ["0", "1" * 19, "1.2.3", "EUR 5 USD", "5 abcde"])
def test_what_is_no_amount_is_searched_for_as_it_is(pasted: str) -> None:
    assert read_clue(pasted).kind is Kind.shopify


@pytest.mark.parametrize(
    "pasted", ["", " \n ", "x" * (TEXT_MAX + 1), "https://example.com/", "http://[", "solana:", "\x00"]
)
def test_what_can_name_nothing_is_refused(pasted: str) -> None:
    with pytest.raises(ClueUnreadable):
        read_clue(pasted)
