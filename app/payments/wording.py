"""The view in words: in the customer's language, with figures as the customer's locale writes them."""

from datetime import datetime

from msgspec import Struct

from app.languages.errors import word_reason
from app.languages.figures import Money, write_money, write_rate, write_usdc
from app.languages.reader import Language, Reader, choose_reader
from app.languages.sentences import translate
from app.money import format_amount, format_usdc
from app.payments.attempts import Refusal
from app.payments.view import SENTENCES, PaymentView, Stage
from app.records import PaymentStatus
from app.system import System

_LANGUAGES = "SELECT p.locale, m.language FROM payments p JOIN merchants m ON m.id = p.merchant_id WHERE p.id = $1"


class RefusalShown(Struct, frozen=True):
    """When and why a wallet was refused: the reason code, and the sentence."""

    at: datetime
    reason: str
    message: str


class Shown(Struct, frozen=True):
    """What the status calls answer. `amount` and `usdc` are plain (`1,234.50 EUR`), `..._text` as the locale has it."""

    stage: Stage
    heading: str
    message: str
    ended: bool
    shop: str
    amount: str
    amount_text: str
    # Without the currency's code; None until there is a price.
    usdc: str | None
    usdc_text: str | None
    # `1 EUR ≈ 1.0800 USDC`; None for US dollars, and without a price.
    rate_text: str | None
    price_expires_at: datetime | None
    redirect_url: str | None
    back_url: str
    test: bool
    status: PaymentStatus
    refusal: RefusalShown | None
    language: Language
    # The path of the shop's logo, and where the shop helps (a web or mail address); None: not set.
    logo: str | None
    support_url: str | None


def word_view(view: PaymentView, reader: Reader) -> Shown:
    """A view as this reader understands it."""
    heading, message = SENTENCES[view.stage]
    return Shown(
        stage=view.stage,
        heading=translate(reader.language, heading),
        message=translate(reader.language, message),
        ended=view.ended,
        shop=view.shop,
        amount=format_amount(view.amount, view.currency),
        amount_text=str(amount_of(view, reader)),
        usdc=None if view.usdc is None else format_usdc(view.usdc),
        usdc_text=None if view.usdc is None else write_usdc(view.usdc, reader),
        rate_text=None if view.rate is None else f"1 {view.currency} ≈ {write_rate(view.rate, reader)} USDC",
        price_expires_at=view.price_expires_at,
        redirect_url=view.redirect_url,
        back_url=view.back_url,
        test=view.test,
        status=view.status,
        refusal=None if view.refusal is None else _word_refusal(view.refusal, reader),
        language=reader.language,
        logo=logo_path(view),
        support_url=view.support_url,
    )


def logo_path(view: PaymentView) -> str | None:
    """Where the public door has the shop's logo."""
    return None if view.logo is None else f"/logos/{view.logo}"


def reader_of(view: PaymentView, accept_language: str | None) -> Reader:
    """Who reads: the customer whom Shopify told us of, whose browser sends this header."""
    return choose_reader(view.customer_locale, accept_language, view.shop_language)


async def find_reader(system: System, payment_id: str, accept_language: str | None) -> Reader:
    """The same, where there is no view; who reads of a payment that does not exist counts by the header alone."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_LANGUAGES, payment_id)
    return choose_reader(row["locale"] if row else None, accept_language, row["language"] if row else None)


def amount_of(view: PaymentView, reader: Reader) -> Money:
    """What the order costs in the shop's currency."""
    return write_money(view.amount, view.currency, reader)


def _word_refusal(refusal: Refusal, reader: Reader) -> RefusalShown:
    return RefusalShown(refusal.at, refusal.reason, word_reason(refusal.reason, refusal.details, reader))
